"""Messages of ``parking.entry`` and ``parking.exit`` -> passages and mistakes. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from spindle import models, subjects
from spindle.errors import InvalidInput
from writer.parking.state import Passage
from writer.storing.batch import Mistake


@dataclass(frozen=True, slots=True)
class Times:
    """The times that one message is judged by, in nanoseconds.

    :ivar taken_ns: when NATS took it.
    :ivar now_ns: now.
    :ivar latest_ns: timestamps after this lie in the future.
    """

    taken_ns: int
    now_ns: int
    latest_ns: int


@dataclass(frozen=True, slots=True)
class Told:
    """The passages in one message, and its mistakes.

    :ivar passages: by plate, in the message's order.
    :ivar mistakes: what is wrong with the rest of it.
    """

    passages: dict[str, list[Passage]] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Entries and exits, good and bad together."""
        return sum(map(len, self.passages.values())) + sum(each.count for each in self.mistakes)


def read(subject: str, payload: bytes, times: Times, most_bytes: int) -> Told:
    """One object or an envelope of them; the subject says whether they are entries or exits."""
    told = Told()
    if len(payload) > most_bytes:
        reason = f"{len(payload)} bytes, at most {most_bytes} are taken"
        told.mistakes.append(Mistake(None, "invalid", reason))
        return told
    try:
        objects = models.decode(payload)
    except InvalidInput as error:
        told.mistakes.append(Mistake(None, "invalid", str(error)))
        return told
    for index, data in enumerate(objects):
        try:
            plate, passage = _passage(subject, data, times)
        except InvalidInput as error:
            told.mistakes.append(Mistake(index, "invalid", str(error)))
        else:
            told.passages.setdefault(plate, []).append(passage)
    return told


def _passage(subject: str, data: object, times: Times) -> tuple[str, Passage]:
    taken_ns, now_ns = times.taken_ns, times.now_ns
    if subject == subjects.PARKING_ENTRY or subject.startswith(f"{subjects.PARKING_ENTRY}."):
        entry = models.parse(models.VehicleEntry, data, times.latest_ns)
        passage = Passage("entry", entry.id, entry.entry_date_time, taken_ns, now_ns, entry.lot)
        return entry.vehicle_plate, passage
    leave = models.parse(models.VehicleExit, data, times.latest_ns)
    passage = Passage("exit", leave.id, leave.exit_date_time, taken_ns, now_ns, leave.lot)
    return leave.vehicle_plate, passage
