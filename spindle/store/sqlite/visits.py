"""Visits in SQLite: rows of ``visit_rows``; people see the view ``parking_visits``. Pure."""

# ruff: noqa: S608 - statements are made of constants; values are bound
from __future__ import annotations

from spindle.store.base import VisitSelection

SCHEMA = """
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
ADD = """
INSERT INTO visit_rows (time_ns, visit_id, plate, lot, status, entry_ns, reason)
VALUES (?,?,?,?,?,?,?) ON CONFLICT DO NOTHING
"""
NTH_OLD = """
SELECT time_ns FROM visit_rows WHERE time_ns < :cutoff ORDER BY time_ns LIMIT 1 OFFSET :limit
"""
DELETE = "DELETE FROM visit_rows WHERE time_ns < :before"


def sql(which: VisitSelection) -> str:
    """The visits since ``:since``, the latest first; what is selected by is bound."""
    conditions = ["time_ns >= :since", *(f"{name} = :{name}" for name in which.given)]
    return (
        "SELECT time_ns, visit_id, plate, lot, status, entry_ns, reason FROM visit_rows "
        f"WHERE {' AND '.join(conditions)} ORDER BY time_ns DESC, visit_id DESC LIMIT :limit"
    )
