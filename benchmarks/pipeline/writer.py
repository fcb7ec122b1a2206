"""The writer beside its limits, on the same points, in one run."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nats
import orjson
import psutil
from nats.aio.client import Client
from rich.progress import Progress
from rich.table import Table

from benchmarks.pipeline import ceilings, old_platform
from benchmarks.pipeline.points import ENVELOPE, envelopes, ticks
from spindle import bus, subjects
from spindle.settings import Settings, load
from spindle.store.sqlite import file
from tests import servers
from tests.services import ServiceProcess

STEP_NS = 1_000_000_000
POLL_SECONDS = 0.01
PATIENCE_SECONDS = 180.0


@dataclass(frozen=True)
class Sizes:
    """How many points each measurement takes, and how often."""

    ceiling: int = 400_000
    envelopes: int = 400_000
    singles: int = 150_000
    repeats: int = 3


@dataclass(frozen=True)
class Run:
    """The writer, from the first point taken to the last one stored.

    :ivar cpu_us: microseconds of CPU time per point, by process; hardly changed by what else the
        machine does, unlike the rate.
    :ivar peak_mib: the most memory that the writer had.
    """

    points_per_s: float
    cpu_us: Mapping[str, float]
    peak_mib: float

    @classmethod
    def median(cls, runs: Sequence[Run]) -> Run:
        """Each figure's own median."""
        return cls(
            statistics.median(run.points_per_s for run in runs),
            {name: statistics.median(run.cpu_us[name] for run in runs) for name in runs[0].cpu_us},
            statistics.median(run.peak_mib for run in runs),
        )


@dataclass(frozen=True)
class Result:
    """Medians, in points (or messages) per second."""

    store: str
    ceiling_points_per_s: float
    nats_messages_per_s: float
    one_write_per_message_points_per_s: float
    single: Run
    envelope: Run

    @property
    def single_points_per_s(self) -> float:
        """(c)."""
        return self.single.points_per_s

    @property
    def envelope_points_per_s(self) -> float:
        """(d)."""
        return self.envelope.points_per_s

    def line(self) -> str:
        """One JSON line."""
        return orjson.dumps(_rounded(asdict(self))).decode()


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return round(value, 0 if value >= 1000 else 2) if isinstance(value, float) else value


@dataclass
class Bench:
    """The measurements of one store. ``database`` is influxd, None for SQLite."""

    store: str
    database: servers.Server | None
    folder: Path
    sizes: Sizes
    points: list[bytes]
    tell: Callable[[str], None]
    number: int = 0

    @property
    def port(self) -> int | None:
        """Of influxd."""
        return self.database.port if self.database else None

    def fresh(self) -> str:
        """A name not used before."""
        self.number += 1
        return f"{self.store}_{self.number}"

    def ceiling(self) -> float:
        """(a): the best of the trials of connections and batch sizes."""
        points = self.points[: self.sizes.ceiling]
        if self.port is None:
            trials = [ceilings.sqlite_ceiling(points, size) for size in ceilings.SQLITE_TRIALS]
        else:
            lines, port = ceilings.lines_of(points), self.port
            trials = [
                ceilings.influx_ceiling(port, lines, trial, self.fresh())
                for trial in ceilings.INFLUX_TRIALS
            ]
        return max(trials)

    async def one_write_per_message(self) -> float:
        """(e)."""
        messages = self.points[: self.sizes.singles]
        name = self.fresh()
        with self.nats() as server:
            client = await nats.connect(f"nats://127.0.0.1:{server.port}")
            try:
                if self.port is not None:
                    ceilings.influx_query(self.port, f"CREATE DATABASE {name}")
                    write = old_platform.influx_write(self.port, name)
                    threads = old_platform.THREADS
                    return await old_platform.points_per_second(client, messages, write, threads)
                db = file.open_for_writing(self.folder / f"{name}.db", 10.0)
                write = old_platform.sqlite_write(db)
                return await old_platform.points_per_second(client, messages, write, 1)
            finally:
                await client.close()

    async def nats_ceiling(self) -> float:
        """(b)."""
        with self.nats() as server:
            client = await nats.connect(f"nats://127.0.0.1:{server.port}")
            try:
                messages = self.points[: self.sizes.singles]
                return await ceilings.nats_ceiling(client, messages, self.fresh())
            finally:
                await client.close()

    def nats(self) -> AbstractContextManager[servers.Server]:
        """A nats-server with an empty store."""
        return servers.running(servers.nats_server(self.folder / self.fresh()))

    async def writer(self, messages: list[bytes], points: int, store_url: str = "") -> Run:
        """(c) and (d).

        :param store_url: where to store instead of a new database, which is dropped again.
        """
        with self.nats() as server:
            url = f"nats://127.0.0.1:{server.port}"
            client = await nats.connect(url)
            await bus.declare(client, load(Settings, nats_url=url))
            await ceilings.publish(client, subjects.METRICS, messages)
            await until_stream_holds(client, len(messages))
            name = self.fresh()
            store = store_url or (
                f"sqlite:///{self.folder}/{name}.db"
                if self.port is None
                else f"influxdb://127.0.0.1:{self.port}/{name}"
            )
            writer = ServiceProcess(
                "writer", self.folder, nats_url=url, store_url=store, retention_hours=0
            )
            writer.start(wait=False)
            try:
                cpu = {"nats-server": _cpu(server.process), "writer": _cpu(writer.process)}
                if self.database is not None:
                    cpu["influxd"] = _cpu(self.database.process)
                return await _until_stored(client, points, cpu)
            finally:
                writer.stop()
                await client.close()
                if self.port is not None and not store_url:
                    ceilings.influx_query(self.port, f"DROP DATABASE {name}")


