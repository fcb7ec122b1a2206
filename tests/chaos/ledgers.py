"""Read the writers' ledgers while things go wrong; each must add up at each look."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Sequence
from typing import Self

from spindle import subjects
from tests.services import ServiceProcess

EVERY_SECONDS = 0.15
ANSWER_SECONDS = 5.0
Process = subprocess.Popen[bytes]
COUNTS = ("stored", "duplicate", "dead_lettered")


class Readings:
    """One answer of ``/metrics``."""

    def __init__(self, text: str) -> None:
        self._values: dict[str, float] = {}  # sample with labels -> value
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                self._values[name] = float(value)

    def sum(self, metric: str, stream: str = "") -> int:
        """Of a metric over its labels (of one stream)."""
        wanted = f'stream="{stream}"' if stream else ""
        return int(
            sum(
                value
                for name, value in self._values.items()
                if name.partition("{")[0] == metric and wanted in name
            )
        )

    def faults(self) -> list[str]:
        """Where received = stored + dead_lettered + in_flight does not hold."""
        found = []
        for stream in (subjects.METRICS_STREAM, subjects.EVENTS_STREAM):
            received = self.sum("writer_received_points", stream)
            stored = self.sum("writer_stored_points_total", stream)
            dead = self.sum("writer_dead_lettered_points_total", stream)
            in_flight = self.sum("writer_in_flight_points", stream)
            if received != stored + dead + in_flight or in_flight < 0:
                found.append(
                    f"{stream}: received {received} is not stored {stored} "
                    f"+ dead-lettered {dead} + in flight {in_flight}"
                )
        return found


class LedgerWatch:
    """Looks at every writer all the time.

    :ivar looks: answers read.
    :ivar faults: ledgers that did not add up, and counters that went back.
    :ivar killed: a writer ended without a last look at its ledger.
    """

    def __init__(self, writers: Sequence[ServiceProcess]) -> None:
        self._writers = writers
        self._last: dict[Process, dict[str, int]] = {}  # last counts; ids of processes come again
        self._task: asyncio.Task[None] | None = None
        self.looks = 0
        self.faults: list[str] = []

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="ledger watch")
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            for writer in list(self._writers):
                await self.look(writer)
            await asyncio.sleep(EVERY_SECONDS)

    async def look(self, writer: ServiceProcess) -> Readings | None:
        """Read and judge one ledger; None while nothing answers."""
        process = writer.process
        text = await _metrics(writer.port)
        if text is None or process is None or process is not writer.process:
            return None
        readings = Readings(text)
        self.looks += 1
        self.faults += readings.faults()
        counts = {name: readings.sum(f"writer_{name}_points_total") for name in COUNTS}
        before = self._last.setdefault(process, counts)
        self.faults += [f"{n} went back to {counts[n]}" for n in COUNTS if counts[n] < before[n]]
        self._last[process] = counts
        return readings

    def total(self, name: str) -> int:
        """Over all writers, of their last looks."""
        return sum(counts[name] for counts in self._last.values())

    @property
    def killed(self) -> bool:
        """More processes were seen than are there to be read to the end."""
        alive = [w for w in self._writers if w.process is not None and w.process.poll() is None]
        return len(alive) < len(self._last)


async def _metrics(port: int) -> str | None:
    """The page; None where nothing answers, or the process ends between its head and its body."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
                page = await reader.read()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None
    head, _, body = page.partition(b"\r\n\r\n")
    status, *fields = head.split(b"\r\n")
    whole = b"Content-Length: %d" % len(body) in fields
    return body.decode() if b" 200 " in status and whole else None
