"""Every InfluxQL statement, and the rows of an answer. Pure.

The one place where text becomes part of a query: as a literal or an identifier, quoted and
escaped as InfluxQL's specification says. Numbers are formatted from ``int``.
Source: https://docs.influxdata.com/influxdb/v1/query_language/spec/
"""

# ruff: noqa: S608 - this is where statements are made: of numbers, and of escaped, quoted text
from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from spindle import subjects
from spindle.store.base import OVERFLOW_SCALE, Selection, clamped

_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n"})
_IDENTIFIER_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})

_METRIC_TAGS = (
    subjects.SOURCE_DEVICE,
    subjects.METRIC_TYPE,
    subjects.DEVICE_ID,
    subjects.ARRAY_ID,
)
_EVENT_TAGS = (
    subjects.SOURCE_DEVICE,
    subjects.EVENT_TYPE,
    subjects.DEVICE_ID,
    subjects.ARRAY_ID,
)
_TAGS = (*_METRIC_TAGS, subjects.EVENT_TYPE)
#: The tag that an older platform wrote in place of the field ``criticality``; its ids are tags too.
OLD_CRITICALITY, OLD_ID = "criticality_level", "old_event_id"
_EVENT_FIELDS = ("event_id", "criticality", "event_message", "time_shift_ns")


def literal(text: str) -> str:
    """A string literal that is equal to ``text`` and nothing else.

    InfluxQL has no way to write NUL or CR: ``Selection.possible`` keeps those out.
    """
    if "\0" in text or "\r" in text:
        raise ValueError("NUL and CR cannot be written in InfluxQL")
    return f"'{text.translate(_ESCAPES)}'"


def identifier(name: str) -> str:
    """A quoted name of a database, measurement, tag or field."""
    if "\0" in name or "\r" in name:
        raise ValueError("NUL and CR cannot be written in InfluxQL")
    return f'"{name.translate(_IDENTIFIER_ESCAPES)}"'


def latest(which: Selection, since_ns: int, until_ns: int | None = None) -> str:
    """The last value of every selected series. Bounded in time, or every shard is opened."""
    end_ns = None if until_ns is None else until_ns + 1
    return (
        f'SELECT last("value") AS "value" FROM {_metrics()} '
        f"WHERE {_where(which, _METRIC_TAGS, since_ns, end_ns)} GROUP BY {_names(_METRIC_TAGS)}"
    )


def raw(which: Selection, start_ns: int, end_ns: int, limit: int) -> str:
    """Readings in ``[start_ns, end_ns)``, at most ``limit`` per series."""
    return (
        f'SELECT "value" FROM {_metrics()} WHERE {_where(which, _METRIC_TAGS, start_ns, end_ns)} '
        f"GROUP BY {_names(_METRIC_TAGS)} LIMIT {limit:d}"
    )


def steps(which: Selection, start_ns: int, end_ns: int, every_ns: int, limit: int) -> str:
    """Mean, minimum, maximum and count per step, steps aligned to the epoch, none empty."""
    return (
        'SELECT mean("value") AS "mean", min("value") AS "minimum", max("value") AS "maximum", '
        f'count("value") AS "count" FROM {_metrics()} '
        f"WHERE {_where(which, _METRIC_TAGS, start_ns, end_ns)} "
        f"GROUP BY time({clamped(every_ns):d}ns), {_names(_METRIC_TAGS)} fill(none) LIMIT {limit:d}"
    )


def scaled_steps(which: Selection, start_ns: int, end_ns: int, every_ns: int, limit: int) -> str:
    """As ``steps``, but the mean is divided by ``OVERFLOW_SCALE``, and it takes longer."""
    where = _where(which, _METRIC_TAGS, start_ns, end_ns)
    return (
        'SELECT mean("scaled") AS "mean", min("value") AS "minimum", max("value") AS "maximum", '
        f'count("value") AS "count" FROM (SELECT "value" / {OVERFLOW_SCALE:.1f} AS "scaled", '
        f'"value" FROM {_metrics()} WHERE {where}) '
        f"WHERE time >= {clamped(start_ns):d} AND time < {clamped(end_ns):d} "
        f"GROUP BY time({clamped(every_ns):d}ns), {_names(_METRIC_TAGS)} fill(none) LIMIT {limit:d}"
    )


def samples(which: Selection, start_ns: int, end_ns: int, every_ns: int, limit: int) -> str:
    """The first reading per step, with the step's time."""
    return (
        f'SELECT first("value") AS "value" FROM {_metrics()} '
        f"WHERE {_where(which, _METRIC_TAGS, start_ns, end_ns)} "
        f"GROUP BY time({clamped(every_ns):d}ns), {_names(_METRIC_TAGS)} fill(none) LIMIT {limit:d}"
    )


def events(
    which: Selection,
    since_ns: int,
    min_criticality: int,
    limit: int | None = None,
    end_ns: int | None = None,
) -> str:
    """Events, newest first; the tags come as columns, so that the limit is one for all series."""
    return (
        f"SELECT {_event_columns()} FROM {_events()} "
        f"WHERE {_where(which, _EVENT_TAGS, since_ns, end_ns)} "
        f"AND {_critical(clamped(min_criticality))} ORDER BY time DESC"
        + (f" LIMIT {limit:d}" if limit is not None else "")
    )