async def until_stream_holds(
    client: Client, messages: int, stream: str = subjects.METRICS_STREAM
) -> None:
    """Wait until what was published without waiting has arrived."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (await client.jetstream().stream_info(stream)).state.messages < messages:
        if time.monotonic() > deadline:
            raise TimeoutError("the stream did not take all messages")
        await asyncio.sleep(0.05)


def _cpu(process: subprocess.Popen[bytes] | None) -> psutil.Process:
    assert process is not None
    return psutil.Process(process.pid)


def _used(processes: Mapping[str, psutil.Process]) -> dict[str, float]:
    """Seconds of CPU time that each has used so far."""
    times = {name: process.cpu_times() for name, process in processes.items()}
    return {name: used.user + used.system for name, used in times.items()}


def _peak_mib(process: psutil.Process) -> float:
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():  # not Linux: what it has now
        return process.memory_info().rss / 2**20
    line = next(one for one in status.read_text().splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


async def _until_stored(
    client: Client, points: int, processes: Mapping[str, psutil.Process]
) -> Run:
    """By the writer's own ledger, asked over NATS."""
    began, deadline = 0.0, time.monotonic() + PATIENCE_SECONDS
    before: dict[str, float] = {}
    while time.monotonic() < deadline:
        try:
            reply = await client.request(subjects.WRITER_LEDGER, timeout=5)
        except nats.errors.NoRespondersError:
            before = _used(processes)  # what starting took is not counted
            await asyncio.sleep(POLL_SECONDS)
            continue
        ledger = orjson.loads(reply.data)["streams"][subjects.METRICS_STREAM]
        if ledger["received"] and not began:
            began = time.perf_counter()
        if ledger["stored"] >= points:
            seconds = time.perf_counter() - began
            used = {name: now - before[name] for name, now in _used(processes).items()}
            cpu_us = {name: 1e6 * value / points for name, value in used.items()}
            return Run(points / seconds, cpu_us, _peak_mib(processes["writer"]))
        await asyncio.sleep(POLL_SECONDS)
    raise TimeoutError("the writer did not store all points")


