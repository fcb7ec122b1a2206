"""``client_output.log``: append each critical event once, and once when a device is well again.

The log itself is the memory: what stands in it, and in its renamed predecessors, was written. A
state file beside it also keeps what rotation has deleted, and when the reader last answered. It is
written after the log, so after a crash between the two the log's own lines make up for it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from client.files import critical_lines as summary
from client.files.append_file import AppendFile
from client.files.critical_lines import CriticalEvent, Device, Key
from spindle import timestamps

log = logging.getLogger("client")

MOST_OPEN = 10_000  # devices that are remembered as not well again, the last told of
SAVE_EVERY_NS = 60 * timestamps.NS  # how old the time of the last poll on disk may be


class CriticalLog:
    """The log and its memory. Blocking: called from a thread, by one caller at a time."""

    def __init__(self, path: Path, max_bytes: int, backups: int) -> None:
        self._file = AppendFile(path, max_bytes, backups, "CLIENT_OUTPUT")
        self._state_path = self._file.beside(".state")
        self._written: dict[Key, int] = {}  # events in the log -> when they happened
        self._open: dict[Device, int] = {}  # told of and not well again -> its newest event
        self._ends: dict[Device, CriticalEvent] = {}  # heard before what they end, or of no event
        self._last_poll_ns: int | None = None  # when the reader last answered
        self._saved_ns = 0  # the last poll that the state file knows of

    @property
    def last_poll_ns(self) -> int | None:
        """When the reader last answered, or None on the very first start."""
        return self._last_poll_ns

    def open(self) -> None:
        """Take the log for this process and remember what was written before.

        :raises InUse: another client writes to it.
        :raises OSError: it cannot be read.
        """
        self._file.lock()
        self._drop_torn_line()
        self._recover()

    def close(self) -> None:
        """Save what is remembered, and let another process have the log."""
        if self._file.is_locked:
            self._save()
        self._file.unlock()

    def write(self, events: Iterable[CriticalEvent], now_ns: int) -> list[CriticalEvent]:
        """Append one summary of those events that were never written.

        :returns: them, oldest first; nothing was appended where there are none.
        :raises OSError: nothing of them was written.
        """
        heard = [*self._ends.values(), *events]
        new = {event.key: event for event in heard if not self._is_written(event.key)}
        ordered = sorted(new.values(), key=lambda event: (event.time_ns, event.key))
        told = dict(self._open)
        fresh = [event for event in ordered if _is_news(told, event)]
        if fresh:
            block = summary.render(fresh, now_ns).encode()
            self._file.rotate(len(block))
            self._file.append(block)
            self._written.update((event.key, event.time_ns) for event in fresh)
        self._open = told
        self._ends = {event.key.device: event for event in ordered if event.is_over}
        self._last_poll_ns = now_ns
        if fresh or now_ns - self._saved_ns >= SAVE_EVERY_NS:
            self._save()
        return fresh

    def _is_written(self, key: Key) -> bool:
        return key in self._written or key._replace(array_id="") in self._written

    def newest_ns(self, now_ns: int) -> int:
        """Time of the newest event written that is not after now; 0 where there is none."""
        return max((time_ns for time_ns in self._written.values() if time_ns <= now_ns), default=0)

    def forget(self, now_ns: int, kept_ns: int) -> None:
        """Forget events that happened longer ago than any poll will reach back.

        Reckoned from the newest that was written: by a clock that is ahead, and is put right, those
        that were forgotten would be written again.
        """
        before_ns = self.newest_ns(now_ns) - kept_ns
        for key in [key for key, time_ns in self._written.items() if time_ns < before_ns]:
            del self._written[key]
        for device in sorted(self._open, key=self._open.__getitem__)[:-MOST_OPEN]:
            del self._open[device]

    def _drop_torn_line(self) -> None:
        """Cut off a last line that a crash left without its end: its event is written anew."""
        if not self._file.size:
            return
        content = self._file.path.read_bytes()
        end = content.rfind(b"\n") + 1
        if end != len(content):
            self._file.cut(end)

    def _recover(self) -> None:
        self._read_state()
        newest = 0
        for path in reversed(self._file.files()):  # the oldest first
            for key, time_ns, is_over in summary.read_back(_lines(path)):
                self._written[key] = time_ns
                if is_over:
                    self._open.pop(key.device, None)
                else:
                    self._open[key.device] = time_ns
            newest = max(newest, summary.newest_summary_ns(_lines(path)) or 0)
        if newest > (self._last_poll_ns or 0):
            self._last_poll_ns = newest

    def _read_state(self) -> None:
        try:
            state = orjson.loads(self._state_path.read_bytes())
            self._last_poll_ns = timestamps.parse(state["last_poll"])
            for *key, time_ns in state["written"]:
                self._written[Key(*key)] = int(time_ns)
            for *device, time_ns in state.get("open", ()):
                source_device, device_id, array_id = device
                self._open[source_device, device_id, array_id] = int(time_ns)
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
            "open": [[*device, time_ns] for device, time_ns in self._open.items()],
        }
        temporary = self._file.beside(".state.new")
        try:
            temporary.write_bytes(orjson.dumps(state))
            temporary.replace(self._state_path)
        except OSError as error:  # the log itself is enough to remember by
            log.warning("%s cannot be written: %s", self._state_path, error.strerror)
        else:
            self._saved_ns = self._last_poll_ns


def _is_news(told: dict[Device, int], event: CriticalEvent) -> bool:
    """Whether an event is to be written; ``told`` is what is open, and what is after it."""
    device = event.key.device
    if not event.is_over:
        told[device] = max(event.time_ns, told.get(device, 0))
        return True
    if event.time_ns < told.get(device, event.time_ns + 1):
        return False
    del told[device]
    return True


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        yield from file
