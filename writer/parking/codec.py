"""Messages -> passages; the state of a plate -> a value of the bucket ``parking``, and back. Pure.

``entry_time``, ``parking_enter_data`` and ``parking_exit_data`` are for people and other programs;
``matcher`` is what is read back. A value that is none of ours counts as nothing known.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, field
from typing import Any

import msgspec
import orjson

from spindle import models, subjects, timestamps
from spindle.errors import InvalidInput
from spindle.models import ParkingSummary, Status
from spindle.parking import plate_of
from spindle.values import UNREADABLE, Whole
from writer.parking.state import Anomaly, AnomalyKind, Kind, Passage, Settled, State, Visit
from writer.storing.batch import Mistake

EMPTY = State()

_Passage = tuple[Kind, str, Whole, Whole, Whole, str | None]
_Settled = tuple[Kind, str, Whole, Whole]
_Visit = tuple[str, str, Status, Whole | None, str, Whole, str, Whole, str]
_Anomaly = tuple[str, AnomalyKind, _Passage, str]


class _Matcher(msgspec.Struct):
    waiting: list[_Passage]
    settled: list[_Settled]
    visits: list[_Visit]
    anomalies: list[_Anomaly]


class _Value(msgspec.Struct):
    matcher: _Matcher


_VALUE = msgspec.json.Decoder(_Value)


def encode(key: str, state: State) -> tuple[bytes, bool]:
    """The value, and whether the key is live: a vehicle is inside, or leaving this moment."""
    plate = plate_of(key)
    inside, leaving = state.inside, _leaving(state)
    value: dict[str, Any] = {}
    if inside is not None:
        value["entry_time"] = timestamps.format_ns(inside.time_ns)
        value["parking_enter_data"] = enter_data(plate, inside)
    elif leaving is not None and leaving.entry_ns is not None:
        value["entry_time"] = timestamps.format_ns(leaving.entry_ns)
        value["parking_enter_data"] = _entry(plate, leaving.entry_id, leaving.entry_ns)
        value["parking_exit_data"] = {
            "id": leaving.exit_id,
            "vehicle_plate": plate,
            "exit_date_time": timestamps.format_ns(leaving.exit_ns),
        }
    value["matcher"] = {
        "waiting": [astuple(one) for one in state.waiting],
        "settled": [astuple(one) for one in state.settled],
        "visits": [astuple(one) for one in state.outbox if isinstance(one, Visit)],
        "anomalies": [astuple(one) for one in state.outbox if isinstance(one, Anomaly)],
    }
    return orjson.dumps(value), bool(inside or leaving)


def decode(value: bytes | None) -> State:
    """The state in a value; ``EMPTY`` where it holds none."""
    if not value:
        return EMPTY
    try:
        data = _VALUE.decode(value).matcher
    except UNREADABLE:  # put there by hand
        return EMPTY
    return State(
        tuple(Passage(*one) for one in data.waiting),
        tuple(Settled(*one) for one in data.settled),
        (
            *(Visit(*one) for one in data.visits),
            *(Anomaly(i, kind, Passage(*entry), why) for i, kind, entry, why in data.anomalies),
        ),
    )


def enter_data(plate: str, entry: Passage) -> dict[str, Any]:
    """An entry in the form it came in."""
    data = _entry(plate, entry.id, entry.time_ns)
    return data | {"lot": entry.lot} if entry.lot else data


def summary(plate: str, visit: Visit, now_ns: int) -> ParkingSummary:
    """A visit as it is published."""
    return ParkingSummary(
        vehicle_plate=plate,
        entry_date_time=visit.entry_ns,
        exit_date_time=visit.exit_ns,
        id=visit.id,
        lot=visit.lot,
        status=visit.status,
        reason=visit.reason or None,
        processing_seconds=max(0, now_ns - visit.since_ns) / timestamps.NS,
    )


def _leaving(state: State) -> Visit | None:
    matched = [v for v in state.outbox if isinstance(v, Visit) and v.status == "matched"]
    return max(matched, key=lambda visit: visit.exit_ns, default=None)


def _entry(plate: str, entry_id: str, time_ns: int) -> dict[str, Any]:
    time = timestamps.format_ns(time_ns)
    return {"id": entry_id, "vehicle_plate": plate, "entry_date_time": time}


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