async def measure(bench: Bench, progress: Progress) -> Result:
    """All five, in turn, as often as the sizes say; medians."""
    sizes, all_points = bench.sizes, bench.points
    enveloped = envelopes(all_points[: sizes.envelopes], ENVELOPE)
    singles = all_points[: sizes.singles]
    task = progress.add_task(bench.store, total=5 * sizes.repeats)
    rates: dict[str, list[float]] = {name: [] for name in "abe"}
    runs: dict[str, list[Run]] = {name: [] for name in "cd"}
    for _ in range(sizes.repeats):
        for name in "abcde":
            progress.update(task, description=f"{bench.store}: {LABELS[name]}")
            if name == "a":
                rates[name].append(await asyncio.to_thread(bench.ceiling))
            elif name == "b":
                rates[name].append(await bench.nats_ceiling())
            elif name == "c":
                runs[name].append(await bench.writer(singles, len(singles)))
            elif name == "d":
                runs[name].append(await bench.writer(enveloped, sizes.envelopes))
            else:
                rates[name].append(await bench.one_write_per_message())
            progress.advance(task)
    middle = {name: statistics.median(found) for name, found in rates.items()}
    single, envelope = (Run.median(runs[name]) for name in "cd")
    return Result(bench.store, middle["a"], middle["b"], middle["e"], single, envelope)


LABELS = {
    "a": "the database's ceiling",
    "b": "NATS's ceiling",
    "c": "the writer, single points",
    "d": "the writer, envelopes of 500",
    "e": "one write per message",
}


def table(results: list[Result]) -> Table:
    """For people: numbers, ratios and goals."""
    view = Table(title="Points per second: medians, and ratios within this run")
    for column in ("", *(result.store for result in results), "goal"):
        view.add_column(column, justify="left" if column in ("", "goal") else "right")
    rows: list[tuple[str, Callable[[Result], str], str]] = [
        ("(a) database's ceiling", lambda r: f"{r.ceiling_points_per_s:,.0f}", ""),
        ("(b) NATS's ceiling, messages", lambda r: f"{r.nats_messages_per_s:,.0f}", ""),
        ("(c) writer, single points", lambda r: f"{r.single_points_per_s:,.0f}", ""),
        ("(d) writer, envelopes of 500", lambda r: f"{r.envelope_points_per_s:,.0f}", ""),
        ("(e) one write per message", lambda r: f"{r.one_write_per_message_points_per_s:,.0f}", ""),
        (
            "(d) / (a)",
            lambda r: f"{r.envelope_points_per_s / r.ceiling_points_per_s:.2f}",
            ">= 0.70",
        ),
        ("(c) / smaller of (a), (b)", lambda r: f"{_single_ratio(r):.2f}", ">= 0.60"),
        ("(c) / (e)", lambda r: f"{_old_ratio(r):,.0f}", ">= 100"),
    ]
    for name, cell, goal in rows:
        view.add_row(name, *(cell(result) for result in results), goal)
    return view


def costs(results: list[Result]) -> Table:
    """Where the time goes, in a row for each load and store."""
    view = Table(title="CPU time per point, microseconds; the writer's peak of memory")
    processes = ("nats-server", "influxd", "writer")
    for column in ("", *processes, "MiB"):
        view.add_column(column, justify="right" if column else "left")
    for result in results:
        for name, run in (("single", result.single), ("envelopes", result.envelope)):
            cells = (f"{run.cpu_us[one]:.2f}" if one in run.cpu_us else "-" for one in processes)
            view.add_row(f"{name}, {result.store}", *cells, f"{run.peak_mib:.0f}")
    return view


def _single_ratio(result: Result) -> float:
    return result.single_points_per_s / min(result.ceiling_points_per_s, result.nats_messages_per_s)


def _old_ratio(result: Result) -> float:
    return result.single_points_per_s / result.one_write_per_message_points_per_s


async def run(stores: list[str], sizes: Sizes, progress: Progress) -> list[Result]:
    """Measure the named stores (``influxdb``, ``sqlite``)."""
    most = max(sizes.ceiling, sizes.envelopes, sizes.singles)
    start_ns = time.time_ns() - (most // 4000 + 10) * STEP_NS
    points = [point for tick in ticks(most, start_ns, STEP_NS) for point in tick]
    results = []
    with tempfile.TemporaryDirectory(prefix="spindle-bench-") as scratch:
        folder = Path(scratch)
        for store in stores:
            if store == "sqlite":
                bench = Bench(store, None, folder, sizes, points, print)
                results.append(await measure(bench, progress))
                continue
            with servers.running(servers.influxd(folder / "influxd")) as server:
                bench = Bench(store, server, folder, sizes, points, print)
                results.append(await measure(bench, progress))
    return results
