"""Harms that lost points, stopped the pipeline or went unsaid once: each ten times while all flows.

Those that need more of a machine than these worlds have (a disk of NATS's that is full, an
interrupted installation) are tests elsewhere: tests/README.md has the table.
"""

# ruff: noqa: ASYNC240 - small files
from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import psutil
import pytest
from nats.js.errors import NotFoundError

from client.files import critical_lines as summary
from spindle import bus, subjects, timestamps
from tests.chaos.side_by_side import scenario
from tests.chaos.world import World, long_or_short, rounds, until
from tests.integration.test_poison import POISON, raw
from tests.servers import ROOT
from tests.services import ServiceProcess

LIBFAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
MONTH_HOURS = 720
SOON = {"writer.main.EXPIRE_EVERY_SECONDS": 0.5, "spindle.bus.nats_time.EVERY_SECONDS": 0.5}


@scenario("sqlite", "influxdb")
async def test_a_clock_that_jumps_again_and_again_refuses_and_deletes_nothing(
    world: World,
) -> None:
    """Fault h1."""
    if LIBFAKETIME is None:
        pytest.skip("libfaketime is not installed: on Debian apt install faketime")
    shift = world.folder / "shift"

    def move(hours: float) -> None:
        shift.with_suffix(".new").write_text(f"{hours * 3600:+.0f}")
        shift.with_suffix(".new").replace(shift)

    move(0)
    writer = await world.start_writer(
        SOON,
        ld_preload=LIBFAKETIME,
        faketime_timestamp_file=shift,
        faketime_no_cache=1,
        dont_fake_monotonic=1,
    )
    rng = random.Random(2)
    async with world.publishing():
        for _ in rounds():
            move(rng.choice((MONTH_HOURS, -MONTH_HOURS, -2, 2)))
            await until_part(world, writer, "clock", "NATS's clock says")
            await world.pause(rng.uniform(0.5, 2))
            move(0)
            await until_part(world, writer, "clock", "ok")
    await world.nothing_lost()


@scenario("sqlite")
async def test_a_file_cut_short_is_said_before_anything_more_is_called_stored(
    world: World,
) -> None:
    """Fault h2; the operator puts a copy in its place."""
    file = world.folder / "copied.db"
    writer = await world.start_writer()
    stored = path_of(world)
    for _ in rounds():
        async with world.publishing():
            await world.pause(1)
        await world.quiet()
        with (
            contextlib.closing(sqlite3.connect(stored)) as from_,
            contextlib.closing(sqlite3.connect(file)) as to,
        ):
            from_.backup(to)
        async with world.publishing():
            stored.write_bytes(b"")
            await world.until_part_says(writer, "cut short by another program")
            for suffix in ("-wal", "-shm"):
                Path(f"{stored}{suffix}").unlink(missing_ok=True)
            file.replace(stored)
            await until(lambda: world.well(writer), "the writer to store again")
    await world.nothing_lost()


@scenario("sqlite", "influxdb")
async def test_a_stream_made_anew_loses_no_letter(world: World) -> None:
    """Fault h3."""
    await world.start_writer()
    js = world.jetstream()
    for _ in rounds():
        async with world.publishing(rate=50, make=world.numbers.garbage):
            await world.pause(0.3)
        await world.quiet()
        await js.delete_stream(subjects.METRICS_STREAM)
        async with world.publishing():
            await world.pause(1)
    await world.nothing_lost()


@scenario("sqlite", "influxdb")
async def test_an_operators_edits_are_put_back_before_they_lose_anything(world: World) -> None:
    """Fault h4."""
    writer = await world.start_writer({"writer.main.DECLARE_EVERY_SECONDS": 4.0})
    js = world.jetstream()
    async with world.publishing():
        for number in rounds():
            config = (await js.stream_info(subjects.METRICS_STREAM)).config
            edit = config.evolve(max_age=20.0, duplicate_window=10.0, discard="old")
            await js.update_stream(edit)
            if number % 2:
                await world.stop(writer)
                await world.restart(writer)
            else:
                await until_part(world, writer, "streams", "max_age is 20")
            await until(lambda: put_back(world), "the stream to be as it should")
            await until_part(world, writer, "store", "ok")
    await world.nothing_lost()


async def put_back(world: World) -> bool:
    config = (await world.jetstream().stream_info(subjects.METRICS_STREAM)).config
    return not config.max_age and config.discard == "new"


@scenario("sqlite", "influxdb")
async def test_poison_and_crowds_stop_nobody_elses_points(world: World) -> None:
    """Faults h6, h7 and h8."""
    await world.start_writer()
    heads = [line.split(b"\r\n", 1)[0].split(b" ") for line in POISON.values()]
    headers = [line.split(b"\r\n", 1)[1][: -len(b"{]\r\n")] for line in POISON.values()]
    async with world.publishing():
        for _ in rounds():
            lines = []
            for head, header in zip(heads, headers, strict=True):
                payload = world.numbers.garbage().payload
                header_size = len(header) if head[0] == b"HPUB" else 0
                sizes = [b"%d" % header_size] if header_size else []
                sizes.append(b"%d" % (header_size + len(payload)))
                lines.append(b" ".join([*head[:2], *sizes]) + b"\r\n" + header + payload + b"\r\n")
            await raw(world.nats.port, *lines)
            marked = b'["%b",' % world.numbers.garbage().payload + b",".join([b"{}"] * 299_000)
            await world.jetstream().publish(subjects.METRICS, marked + b"]")
            await world.pause(1)
    await world.nothing_lost()


