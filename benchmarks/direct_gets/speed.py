"""Single messages taken by batched direct gets and purges, beside a consumer that acknowledges."""

from __future__ import annotations

import asyncio
import re
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import nats
import orjson
import psutil
from rich.progress import Progress
from rich.table import Table

from benchmarks.direct_gets.owner import Owner
from benchmarks.pipeline import ceilings, writer
from benchmarks.pipeline.points import ticks
from spindle import bus, subjects
from spindle.bus import protocol
from spindle.bus.client import SafeClient
from spindle.settings import Settings, load
from spindle.timestamps import NS
from tests import servers
from writer.storing.intake import ACK, Intake

MESSAGES = 200_000
BATCH, PURGE_EVERY = 2_000, 20_000
STREAM = subjects.METRICS_STREAM
_SEQUENCES = re.compile(rb"Nats-Sequence: (\d+)\r\n(?:.*\r\n)*?Nats-Last-Sequence: (\d+)\r\n")

Take = Callable[[SafeClient, int], Awaitable[None]]


@dataclass(frozen=True)
class Way:
    """Medians.

    :ivar taker_us: microseconds of CPU time per message of who takes them; nothing is decoded.
    :ivar nats_us: the same of nats-server.
    """

    name: str
    messages_per_s: float
    taker_us: float
    nats_us: float

    def line(self) -> str:
        """One JSON line."""
        return orjson.dumps(asdict(self)).decode()


async def acknowledging(client: SafeClient, messages: int) -> None:
    """The writer's intake; every message is acknowledged, those of a turn in one write."""
    woken = asyncio.Event()
    intake = Intake(client, STREAM, subjects.WRITER_CONSUMER, woken.set)
    await intake.open()
    taken = 0
    while taken < messages:
        await intake.ask(20_000, 8 * 2**20, time.monotonic())
        await woken.wait()
        woken.clear()
        arrived = intake.take(intake.waiting)
        taken += len(arrived)
        await client.publish_many([one.reply for one in arrived], ACK)
    await intake.close()


async def getting(client: SafeClient, messages: int) -> None:
    """As the owner of the partition: a batch at a time, a purge for each 20,000."""
    owner, purged, ended = Owner(), 0, asyncio.Event()
    arrived: list[tuple[int, int]] = []

    def on_messages(found: list[protocol.Message]) -> None:
        for _, _, _, header, payload in found:
            if payload:
                match = _SEQUENCES.search(header)
                assert match is not None
                arrived.append((int(match[1]), int(match[2])))
            else:  # 204: the end of the batch
                ended.set()

    inbox = client.new_inbox()
    subscription = await client.subscribe_many(inbox, on_messages)
    while purged < messages:
        request = {"seq": owner.next, "batch": BATCH, "next_by_subj": subjects.METRICS}
        await client.publish(f"$JS.API.DIRECT.GET.{STREAM}", orjson.dumps(request), reply=inbox)
        await ended.wait()
        ended.clear()
        owner.read(owner.life, arrived)
        arrived.clear()
        if owner.next > purged + PURGE_EVERY or owner.next > messages:
            for piece in owner.pieces:
                piece.stored = True
            purged = owner.purge_to()
            await client.jetstream().purge_stream(STREAM, seq=purged + 1)
    await subscription.unsubscribe()


WAYS: dict[str, Take] = {
    "a consumer, every message acknowledged": acknowledging,
    "direct gets of 2,000, a purge for 20,000": getting,
}


async def run(repeats: int, progress: Progress) -> list[Way]:
    """Both, by turns, each on a server of its own that was filled beforehand."""
    payloads = [p for tick in ticks(MESSAGES, time.time_ns() - 3600 * NS, NS) for p in tick]
    task = progress.add_task("NATS", total=repeats * len(WAYS))
    runs: dict[str, list[Way]] = {name: [] for name in WAYS}
    for _ in range(repeats):
        for name, take in WAYS.items():
            progress.update(task, description=name)
            runs[name].append(await _measure(name, take, payloads))
            progress.advance(task)
    return [
        Way(
            name,
            *(statistics.median(figures) for figures in zip(*map(_figures, ways), strict=True)),
        )
        for name, ways in runs.items()
    ]


def _figures(way: Way) -> tuple[float, float, float]:
    return way.messages_per_s, way.taker_us, way.nats_us


async def _measure(name: str, take: Take, payloads: list[bytes]) -> Way:
    with (
        tempfile.TemporaryDirectory(prefix="spindle-bench-") as folder,
        servers.running(servers.nats_server(Path(folder))) as server,
    ):
        url = f"nats://127.0.0.1:{server.port}"
        await _fill(url, payloads)
        client = SafeClient()
        await client.connect(url)
        js = client.jetstream()
        assert server.process is not None
        nats_server = psutil.Process(server.process.pid)
        before, cpu, began = _cpu(nats_server), time.process_time(), time.perf_counter()
        await take(client, len(payloads))
        while (await js.stream_info(STREAM)).state.messages:  # noqa: ASYNC110 - NATS tells nobody
            await asyncio.sleep(0.01)
        seconds = time.perf_counter() - began
        taker, nats_cpu = time.process_time() - cpu, _cpu(nats_server) - before
        await client.close()
    each = 1e6 / len(payloads)
    return Way(name, len(payloads) / seconds, taker * each, nats_cpu * each)


async def _fill(url: str, payloads: list[bytes]) -> None:
    client = await nats.connect(url)
    await bus.declare(client, load(Settings, nats_url=url))
    js = client.jetstream()
    config = (await js.stream_info(STREAM)).config
    config.allow_direct = True
    await js.update_stream(config)
    await ceilings.publish(client, subjects.METRICS, payloads)
    await writer.until_stream_holds(client, len(payloads))
    await client.close()


def _cpu(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


def table(ways: list[Way]) -> Table:
    """For people."""
    view = Table(title="Single messages taken and removed; CPU time per message, microseconds")
    for column in ("", "messages/s", "taker", "nats-server"):
        view.add_column(column, justify="right" if column else "left")
    for way in ways:
        figures = f"{way.messages_per_s:,.0f}", f"{way.taker_us:.2f}", f"{way.nats_us:.2f}"
        view.add_row(way.name, *figures)
    return view
