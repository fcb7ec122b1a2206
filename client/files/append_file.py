"""A file of this process alone that is only appended to: locked, rotated, synced to the disk."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import IO

from spindle import locks


class AppendFile:
    """The file, its renamed predecessors ``.1`` (the newest), ``.2``, ..., and its lock.

    Blocking: called from a thread, by one caller at a time.

    :param max_bytes: size at which the file is renamed and a new one begun; 0 for never.
    :param backups: how many renamed files are kept.
    :param setting: the setting that names the file, for messages.
    """

    def __init__(self, path: Path, max_bytes: int, backups: int, setting: str) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._setting = setting
        self._lock: IO[str] | None = None

    def beside(self, ending: str) -> Path:
        """The path of a file that belongs to this one."""
        return self.path.with_name(self.path.name + ending)

    @property
    def size(self) -> int:
        """Length in bytes; 0 where the file does not exist."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def is_locked(self) -> bool:
        """Whether this process has the file."""
        return self._lock is not None

    def lock(self) -> None:
        """Take the file for this process.

        :raises InUse: another client writes to it.
        :raises OSError: its folder or its lock cannot be used.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        taken, instead = f"another client writes to {self.path}", f"stop it, or set {self._setting}"
        self._lock = locks.hold(self.beside(".lock"), taken, instead)

    def unlock(self) -> None:
        """Let another process have the file."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def append(self, block: bytes) -> None:
        """Append all of a block, and return when the disk has it.

        :raises OSError: nothing of it was appended, unless even cutting it off again failed.
        """
        is_new = not self.size
        with self.path.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                while block:  # on a disk that fills up a part is written, then the rest fails
                    block = block[file.write(block) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(before)
                raise
        if is_new:
            _sync_folder(self.path.parent)

    def rotate(self, more: int) -> None:
        """Rename the file when ``more`` bytes would make it too long; the oldest backup goes."""
        size = self.size
        if not self._max_bytes or not size or size + more <= self._max_bytes:
            return
        for number in range(self._backups - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self.beside(f".{number}").replace(self.beside(f".{number + 1}"))
        self.path.replace(self.beside(".1"))

    def files(self) -> list[Path]:
        """The file and those of its predecessors that exist, newest first."""
        numbered = (self.beside(f".{number}") for number in range(1, self._backups + 1))
        return [path for path in (self.path, *numbered) if path.is_file()]

    def cut(self, size: int) -> None:
        """Shorten the file to ``size`` bytes."""
        os.truncate(self.path, size)


def _sync_folder(folder: Path) -> None:
    """So that the name of a new file survives a power cut, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
