"""``client_output.log``: append each critical event once, whatever happens in between.

The log itself is the memory: what stands in it, and in its renamed predecessors, was written. A
state file beside it also keeps what rotation has deleted, and when the reader last answered. It is
written after the log, so after a crash between the two the log's own lines make up for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterable, Iterator
from io import BufferedWriter
from pathlib import Path

import orjson

from client import summary
from client.summary import CriticalEvent, Key
from spindle import timestamps
from spindle.errors import InUse

log = logging.getLogger("client")

SAVE_EVERY_NS = 60 * timestamps.NS  # how old the time of the last poll on disk may be


class CriticalLog:
    """The log and its memory. Blocking: called from a thread, by one caller at a time."""

    def __init__(self, path: Path, max_bytes: int, backups: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._state_path = path.with_name(path.name + ".state")
        self._written: dict[Key, int] = {}  # events in the log -> when they happened
        self._last_poll_ns: int | None = None  # when the reader last answered
        self._saved_ns = 0  # the last poll that the state file knows of
        self._lock: BufferedWriter | None = None

    @property
    def last_poll_ns(self) -> int | None:
        """When the reader last answered, or None on the very first start."""
        return self._last_poll_ns

    def open(self) -> None:
        """Take the log for this process and remember what was written before.

        :raises InUse: another client writes to it.
        :raises OSError: it cannot be read.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lock = self._path.with_name(self._path.name + ".lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise InUse(
                f"another client writes to {self._path}; stop it, or set CLIENT_OUTPUT"
            ) from None
        self._lock = lock
        self._drop_torn_line()
        self._recover()

    def close(self) -> None:
        """Save what is remembered, and let another process have the log."""
        if self._lock is not None:
            self._save()
            self._lock.close()
            self._lock = None

    def write(self, events: Iterable[CriticalEvent], now_ns: int) -> list[CriticalEvent]:
        """Append one summary of those events that were never written.

        :returns: them, oldest first; nothing was appended where there are none.
        :raises OSError: nothing of them was written.
        """
        new = {event.key: event for event in events if event.key not in self._written}
        fresh = sorted(new.values(), key=lambda event: (event.time_ns, event.key))
        if fresh:
            self._append(summary.render(fresh, now_ns).encode())
            self._written.update((event.key, event.time_ns) for event in fresh)
        self._last_poll_ns = now_ns
        if fresh or now_ns - self._saved_ns >= SAVE_EVERY_NS:
            self._save()
        return fresh

    def forget(self, before_ns: int) -> None:
        """Forget events that happened before a time that no poll will reach back to."""
        for key in [key for key, time_ns in self._written.items() if time_ns < before_ns]:
            del self._written[key]

    def _append(self, block: bytes) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._rotate(self._path.stat().st_size + len(block))
        with self._path.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                while block:  # on a disk that fills up a part is written, then the rest fails
                    block = block[file.write(block) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(before)  # all of a summary or nothing
                raise

    def _rotate(self, size: int) -> None:
        if not self._max_bytes or size <= self._max_bytes:
            return
        for number in range(self._backups - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self._backup(number).replace(self._backup(number + 1))
        self._path.replace(self._backup(1))

    def _backup(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _drop_torn_line(self) -> None:
        """Cut off a last line that a crash left without its end: its event is written anew."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return
        end = content.rfind(b"\n") + 1
        if end != len(content):
            os.truncate(self._path, end)

    def _recover(self) -> None:
        self._read_state()
        newest = 0
        for path in (self._path, *map(self._backup, range(1, self._backups + 1))):
            if path.is_file():
                self._written.update(summary.read_back(_lines(path)))
                newest = max(newest, summary.newest_summary_ns(_lines(path)) or 0)
        if newest > (self._last_poll_ns or 0):
            self._last_poll_ns = newest

    def _read_state(self) -> None:
        try:
            state = orjson.loads(self._state_path.read_bytes())
            self._last_poll_ns = timestamps.parse(state["last_poll"])
            for source_device, device_id, event_id, time_ns in state["written"]:
                self._written[Key(source_device, device_id, event_id)] = int(time_ns)
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError):
            log.warning("%s cannot be read: remembering from the log alone", self._state_path)

    def _save(self) -> None:
        """Replace the state file at once, so that it is always a whole one."""
        if self._last_poll_ns is None:
            return
        state = {
            "last_poll": timestamps.format_ns(self._last_poll_ns),
            "written": [[*key, time_ns] for key, time_ns in self._written.items()],
        }
        temporary = self._state_path.with_name(self._state_path.name + ".new")
        try:
            temporary.write_bytes(orjson.dumps(state))
            temporary.replace(self._state_path)
        except OSError as error:  # the log itself is enough to remember by
            log.warning("%s cannot be written: %s", self._state_path, error.strerror)
        else:
            self._saved_ns = self._last_poll_ns


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        yield from file
