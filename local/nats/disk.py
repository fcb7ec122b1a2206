"""What nats-server may take of its disk, and the way out once that is full.

A stream whose file could not be written takes nothing more until nats-server is started again,
whatever room there is by then. And where the store lies on the same disk, nothing leaves NATS
either: so some room is kept aside, which a start or a repair gives up to let the rest drain.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from local.nats.server import LARGE_FILE_STORE
from spindle.bus.streams import others, queued
from spindle.settings import Settings

#: Enough for a store to take in hundreds of thousands of points, and NATS to let them go.
KEPT_ASIDE_BYTES = 32 * 2**20
_NEEDED_BYTES = 8 * 2**20  # below this nothing can be expected to work
_SHARE = 0.8  # of what is free: logs and indexes want some too


def room(store: Path, free: int) -> int:
    """Bytes that nats-server may take: most of what is free, and what it has already."""
    has = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
    return int(_SHARE * max(0, free - KEPT_ASIDE_BYTES)) + has


def free_of(folder: Path) -> int:
    """Bytes that are free on the disk of a folder."""
    return shutil.disk_usage(folder).free


def limit(store: Path, noted: Path, settings: Settings) -> int:
    """JetStream's ``max_file_store`` for a server that is about to start; notes it for services.

    :param noted: holds what ``noted_room`` reads.
    """
    queues, rest = queued(settings), others(settings)
    now = room(store, free_of(noted.parent))
    # Streams that are there keep their size, and cannot be made smaller, where the limit is below
    # what they reserve already.
    noted_before = noted_room(noted) or (queues if store.exists() else 0)
    if now >= queues + rest:
        noted.unlink(missing_ok=True)
        return max(queues + rest, min(now, LARGE_FILE_STORE))
    given = max(now - rest, now // 2)  # the rest seldom takes what it may
    noted.write_text(json.dumps(given))
    return max(given, noted_before) + rest


def noted_room(noted: Path) -> int:
    """What METRICS and EVENTS may take, where that is less than their settings say; else 0."""
    try:
        return int(json.loads(noted.read_text()))
    except (OSError, ValueError):
        return 0


def make_way(aside: Path) -> str:
    """Delete the reserve file, if the disk is full.

    :returns: why nothing can be done, or empty.
    """
    if free_of(aside.parent) < _NEEDED_BYTES:
        aside.unlink(missing_ok=True)
    free = free_of(aside.parent)
    if free >= _NEEDED_BYTES:
        return ""
    return f"the disk of {aside.parent} is full ({free:,} bytes are free): make room, or enlarge it"


def keep_aside(aside: Path) -> None:
    """Write the reserve file, where there is plenty of room."""
    if not aside.exists() and free_of(aside.parent) > 2 * KEPT_ASIDE_BYTES:
        with aside.open("wb") as file:
            for _ in range(KEPT_ASIDE_BYTES // 2**20):
                file.write(bytes(2**20))