def old_events(start_ns: int, limit: int) -> str:
    """Events that an older platform wrote, from ``start_ns`` on, oldest first."""
    return (
        f"SELECT {_event_columns()} FROM {_events()} WHERE time >= {clamped(start_ns):d} "
        f'AND "{OLD_CRITICALITY}" =~ /.+/ ORDER BY time LIMIT {limit:d}'
    )


def old_event_count() -> str:
    """How many of them there are: of each field a count."""
    return f'SELECT count(*) FROM {_events()} WHERE "{OLD_CRITICALITY}" =~ /.+/'


def _event_columns() -> str:
    old = f'"{OLD_CRITICALITY}"::tag AS "{OLD_CRITICALITY}", "event_id"::tag AS "{OLD_ID}"'
    return f"{_names(_EVENT_FIELDS + _EVENT_TAGS)}, {old}"


def _critical(least: int) -> str:
    """A tag is a text: it is not compared with a number, so each number is named."""
    levels = "|".join(map(str, range(max(1, least), 11)))
    ours = f'"criticality" >= {least:d}'
    return f'({ours} OR "{OLD_CRITICALITY}" =~ /^({levels})$/)' if levels else ours


def events_between(first_ns: int, last_ns: int) -> str:
    """Where every event in ``[first_ns, last_ns]`` is stored, and under which id."""
    return (
        f'SELECT "event_id", "time_shift_ns" FROM {_events()} '
        f"WHERE time >= {first_ns:d} AND time <= {last_ns:d} GROUP BY {_names(_EVENT_TAGS)}"
    )


#: A field that every point of a measurement has.
_ALWAYS = {
    subjects.DEVICE_METRICS: "value",
    subjects.EVENTS_MEASUREMENT: "event_message",
    subjects.PARKING_VISITS: "exit_time",
}


def held(measurement: str, start_ns: int, end_ns: int, every_ns: int) -> str:
    """How many there are of a measurement per step."""
    return (
        f'SELECT count("{_ALWAYS[measurement]}") AS "held" FROM {identifier(measurement)} '
        f"WHERE time >= {clamped(start_ns):d} AND time < {clamped(end_ns):d} "
        f"GROUP BY time({every_ns:d}ns) fill(none)"
    )


def any_event() -> str:
    """One row if there is an event: shows that the database is there and may be read."""
    return f'SELECT "event_id" FROM {_events()} LIMIT 1'


def create_database(name: str, hours: int) -> str:
    """With its retention (0 hours: for ever) at once: what is half made would keep for ever."""
    duration = f"{hours:d}h" if hours else "INF"
    return (
        f"CREATE DATABASE {identifier(name)} WITH DURATION {duration} REPLICATION 1 "
        f'SHARD DURATION {shard_hours(hours):d}h NAME "autogen"'
    )


def show_retention(database: str) -> str:
    return f"SHOW RETENTION POLICIES ON {identifier(database)}"


def alter_retention(database: str, policy: str, hours: int) -> str:
    """Keep for ``hours`` (0: for ever)."""
    duration = f"{hours:d}h" if hours else "INF"
    return (
        f"ALTER RETENTION POLICY {identifier(policy)} ON {identifier(database)} "
        f"DURATION {duration} SHARD DURATION {shard_hours(hours):d}h"
    )


def shard_hours(retention_hours: int) -> int:
    """How much time a shard covers, as InfluxDB would choose for this retention (0: for ever)."""
    if 0 < retention_hours < 48:
        return 1
    return 24 if 0 < retention_hours <= 24 * 180 else 168


def rows(result: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of one statement's result, tags and columns in one dictionary.

    1.x and 2.x give the tags of ``GROUP BY`` beside the columns; early 3.x gives them as columns.
    A series without a tag has it as ``""`` in 1.x and as None in 3.x; both become ``""``.
    """
    for series in result.get("series") or ():
        tags = series.get("tags") or {}
        columns = series["columns"]
        for values in series.get("values") or ():
            row = {**tags, **dict(zip(columns, values, strict=True))}
            for tag in _TAGS:
                row[tag] = row.get(tag) or ""
            yield row


def _metrics() -> str:
    return identifier(subjects.DEVICE_METRICS)


def _events() -> str:
    return identifier(subjects.EVENTS_MEASUREMENT)


def _names(names: Iterable[str]) -> str:
    return ", ".join(identifier(name) for name in names)


def _where(which: Selection, tags: Iterable[str], start_ns: int, end_ns: int | None = None) -> str:
    """Time bounds and exact matches. Without an upper bound ``GROUP BY time`` would end at now."""
    conditions = [f"time >= {clamped(start_ns):d}"]
    if end_ns is not None:
        conditions.append(f"time < {clamped(end_ns):d}")
    for tag in tags:
        wanted = getattr(which, tag, None)  # an event type is not selected by
        if wanted is not None:
            conditions.append(f"{identifier(tag)} = {literal(wanted)}")
    if which.device_ids is not None:
        any_of = (
            f"{identifier(subjects.DEVICE_ID)} = {literal(each)}" for each in which.device_ids
        )
        conditions.append(f"({' OR '.join(any_of)})")
    conditions += [
        f"{identifier(subjects.METRIC_TYPE)} != {literal(each)}" for each in which.without
    ]
    return " AND ".join(conditions)
