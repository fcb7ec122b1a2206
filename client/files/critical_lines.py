"""Critical events as lines of ``client_output.log``, and the same lines read back. Pure.

A summary is one line saying when, how many and whose, then one indented line per event::

    2026-01-31T12:00:05Z 2 new critical events: DiskUnit 2
      2026-01-31T12:00:01.123456789Z criticality 9 DriveFailure DiskUnit sda of host-3 id "e-1"
      2026-01-31T12:00:02Z criticality 8 DataCorruption DiskUnit disk-7 id "e-2" message "parity"

and one when a device that such lines tell of is well again, with criticality 1::

    2026-01-31T12:09:30Z 1 over: DiskUnit 1
      2026-01-31T12:09:28Z criticality 1 HealthChanged DiskUnit sda of host-3 id "e-3" message "ok"

What others wrote (ids, messages) stands quoted as in JSON, so that it can neither end a line nor
look like another event.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from spindle import timestamps

LONGEST_MESSAGE = 300  # characters of an event's message that a line repeats

_EVENT_LINE = re.compile(
    r'  (\S+) criticality (\d+) \S+ (\S+) (\S+)(?: of (\S+))? id ("(?:[^"\\]|\\.)*")'
)
_HEAD_LINE = re.compile(r"(\S+) \d+ (?:new critical events?|over): ")

OVER = 1  # the criticality of every end


class Key(NamedTuple):
    """The identity of an event; logs of earlier versions do not name the array."""

    source_device: str
    device_id: str
    event_id: str
    array_id: str = ""

    @property
    def device(self) -> Device:
        return self.source_device, self.device_id, self.array_id


Device = tuple[str, str, str]  # class, id and array


class Line(NamedTuple):
    """What is known of an event that the log tells of.

    :ivar is_over: it tells that a device is well again.
    """

    key: Key
    time_ns: int
    is_over: bool


@dataclass(frozen=True, slots=True)
class CriticalEvent:
    """One critical event as the reader lists it, or the end of what such events told.

    :ivar is_over: it is such an end: told only of a device of which an event was told.
    """

    key: Key
    time_ns: int
    event_type: str
    criticality: int
    message: str
    simulated: bool = False
    is_over: bool = False


def from_row(row: object) -> CriticalEvent:
    """One row of ``alerts_critical``; a reader that names no device means the class.

    :raises ValueError: the row is not row 12's.
    """
    if not isinstance(row, Mapping):
        raise ValueError("a row is not an object")  # noqa: TRY004 - one kind of mistake
    missing = [
        name
        for name in ("time", "event_id", "source_device", "event_type", "criticality")
        if row.get(name) is None
    ]
    if missing:
        raise ValueError(f"a row has no {missing[0]}")
    source_device = _word(row["source_device"])
    device_id = _word(row.get("device_id") or source_device)
    array_id = _word(row["array_id"]) if row.get("array_id") else ""
    return CriticalEvent(
        Key(source_device, device_id, str(row["event_id"]), array_id),
        timestamps.parse(str(row["time"])),
        _word(row["event_type"]),
        int(row["criticality"]),
        str(row.get("event_message") or ""),
        simulated=row.get("simulated") is True,
    )


def _word(value: Any) -> str:
    """A name as one word: a valid name stays as it is."""
    return "".join(c if c.isprintable() and not c.isspace() else "_" for c in str(value)) or "_"


def render(events: Sequence[CriticalEvent], now_ns: int) -> str:
    """The summary of a set of new events, oldest event first, ending with a newline."""
    begun = [event for event in events if not event.is_over]
    over = [event for event in events if event.is_over]
    plural = "" if len(begun) == 1 else "s"
    said = [f"{len(begun)} new critical event{plural}: {_whose(begun)}"] if begun else []
    said += [f"{len(over)} over: {_whose(over)}"] if over else []
    head = f"{_seconds(now_ns)} {'; '.join(said)}\n"
    return head + "".join(f"  {_line(event)}\n" for event in events)


def _whose(events: Sequence[CriticalEvent]) -> str:
    counts = Counter(event.key.source_device for event in events)
    return ", ".join(f"{source} {count}" for source, count in sorted(counts.items()))


def _seconds(ns: int) -> str:
    return timestamps.format_ns(ns - ns % timestamps.NS)


def _line(event: CriticalEvent) -> str:
    key = event.key
    where = f" of {key.array_id}" if key.array_id else ""
    line = (
        f"{timestamps.format_ns(event.time_ns)} criticality {event.criticality} "
        f"{event.event_type} {key.source_device} {key.device_id}{where} id {_quoted(key.event_id)}"
    )
    if message := event.message:
        if len(message) > LONGEST_MESSAGE:
            message = message[: LONGEST_MESSAGE - 3] + "..."
        line = f"{line} message {_quoted(message)}"
    return f"{line} simulated" if event.simulated else line


def _quoted(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    if quoted.isprintable():
        return quoted
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in quoted)


def read_back(lines: Iterable[str]) -> Iterator[Line]:
    """Every event that the lines tell of."""
    for line in lines:
        match = _EVENT_LINE.match(line)
        if match is None:
            continue
        time, criticality, source_device, device_id, array_id, event_id = match.groups()
        try:
            key = Key(source_device, device_id, json.loads(event_id), array_id or "")
            yield Line(key, timestamps.parse(time), int(criticality) == OVER)
        except ValueError:  # edited by hand
            continue


def newest_summary_ns(lines: Iterable[str]) -> int | None:
    """When the latest summary among the lines was written; None where there is none."""
    newest = None
    for line in lines:
        match = _HEAD_LINE.match(line)
        if match is None:
            continue
        try:
            newest = max(newest or 0, timestamps.parse(match[1]))
        except ValueError:  # edited by hand
            continue
    return newest
