"""Visits in InfluxDB: points of ``parking_visits``, each at its end. Pure.

Tags: ``lot``, ``status``; fields: ``plate``, ``entry_time`` and ``exit_time`` (RFC 3339, all nine
digits), ``duration_seconds``, ``id``, ``reason``. Two visits with the same tags that end in the
same instant are both kept, by the mechanism of ``event_times``.
"""

# ruff: noqa: S608 - statements are made of constants, numbers and escaped, quoted text
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spindle import timestamps
from spindle.store.base import EventRow, VisitRow, VisitSelection, clamped
from spindle.store.influxdb import event_times, influxql
from spindle.store.influxdb.lines import string_field, tag_value
from spindle.subjects import LOT, PARKING_VISITS, STATUS

_FIELDS = ("id", "plate", "entry_time", "duration_seconds", "reason", "time_shift_ns", LOT, STATUS)


def lines(visits: Sequence[VisitRow], stored: Sequence[Sequence[dict[str, Any]]]) -> str:
    """Line protocol of the visits, beside what is stored in ``stored_between`` of them.

    :raises BatchRefused: a tag or a place cannot be had.
    """
    places = event_times.Places()
    for row in (row for rows in stored for row in rows):
        visit = _placed(row[LOT], row[STATUS], row["id"] or "", row["time"])
        places.add(event_times.tags_of(visit), visit.event_id, visit.time_ns, _shift(row))
    times = places.place([_placed(v.lot, v.status, v.visit_id, v.time_ns) for v in visits])
    return "\n".join(map(_line, visits, times))


def stored_between(visits: Sequence[VisitRow]) -> list[str]:
    """Statements: where each visit near these is stored, and under which id."""
    placed = (_placed(v.lot, v.status, v.visit_id, v.time_ns) for v in visits)
    return [
        f'SELECT "id", "time_shift_ns" FROM "{PARKING_VISITS}" '
        f'WHERE time >= {first:d} AND time <= {last:d} GROUP BY "{LOT}", "{STATUS}"'
        for first, last in event_times.ranges(placed)
    ]


def _placed(lot: str, status: str, visit_id: str, time_ns: int) -> EventRow:
    """The visits in the form that ``event_times`` gives places to."""
    return EventRow(time_ns, visit_id, lot, status, PARKING_VISITS, "", 1, "")


def _line(visit: VisitRow, time_ns: int) -> str:
    fields = {
        "exit_time": string_field(timestamps.format_ns(visit.time_ns)),
        "id": string_field(visit.visit_id),
        "plate": string_field(visit.plate),
    }
    if visit.entry_ns is not None:
        fields["duration_seconds"] = repr(visit.duration_seconds)
        fields["entry_time"] = string_field(timestamps.format_ns(visit.entry_ns))
    if visit.reason:
        fields["reason"] = string_field(visit.reason)
    if time_ns != visit.time_ns:
        fields["time_shift_ns"] = f"{time_ns - visit.time_ns}i"
    tags = f"{LOT}={tag_value(visit.lot)},{STATUS}={tag_value(visit.status)}"
    values = ",".join(f"{name}={value}" for name, value in fields.items())
    return f"{PARKING_VISITS},{tags} {values} {time_ns}"


def select(
    which: VisitSelection, since_ns: int, limit: int | None = None, end_ns: int | None = None
) -> str:
    """Visits that ended in ``[since_ns, end_ns)``, the latest first."""
    names = ", ".join(f'"{name}"' for name in _FIELDS)
    conditions = [f"time >= {clamped(since_ns):d}"]
    if end_ns is not None:
        conditions.append(f"time < {clamped(end_ns):d}")
    conditions += [f'"{name}" = {influxql.literal(text)}' for name, text in which.given.items()]
    most = "" if limit is None else f" LIMIT {limit:d}"
    where = " AND ".join(conditions)
    return f'SELECT {names} FROM "{PARKING_VISITS}" WHERE {where} ORDER BY time DESC{most}'


def of_row(row: dict[str, Any]) -> VisitRow:
    """One row of an answer."""
    entry = row["entry_time"]
    return VisitRow(
        time_ns=row["time"] - _shift(row),
        visit_id=row["id"] or "",
        plate=row["plate"] or "",
        lot=row[LOT] or "",
        status=row[STATUS] or "",
        entry_ns=timestamps.parse(entry) if entry else None,
        reason=row["reason"] or "",
    )


def _shift(row: dict[str, Any]) -> int:
    return int(row.get("time_shift_ns") or 0)
