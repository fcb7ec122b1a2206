"""SQLite on a disk that is full."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.chaos.side_by_side import scenario
from tests.chaos.stores import Sqlite
from tests.chaos.world import World, long_or_short, rounds, until

DISK = "64m"
BLOCK = bytes(2**20)

pytestmark = (
    []
    if sys.platform.startswith("linux")
    else [pytest.mark.skip(reason="needs Linux: a tmpfs, or the limits of a running process")]
)


@scenario("sqlite")
async def test_a_full_disk_keeps_every_point_until_there_is_room(world: World) -> None:
    async with small_disk(world) as mounted:
        writer = await world.start_writer()
        assert writer.process is not None
        pid = writer.process.pid
        async with world.publishing():
            for _ in rounds(2):
                with full(world.folder / "disk") if mounted else limited(pid):
                    await world.until_part_says(writer, "the disk")
                    await world.pause(long_or_short(5, 1))
                await until(lambda: world.well(writer), "the writer to store again")
        await world.nothing_lost()
    how = "a small tmpfs" if mounted else "a limit on file size, as mounting is not permitted here"
    world.notes.append(f"the disk was filled by means of {how}")


@contextlib.asynccontextmanager
async def small_disk(world: World) -> AsyncIterator[bool]:
    """The world's SQLite file lies on a small file system, if mounting one is permitted."""
    disk = world.folder / "disk"
    disk.mkdir()
    world.store = Sqlite(disk / "spindle.db")
    options = ("-t", "tmpfs", "-o", f"size={DISK}", "spindle-chaos")
    mounted = os.geteuid() == 0 and await succeeds("mount", *options, str(disk))
    try:
        yield mounted
    finally:
        for writer in world.writers:
            writer.kill()
        if mounted:
            assert await succeeds("umount", str(disk))


async def succeeds(*command: str) -> bool:
    """Run it; whether it ended well."""
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    return await process.wait() == 0


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    """Another file takes all the room there is."""
    ballast = disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(BLOCK) == len(BLOCK):
            pass
    try:
        yield
    finally:
        ballast.unlink()


@contextlib.contextmanager
def limited(pid: int) -> Iterator[None]:
    """No file of that process can grow any more."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
