"""The writer beside Telegraf's JetStream consumer: the same points, the same servers, in turn."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import nats
import orjson
import psutil
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy, StreamConfig
from rich.progress import Progress
from rich.table import Table

from benchmarks.pipeline import ceilings, writer
from benchmarks.pipeline.points import ENVELOPE, envelopes, ticks
from spindle.settings import Settings, load
from spindle.store.influxdb.http import Address
from spindle.store.influxdb.store import InfluxStore
from tests import servers

HOW_TO_GET_IT = (
    "telegraf is not on PATH. It is one program: https://github.com/influxdata/telegraf/releases, "
    "or `apt install telegraf` from InfluxData's package repository, "
    "https://repos.influxdata.com, or made with Go as docs/benchmarks.md shows; then run this again"
)
STREAM, SUBJECT, GROUP = "TELEGRAF", "telegraf.metrics", "telegraf"
#: Tuned: full batches, two processes of one queue group, and as much under way as two batches each
#: (of single messages; its default of 1,000 never fills a batch).
BATCH, WRITERS, UNDER_WAY = 20_000, 2, 100_000
POLL_SECONDS, PATIENCE_SECONDS = 0.02, 300.0
GOALS = {
    ("envelopes", "1"): 3.0,
    ("envelopes", "2"): 1.8,
    ("single", "1"): 1.2,
    ("single", "2"): 1.2,
}

_AGENT = """\
[agent]
  interval = "10s"
  flush_interval = "1s"
  flush_jitter = "0s"
  metric_batch_size = {batch}
  metric_buffer_limit = 1000000
  omit_hostname = true
  logfile = "{log}"
[[inputs.nats_consumer]]
  servers = ["{nats}"]
  subjects = []
  jetstream_subjects = ["{subject}"]
  queue_group = "{group}"
  pending_message_limit = 1000000
  pending_bytes_limit = 1073741824
  max_undelivered_messages = {undelivered}
  data_format = "json"
  name_override = "device_metrics"
  json_time_key = "timestamp"
  json_time_format = "2006-01-02T15:04:05.999999999Z07:00"
  tag_keys = ["sourceDevice", "metricType", "deviceId", "arrayId"]
"""
_V1 = """\
[[outputs.influxdb]]
  urls = ["{base}"]
  database = "{database}"
  skip_database_creation = true
  content_encoding = "identity"
  username = "{user}"
  password = "{password}"
"""
_V2 = """\
[[outputs.influxdb_v2]]
  urls = ["{base}"]
  organization = "{org}"
  bucket = "{database}"
  token = "{token}"
  content_encoding = "identity"
"""


@dataclass(frozen=True)
class Taken:
    """What one of the two made of the same messages.

    :ivar cpu_s: seconds of CPU time per million points.
    :ivar stored: points that the database held afterwards, each of which was published.
    """

    points_per_s: float
    cpu_s: float
    stored: int


@dataclass(frozen=True)
class Pair:
    """Medians of one load on one database; all of the points were counted in it, each time."""

    load: str
    database: str
    spindle: Taken
    telegraf: Taken

    @property
    def ratio(self) -> float:
        """Spindle's rate by Telegraf's: the median of each."""
        return self.spindle.points_per_s / self.telegraf.points_per_s

    @property
    def goal(self) -> float | None:
        """At least so much, where a goal is set for this version."""
        return GOALS.get((self.load, self.database.partition(" ")[2].partition(".")[0]))

    def line(self) -> str:
        """One JSON line."""
        return orjson.dumps({**asdict(self), "ratio": self.ratio, "goal": self.goal}).decode()


class Process(subprocess.Popen[bytes]):
    """One of Telegraf's, which logs to a file."""

    def __init__(self, command: Sequence[str], said: IO[str], log: Path) -> None:
        super().__init__(command, stderr=said)
        self._log = log

    def require(self) -> None:
        """:raises RuntimeError: it has ended, with what it said last."""
        if self.poll() is not None:
            last = self._log.read_text().strip().rpartition("\n")[2]
            raise RuntimeError(f"telegraf ended with {self.returncode}: {last}")

    def cpu_seconds(self) -> float:
        """CPU time that it used."""
        used = psutil.Process(self.pid).cpu_times()
        return float(used.user + used.system)


