"""``parking_summary.csv``: append each visit from NATS once, whatever happens in between.

The file has no room for ids, so what was written is remembered beside it, in a small SQLite file
(``parking_summary.csv.state``): the ids, and before each append where it begins and ends. After a
crash the file's length tells whether that append was done; what of it was done in part is cut off.

Before an append the state, after it the file is synced to the disk, and only then NATS hears that
the visits are kept: what stands in the file survives a power cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from nats.aio.client import Client
from nats.aio.msg import Msg
from prometheus_client import Counter

from client.answer_text import harmless
from client.consumer import PAUSE_SECONDS, Consumer
from client.files.append_file import AppendFile
from client.settings import ClientSettings
from spindle import models, subjects, timestamps
from spindle.errors import InvalidInput
from spindle.models import MAX_PAYLOAD_BYTES, ParkingSummary
from spindle.service.run import Service
from spindle.timestamps import NS

PART = "parking"
AT_ONCE = 500
HEADER = (
    "vehicle_plate",
    "entry_date_time",
    "exit_date_time",
    "duration_seconds",
    "status",
)
#: Of one file, and how many renamed ones are kept. 100 MB are some million visits, which a
#: spreadsheet still opens.
MAX_BYTES, BACKUPS = 100_000_000, 10
REMEMBERED = 1_000_000  #: ids, some 60 bytes each

_SCHEMA = """
CREATE TABLE IF NOT EXISTS written (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS append (
    only INTEGER PRIMARY KEY CHECK (only = 1), start INTEGER, size INTEGER, first INTEGER
);
"""


def row(visit: ParkingSummary) -> tuple[str, str, str, str, str]:
    """One visit as the file shows it; empty where an unmatched one has no entry."""
    entry_ns = visit.entry_date_time
    entry = "" if entry_ns is None else timestamps.format_ns(entry_ns)
    duration = "" if entry_ns is None else _seconds(visit.exit_date_time - entry_ns)
    exit_ = timestamps.format_ns(visit.exit_date_time)
    return harmless(visit.vehicle_plate), entry, exit_, duration, visit.status


def _seconds(ns: int) -> str:
    """Seconds with exactly as many digits as they need."""
    whole, fraction = divmod(ns, timestamps.NS)
    return f"{whole}.{fraction:09d}".rstrip("0") if fraction else str(whole)


def render(rows: Sequence[Sequence[str]]) -> bytes:
    """Rows as RFC 4180 quotes them; each ends with a newline alone, as S2's scripts expect."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


class ParkingCsv:
    """The file and its memory. Blocking: called from a thread, by one caller at a time."""

    def __init__(self, path: Path, max_bytes: int, backups: int) -> None:
        self._file = AppendFile(path, max_bytes, backups, "CLIENT_PARKING_OUTPUT")
        self._state_path = self._file.beside(".state")
        self._state: sqlite3.Connection | None = None

    def open(self) -> None:
        """Take the file for this process, and mend what a crash left half done.

        :raises InUse: another client writes to it.
        :raises OSError: it cannot be used.
        """
        self._file.lock()
        try:
            self._state = self._open_state()
            self._mend(self._state)
        except sqlite3.Error as error:
            raise OSError(f"{self._state_path}: {error}") from None

    def close(self) -> None:
        """Let another process have the file."""
        if self._state is not None:
            self._state.close()
            self._state = None
        self._file.unlock()

    def write(self, visits: Sequence[ParkingSummary]) -> int:
        """Append those visits that were never written; how many.

        :raises OSError: none of them was written, as far as the next ``open`` or ``write`` sees.
        """
        if self._state is None:
            raise OSError("the file is not open")
        try:
            self._mend(self._state)
            fresh = self._fresh(self._state, visits)
            if fresh:
                self._append(self._state, fresh)
        except sqlite3.Error as error:
            raise OSError(f"{self._state_path}: {error}") from None
        return len(fresh)

    def _open_state(self) -> sqlite3.Connection:
        state = sqlite3.connect(self._state_path, isolation_level=None, check_same_thread=False)
        state.execute("PRAGMA journal_mode = WAL")
        state.execute("PRAGMA synchronous = FULL")
        state.executescript(_SCHEMA)
        return state

    def _mend(self, state: sqlite3.Connection) -> None:
        """Settle the last append: it was done if the file is as long as it was to be."""
        pending = state.execute("SELECT start, size, first FROM append").fetchone()
        if pending is None:
            return
        start, size, first = pending
        length = self._file.size
        if start <= length < start + size:
            if length > start:
                self._file.cut(start)
            state.execute("BEGIN IMMEDIATE")
            state.execute("DELETE FROM written WHERE number >= ?", (first,))
            state.execute("DELETE FROM append")
            state.execute("COMMIT")
        else:  # done; or somebody made the file shorter since, and what is gone was written
            state.execute("DELETE FROM append")

    @staticmethod
    def _fresh(state: sqlite3.Connection, visits: Sequence[ParkingSummary]) -> list[ParkingSummary]:
        by_id = {visit.id: visit for visit in visits}
        known = "SELECT 1 FROM written WHERE id = ?"
        return [v for v in by_id.values() if state.execute(known, (v.id,)).fetchone() is None]

    def _append(self, state: sqlite3.Connection, visits: Sequence[ParkingSummary]) -> None:
        rows = render([row(visit) for visit in visits])
        self._file.rotate(len(rows))
        start = self._file.size
        block = b"" if start else render([HEADER])
        if start and not self._ends_with_a_line(start):  # edited by hand
            block = b"\n"
        block += rows
        self._remember(state, visits, start, len(block))
        self._file.append(block)
        state.execute("DELETE FROM append")

    def _ends_with_a_line(self, size: int) -> bool:
        with self._file.path.open("rb") as file:
            file.seek(size - 1)
            return file.read(1) == b"\n"

    @staticmethod
    def _remember(
        state: sqlite3.Connection, visits: Sequence[ParkingSummary], start: int, size: int
    ) -> None:
        (last,) = state.execute("SELECT coalesce(max(number), 0) FROM written").fetchone()
        state.execute("BEGIN IMMEDIATE")
        try:
            numbered = [(last + place, visit.id) for place, visit in enumerate(visits, 1)]
            state.executemany("INSERT INTO written (number, id) VALUES (?, ?)", numbered)
            old = last + len(visits) - REMEMBERED
            state.execute("DELETE FROM written WHERE number <= ?", (old,))
            state.execute("INSERT INTO append VALUES (1, ?, ?, ?)", (start, size, last + 1))
            state.execute("COMMIT")
        except sqlite3.Error:
            with contextlib.suppress(sqlite3.Error):
                state.execute("ROLLBACK")
            raise


class VisitCsvTask:
    """Takes visits from their stream; owns the health part ``parking``."""

    def __init__(
        self, service: Service[ClientSettings], client: Client, output: ParkingCsv
    ) -> None:
        self._service = service
        self._output = output
        stream, name = subjects.PARKING_SUMMARIES_STREAM, subjects.CLIENT_CONSUMER
        self._consumer = Consumer(service, client, stream, name, AT_ONCE)
        self._written = Counter(
            "client_visits_written_total",
            "Parking visits written down",
            registry=service.registry,
        )

    async def run(self) -> None:
        """Take and write until the service stops."""
        await self._consumer.run(self._take, PART, "NATS does not answer")

    async def _take(self, messages: list[Msg]) -> None:
        if messages:
            await self._write(messages)
        else:
            self._service.health.ok(PART)

    async def _write(self, messages: list[Msg]) -> None:
        """Write and acknowledge; a file that cannot be written to is tried again and again."""
        visits = [visit for message in messages for visit in self._visits(message)]
        while True:
            try:
                self._written.inc(await asyncio.to_thread(self._output.write, visits))
                break
            except OSError as error:
                reason = f"cannot write {self._service.settings.client_parking_output}"
                self._service.health.failing(PART, f"{reason}: {error.strerror or error}")
                if not await self._service.pause(PAUSE_SECONDS):
                    return
        self._service.health.ok(PART)
        for message in messages:
            await message.ack()

    def _visits(self, message: Msg) -> list[ParkingSummary]:
        """What a message tells, by the rules that the writer has; it keeps the dead letters."""
        taken_ns = int(message.metadata.timestamp.timestamp() * NS)
        latest_ns = self._service.settings.latest_ns(taken_ns)
        if len(message.data) > MAX_PAYLOAD_BYTES:
            return []
        found = []
        with contextlib.suppress(InvalidInput):
            for data in models.decode(message.data):
                with contextlib.suppress(InvalidInput):
                    found.append(models.parse(ParkingSummary, data, latest_ns))
        return found
