"""The SQLite file: its tables, the SQL that reads and writes them, and what is too old to be kept.
Nothing here runs any of it. Pure.

Readings are clustered by series and time (``WITHOUT ROWID``), so that one series over a range, and
the newest reading of a series, are each one descent of one tree. Measured on two cores with 4,000
series, batches of 20,000 sorted by series, ``synchronous=FULL``: 330,000 points/s at 29 bytes a
point (a tree clustered by time takes 840,000/s, but then reads a series by scanning all of them).
The names that are promised to people, ``device_metrics``, ``events`` and ``parking_visits``, are
views.
"""

from __future__ import annotations

from spindle import timestamps
from spindle.errors import BatchRefused
from spindle.store.base import OVERFLOW_SCALE

VERSION = 2  #: ``PRAGMA user_version`` of a file whose tables are all there

# array_id is '' for none: NULLs would make the unique index blind to duplicates.
SCHEMA = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY,
    source_device TEXT NOT NULL,
    metric_type TEXT NOT NULL,
    device_id TEXT NOT NULL,
    array_id TEXT NOT NULL,
    UNIQUE (device_id, metric_type, source_device, array_id)
);
CREATE TABLE IF NOT EXISTS points (
    series_id INTEGER NOT NULL,
    time_ns INTEGER NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (series_id, time_ns)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event_rows (
    time_ns INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    source_device TEXT NOT NULL,
    event_type TEXT NOT NULL,
    device_id TEXT NOT NULL,
    array_id TEXT NOT NULL,
    criticality INTEGER NOT NULL,
    event_message TEXT NOT NULL,
    PRIMARY KEY (time_ns, event_id, source_device, event_type, device_id, array_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS event_rows_of_device ON event_rows (device_id, time_ns);
CREATE VIEW IF NOT EXISTS device_metrics AS
SELECT strftime('%Y-%m-%dT%H:%M:%S', time_ns / 1000000000, 'unixepoch')
           || printf('.%09dZ', time_ns % 1000000000) AS time,
       source_device, metric_type, device_id, array_id, value, time_ns
FROM points JOIN series ON id = series_id;
CREATE VIEW IF NOT EXISTS events AS
SELECT strftime('%Y-%m-%dT%H:%M:%S', time_ns / 1000000000, 'unixepoch')
           || printf('.%09dZ', time_ns % 1000000000) AS time,
       source_device, event_type, device_id, array_id,
       event_id, criticality, event_message, time_ns
FROM event_rows;
CREATE TABLE IF NOT EXISTS visit_rows (
    time_ns INTEGER NOT NULL,
    visit_id TEXT NOT NULL,
    plate TEXT NOT NULL,
    lot TEXT NOT NULL,
    status TEXT NOT NULL,
    entry_ns INTEGER,
    reason TEXT NOT NULL,
    PRIMARY KEY (time_ns, visit_id, lot, status)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS visit_rows_of_plate ON visit_rows (plate, time_ns);
CREATE VIEW IF NOT EXISTS parking_visits AS
SELECT strftime('%Y-%m-%dT%H:%M:%S', time_ns / 1000000000, 'unixepoch')
           || printf('.%09dZ', time_ns % 1000000000) AS exit_time,
       strftime('%Y-%m-%dT%H:%M:%S', entry_ns / 1000000000, 'unixepoch')
           || printf('.%09dZ', entry_ns % 1000000000) AS entry_time,
       plate, lot, status, (time_ns - entry_ns) / 1e9 AS duration_seconds,
       visit_id AS id, reason, time_ns, entry_ns
FROM visit_rows;
"""

SERIES_ID = """
SELECT id FROM series
WHERE source_device = ? AND metric_type = ? AND device_id = ? AND array_id = ?
"""
ADD_SERIES = "INSERT INTO series (source_device, metric_type, device_id, array_id) VALUES (?,?,?,?)"
#: Leaves out what is there, so that the count of rows says what is new; then that is replaced.
ADD_POINT = "INSERT OR IGNORE INTO points (series_id, time_ns, value) VALUES (?,?,?)"
#: Rows of one statement: SQLite takes 32,766 values since 3.32.
ROWS_AT_ONCE = 5_000
ADD_POINTS = ADD_POINT + ",(?,?,?)" * (ROWS_AT_ONCE - 1)
REPLACE_POINT, REPLACE_POINTS = (
    statement.replace("IGNORE", "REPLACE") for statement in (ADD_POINT, ADD_POINTS)
)
#: Of ``EventRow``, in the order of the statements below.
EVENT_COLUMNS = (
    "time_ns",
    "event_id",
    "source_device",
    "event_type",
    "device_id",
    "array_id",
    "criticality",
    "message",
)
ADD_EVENT = """
INSERT INTO event_rows (time_ns, event_id, source_device, event_type, device_id, array_id,
                        criticality, event_message)
VALUES (?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING
"""

ADD_VISIT = """
INSERT INTO visit_rows (time_ns, visit_id, plate, lot, status, entry_ns, reason)
VALUES (?,?,?,?,?,?,?) ON CONFLICT DO NOTHING
"""

# {where} stands for conditions made of column names alone; values are always bound.
SELECTED_SERIES = """
SELECT id, source_device, metric_type, device_id, array_id FROM series {where}
ORDER BY source_device, metric_type, device_id, array_id
"""
LATEST = """
SELECT time_ns, value FROM points
WHERE series_id = :id AND time_ns >= :since AND time_ns <= :until ORDER BY time_ns DESC LIMIT 1
"""
RAW = """
SELECT time_ns, value, value, value, 1 FROM points
WHERE series_id = :id AND time_ns >= :start AND time_ns < :end ORDER BY time_ns LIMIT :limit
"""
STEPS = """
SELECT time_ns / :every * :every, avg(value), min(value), max(value), count(*) FROM points
WHERE series_id = :id AND time_ns >= :start AND time_ns < :end
GROUP BY time_ns / :every ORDER BY 1 LIMIT :limit
"""
SCALED_STEPS = STEPS.replace("avg(value)", f"avg(value / {OVERFLOW_SCALE}) * {OVERFLOW_SCALE}")
# From one step's first reading straight to the next step's: what lies between is not looked at.
SAMPLES = """
WITH RECURSIVE first(time_ns) AS (
    SELECT min(time_ns) FROM points
    WHERE series_id = :id AND time_ns >= :start AND time_ns < :end
    UNION ALL
    SELECT (
        SELECT min(later.time_ns) FROM points AS later
        WHERE series_id = :id AND later.time_ns < :end
            AND later.time_ns >= (first.time_ns / :every + 1) * :every
    ) FROM first WHERE first.time_ns IS NOT NULL
)
SELECT first.time_ns / :every * :every, value, value, value, 1
FROM first CROSS JOIN points ON series_id = :id AND points.time_ns = first.time_ns LIMIT :limit
"""
EVENTS = """
SELECT time_ns, event_id, source_device, event_type, device_id, array_id,
       criticality, event_message
FROM event_rows {where} ORDER BY time_ns DESC, event_id DESC LIMIT :limit
"""

VISITS = """
SELECT time_ns, visit_id, plate, lot, status, entry_ns, reason
FROM visit_rows {where} ORDER BY time_ns DESC, visit_id DESC LIMIT :limit
"""

HELD_POINTS = """
SELECT time_ns / :every * :every, count(*) FROM points
WHERE series_id = :id AND time_ns >= :start AND time_ns < :end GROUP BY 1
"""


def held(table: str) -> str:
    """How many rows of a table there are per step."""
    return (
        f"SELECT time_ns / :every * :every, count(*) FROM {table} "  # noqa: S608 - one of ours
        "WHERE time_ns >= :start AND time_ns < :end GROUP BY 1"
    )


NEWEST = """
SELECT max(newest) FROM (
    SELECT max((SELECT max(time_ns) FROM points WHERE series_id = id)) AS newest FROM series
    UNION ALL SELECT max(time_ns) FROM event_rows UNION ALL SELECT max(time_ns) FROM visit_rows
)
"""

# Retention: series after series, at most :limit rows at a time.
NEXT_SERIES = "SELECT id FROM series WHERE id > ? ORDER BY id LIMIT ?"
NTH_OLD_POINT = """
SELECT time_ns FROM points WHERE series_id = :id AND time_ns < :cutoff
ORDER BY time_ns LIMIT 1 OFFSET :limit
"""
DELETE_POINTS = "DELETE FROM points WHERE series_id = :id AND time_ns < :before"
DELETE_EMPTY_SERIES = """
DELETE FROM series WHERE id = :id AND NOT EXISTS (SELECT 1 FROM points WHERE series_id = :id)
"""
NTH_OLD_EVENT, NTH_OLD_VISIT = (
    f"SELECT time_ns FROM {table} WHERE time_ns < :cutoff "  # noqa: S608 - ours
    "ORDER BY time_ns LIMIT 1 OFFSET :limit"
    for table in ("event_rows", "visit_rows")
)
DELETE_EVENTS = "DELETE FROM event_rows WHERE time_ns < :before"
DELETE_VISITS = "DELETE FROM visit_rows WHERE time_ns < :before"


def where(*conditions: str) -> str:
    """``WHERE a AND b``, or nothing for no condition."""
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


_DAY_NS = 86_400 * 10**9


def safe_cutoff(now_ns: int, newest_ns: int | None, retention_ns: int) -> int:
    """The time before which stored points are deleted.

    A clock that is wild must not delete what is stored: where it is later than the newest stored
    reading by more than a day (or than half the retention, where that is less), the retention is
    reckoned from that reading, so that expiry waits for the readings to move on.

    :param newest_ns: time of the newest stored reading; None where nothing is stored.
    """
    if newest_ns is None or now_ns - newest_ns <= min(_DAY_NS, retention_ns // 2):
        return now_ns - retention_ns
    return newest_ns - retention_ns


def expired(time_ns: int, cutoff_ns: int) -> BatchRefused:
    """The refusal of what would be deleted as soon as it is stored."""
    return BatchRefused(
        f"expired: {timestamps.format_ns(time_ns)} is older than the retention, which keeps what "
        f"is later than {timestamps.format_ns(cutoff_ns)}"
    )