@scenario("sqlite", slow=True)
async def test_a_reader_hears_again_whatever_befalls_nats(world: World) -> None:
    """Faults 2, 3 and h11: NATS frozen for 15 s, the watch's bucket gone, an empty NATS."""
    await world.start_writer()
    reader = ServiceProcess(
        "reader", world.folder, nats_url=f"nats://{world.nats.url}", store_url=world.store.url
    )
    world.writers.append(reader)  # to be ended with them
    await asyncio.to_thread(reader.start)
    world.writers.remove(reader)
    try:
        for number in rounds():
            async with world.publishing():
                await hears(reader)
            await world.quiet()
            if number % 3 == 0:
                world.nats.send(signal.SIGSTOP)
                await world.pause(15)
                world.nats.send(signal.SIGCONT)
            elif number % 3 == 1:
                await world.jetstream().delete_stream(subjects.bucket_stream(subjects.WATCH_BUCKET))
            else:
                world.nats.kill()
                shutil.rmtree(world.folder / "nats" / "jetstream")
                await asyncio.to_thread(world.nats.start)
                await bus.declare(world.client, world.settings)
            async with world.publishing():
                await hears(reader)
    finally:
        await asyncio.to_thread(reader.stop)
    await world.quiet()
    await world.stored_once()


async def hears(reader: ServiceProcess) -> None:
    """Its watch takes readings in, now."""

    async def total() -> float:
        return await asyncio.to_thread(reader.total, "reader_watch_points_total")

    before = await total()

    async def more() -> bool:
        return await total() > before

    await until(more, "the watch to hear")


@scenario("sqlite")
async def test_storms_of_events_are_written_whole_and_once(world: World) -> None:
    """Fault h5, with a reader and a client behind the writer."""
    given = {"nats_url": f"nats://{world.nats.url}", "store_url": world.store.url}
    await world.start_writer()
    reader = ServiceProcess("reader", world.folder, reader_watch="false", **given)
    client = ServiceProcess("client", world.folder / "client", client_poll_seconds=0.5, **given)
    async with started(reader), started(client):
        js, each = world.jetstream(), int(long_or_short(10_000, 2_000))
        sent = 0
        for _ in rounds():
            now = timestamps.format_ns(time.time_ns())
            for start in range(sent, sent + each, 500):
                await js.publish(
                    subjects.EVENTS,
                    orjson.dumps([event(n, now) for n in range(start, start + 500)]),
                )
            sent += each

            async def written(sent: int = sent) -> bool:
                return sum((await asyncio.to_thread(written_by, client)).values()) >= sent

            await until(written, f"{sent} events in the client's log")
        found = await asyncio.to_thread(written_by, client)
        assert found == Counter(f"storm-{n}" for n in range(sent))
    await world.quiet()
    world.notes.append(f"{sent} events of criticality 9 written down, each once")


def event(number: int, time: str) -> dict[str, object]:
    return {
        "id": f"storm-{number}",
        "criticality": 9,
        "timestamp": time,
        "sourceDevice": "DiskUnit",
        "eventType": "DriveFailure",
        "deviceId": f"d{number % 50}",
    }


def written_by(client: ServiceProcess) -> Counter[str]:
    """Ids in the client's log and its predecessors."""
    lines = [
        line
        for file in client.folder.glob("client_output.log*")
        if file.suffix not in {".state", ".lock", ".new"}
        for line in file.read_text().splitlines(keepends=True)
    ]
    return Counter(key.event_id for key, *_ in summary.read_back(lines))


@contextlib.asynccontextmanager
async def started(service: ServiceProcess) -> AsyncIterator[None]:
    await asyncio.to_thread(service.start)
    try:
        yield
    finally:
        await asyncio.to_thread(service.stop)


@scenario("sqlite")
async def test_a_repair_killed_at_any_moment_can_be_run_again(world: World) -> None:
    """Fault h10."""
    await world.start_writer()
    rng = random.Random(3)
    async with world.publishing():
        for _ in rounds():
            command = [sys.executable, "-m", "writer.repair"]
            environment = {"NATS_URL": f"nats://{world.nats.url}", "PYTHONPATH": str(ROOT)}
            killed = await asyncio.create_subprocess_exec(*command, env=environment)
            await world.pause(rng.uniform(0.3, 1.3))
            with contextlib.suppress(ProcessLookupError, psutil.Error):
                killed.kill()
            await killed.wait()
            again = await asyncio.create_subprocess_exec(
                *command, env=environment, stdout=asyncio.subprocess.DEVNULL
            )
            assert await again.wait() == 0
            with pytest.raises(NotFoundError):
                await world.jetstream().consumer_info(subjects.PARKING_SUMMARIES_STREAM, "repair")
            await world.pause(0.5)
    await world.quiet()
    await world.stored_once()


def path_of(world: World) -> Path:
    return Path(world.store.url.removeprefix("sqlite:///"))


async def until_part(world: World, writer: ServiceProcess, name: str, what: str) -> None:
    async def says() -> bool:
        return what in await world.part(writer, name)

    await until(says, f"/healthz to say of {name}: {what}")
