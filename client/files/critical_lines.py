"""Critical events as lines of ``client_output.log``, and the same lines read back. Pure.

A summary is one line saying when, how many and whose, then one indented line per event::

    2026-01-31T12:00:05Z 2 new critical events: DiskUnit 2
      2026-01-31T12:00:01.123456789Z criticality 9 DriveFailure DiskUnit sda of host-3 id "e-1"
      2026-01-31T12:00:02Z criticality 8 DataCorruption DiskUnit disk-7 id "e-2" message "parity"

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
    r'  (\S+) criticality \d+ \S+ (\S+) (\S+)(?: of (\S+))? id ("(?:[^"\\]|\\.)*")'
)
_HEAD_LINE = re.compile(r"(\S+) \d+ new critical events?: ")


class Key(NamedTuple):
    """The identity of an event; logs of earlier versions do not name the array."""

    source_device: str
    device_id: str
    event_id: str
    array_id: str = ""


@dataclass(frozen=True, slots=True)
class CriticalEvent:
    """One critical event as the reader lists it."""

    key: Key
    time_ns: int
    event_type: str
    criticality: int
    message: str


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
    )


def _word(value: Any) -> str:
    """A name as one word: a valid name stays as it is."""
    return "".join(c if c.isprintable() and not c.isspace() else "_" for c in str(value)) or "_"


def render(events: Sequence[CriticalEvent], now_ns: int) -> str:
    """The summary of a set of new events, oldest event first, ending with a newline."""
    counts = Counter(event.key.source_device for event in events)
    whose = ", ".join(f"{source} {count}" for source, count in sorted(counts.items()))
    plural = "" if len(events) == 1 else "s"
    head = f"{_seconds(now_ns)} {len(events)} new critical event{plural}: {whose}\n"
    return head + "".join(f"  {_line(event)}\n" for event in events)


def _seconds(ns: int) -> str:
    return timestamps.format_ns(ns - ns % timestamps.NS)


def _line(event: CriticalEvent) -> str:
    key = event.key
    where = f" of {key.array_id}" if key.array_id else ""
    line = (
        f"{timestamps.format_ns(event.time_ns)} criticality {event.criticality} "
        f"{event.event_type} {key.source_device} {key.device_id}{where} id {_quoted(key.event_id)}"
    )
    if not event.message:
        return line
    message = event.message
    if len(message) > LONGEST_MESSAGE:
        message = message[: LONGEST_MESSAGE - 3] + "..."
    return f"{line} message {_quoted(message)}"


def _quoted(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    if quoted.isprintable():
        return quoted
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in quoted)


def read_back(lines: Iterable[str]) -> Iterator[tuple[Key, int]]:
    """Every event that the lines tell of, with its time in nanoseconds."""
    for line in lines:
        match = _EVENT_LINE.match(line)
        if match is None:
            continue
        time, source_device, device_id, array_id, event_id = match.groups()
        try:
            key = Key(source_device, device_id, json.loads(event_id), array_id or "")
            yield key, timestamps.parse(time)
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