@dataclass(frozen=True)
class Versus:
    """The measurements on one database, whose address is without a name of a database.

    :ivar influxd: where we have started it.
    """

    program: str
    url: str
    influxd: servers.Server | None
    folder: Path
    points: list[bytes]

    async def pair(self, load: str, repeats: int, progress: Progress) -> Pair:
        """One load, by turns."""
        messages = self.points if load == "single" else envelopes(self.points, ENVELOPE)
        task = progress.add_task(load, total=2 * repeats)
        ours, theirs = [], []
        version = ""
        for number in range(repeats):
            progress.update(task, description=f"{load}: Spindle")
            name = f"spindle_bench_{load}_{time.time_ns()}_{number}"
            ours.append(await self._spindle(messages, f"{name}_s"))
            progress.update(task, description=f"{load}: Telegraf", advance=1)
            taken, version = await self._telegraf(messages, f"{name}_t")
            theirs.append(taken)
            progress.advance(task)
        return Pair(load, version, _median(ours), _median(theirs))

    async def _spindle(self, messages: list[bytes], name: str) -> Taken:
        bench = writer.Bench("influxdb", self.influxd, self.folder, writer.Sizes(), [], print)
        url = f"{self.url}/{name}"
        run = await bench.writer(messages, len(self.points), store_url=url)
        async with self._database(name) as store:
            stored = await self._require_all(store, "Spindle")
        return Taken(run.points_per_s, run.cpu_us["writer"], stored)

    async def _telegraf(self, messages: list[bytes], name: str) -> tuple[Taken, str]:
        nats_server = servers.nats_server(self.folder / name)
        async with self._database(name) as store:
            with servers.running(nats_server):
                url = f"nats://127.0.0.1:{nats_server.port}"
                client = await nats.connect(url)
                try:
                    await _fill(client, messages)
                    each = 1 if len(messages) == len(self.points) else ENVELOPE
                    with self._running(url, store, each, name) as processes:
                        taken = await _until_taken(client, len(self.points), processes)
                finally:
                    await client.close()
            stored = await self._require_all(store, "Telegraf")
            return replace(taken, stored=stored), store.name

    @contextlib.contextmanager
    def _running(
        self, nats_url: str, store: InfluxStore, points_each: int, name: str
    ) -> Iterator[list[Process]]:
        """Two processes of Telegraf, until the end of the block."""
        started: list[Process] = []
        try:
            for number in range(WRITERS):
                file = self.folder / f"{name}-{number}.conf"
                log = file.with_suffix(".log")
                undelivered = max(100, UNDER_WAY // WRITERS // points_each)
                file.write_text(configuration(store, nats_url, undelivered, log))
                with log.open("w") as said:  # what it says before it has read where to log
                    started.append(Process([self.program, "--config", str(file)], said, log))
            yield started
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(30)

    @contextlib.asynccontextmanager
    async def _database(self, name: str) -> AsyncIterator[InfluxStore]:
        settings = load(Settings, store_url=f"{self.url}/{name}", retention_hours=0)
        store = InfluxStore(settings, writing=True)
        try:
            await store.prepare()
            yield store
        finally:
            await store.close()

    async def _require_all(self, store: InfluxStore, who: str) -> int:
        """The points that the database holds.

        :raises RuntimeError: they are fewer or more than were published.
        """
        rows = await store._query("SELECT count(value) FROM device_metrics")
        found = sum(int(row["count"]) for row in rows)
        if found != len(self.points):
            raise RuntimeError(f"{who} stored {found} of {len(self.points)} points")
        return found


def configuration(store: InfluxStore, nats_url: str, undelivered: int, log: Path) -> str:
    """Telegraf's, for the database that the store has prepared."""
    output = _V1 if store.name.startswith(("InfluxDB 1.", "InfluxDB 0.")) else _V2
    head = _AGENT.format(
        batch=BATCH, log=log, nats=nats_url, subject=SUBJECT, group=GROUP, undelivered=undelivered
    )
    address: Address = store._address
    fields = {name: getattr(address, name) for name in address.__slots__}
    return head + output.format(**fields)


async def _fill(client: Client, messages: list[bytes]) -> None:
    """A work queue as the writer's is, and a consumer that lets enough be under way."""
    js = client.jetstream()
    await js.add_stream(
        StreamConfig(name=STREAM, subjects=[SUBJECT], retention=RetentionPolicy.WORK_QUEUE)
    )
    await js.add_consumer(
        STREAM,
        ConsumerConfig(
            durable_name=GROUP,
            deliver_group=GROUP,
            deliver_subject=f"deliver.{GROUP}",
            filter_subject=SUBJECT,
            ack_policy=AckPolicy.EXPLICIT,
            max_ack_pending=2 * UNDER_WAY,
        ),
    )
    await ceilings.publish(client, SUBJECT, messages)
    await writer.until_stream_holds(client, len(messages), STREAM)


async def _until_taken(client: Client, points: int, processes: list[Process]) -> Taken:
    """From the first message delivered to the last acknowledged, which follows its storing."""
    js, began, before = client.jetstream(), 0.0, 0.0
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if not began:
            delivered = (await js.consumer_info(STREAM, GROUP)).delivered
            if delivered is not None and delivered.stream_seq:
                began = time.perf_counter()
            else:
                before = _cpu_seconds(processes)
        elif not (await js.stream_info(STREAM)).state.messages:
            seconds = time.perf_counter() - began
            return Taken(points / seconds, 1e6 * (_cpu_seconds(processes) - before) / points, 0)
        for process in processes:
            process.require()
        await asyncio.sleep(POLL_SECONDS)
    raise TimeoutError("Telegraf did not take all messages")


def _cpu_seconds(processes: list[Process]) -> float:
    return sum(process.cpu_seconds() for process in processes)


def _median(taken: Sequence[Taken]) -> Taken:
    return Taken(
        statistics.median(one.points_per_s for one in taken),
        statistics.median(one.cpu_s for one in taken),
        min(one.stored for one in taken),
    )


async def run(points: int, repeats: int, urls: Sequence[str], progress: Progress) -> list[Pair]:
    """Both loads on each database.

    :param urls: of database servers that run, such as influxdb://:TOKEN@127.0.0.1:8086; none for
        an influxd of our own.
    :raises FileNotFoundError: there is no telegraf, or no influxd.
    """
    program = servers.find("telegraf")
    if program is None:
        raise FileNotFoundError(HOW_TO_GET_IT)
    start_ns = time.time_ns() - (points // 4000 + 10) * writer.STEP_NS
    made = [point for tick in ticks(points, start_ns, writer.STEP_NS) for point in tick]
    pairs: list[Pair] = []
    with tempfile.TemporaryDirectory(prefix="spindle-bench-") as scratch, ExitStack() as stack:
        folder = Path(scratch)
        influxd = None
        if not urls:
            influxd = stack.enter_context(servers.running(servers.influxd(folder / "influxd")))
            urls = [f"influxdb://127.0.0.1:{influxd.port}"]
        for url in urls:
            versus = Versus(program, url.rstrip("/"), influxd, folder, made)
            pairs += [
                await versus.pair(load, repeats, progress) for load in ("envelopes", "single")
            ]
    return pairs


def table(pairs: list[Pair]) -> Table:
    """For people."""
    view = Table(title="Points per second, all of them counted; seconds of CPU per million points")
    columns = (
        "",
        "Spindle",
        "Telegraf",
        "ratio",
        "goal",
        "Spindle, CPU",
        "Telegraf, CPU",
        "stored",
    )
    for column in columns:
        view.add_column(column, justify="right" if column else "left")
    for pair in pairs:
        load = f"envelopes of {ENVELOPE}" if pair.load == "envelopes" else "single messages"
        view.add_row(
            f"{load}, {pair.database}",
            f"{pair.spindle.points_per_s:,.0f}",
            f"{pair.telegraf.points_per_s:,.0f}",
            f"{pair.ratio:.2f}",
            f">= {pair.goal}" if pair.goal else "",
            f"{pair.spindle.cpu_s:.1f}",
            f"{pair.telegraf.cpu_s:.1f}",
            f"{pair.spindle.stored:,} and {pair.telegraf.stored:,}",
        )
    return view


def address_is_plain(url: str) -> bool:
    """Whether it names a server and no database."""
    return not url or not urlsplit(url).path.strip("/")
