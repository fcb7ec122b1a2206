"""The protocol of a source."""

from __future__ import annotations

from typing import Protocol

from daemon.messages import Message

#: Classes of device.
DISK, ARRAY = "DiskUnit", "StorageArray"


class Source(Protocol):
    """Something that can be read once per tick."""

    @property
    def name(self) -> str:
        """As written in ``DAEMON_SOURCES``."""

    def tick(self, now_ns: int) -> list[Message]:
        """Everything it has to say now, as finished messages stamped ``now_ns``.

        Called from a thread, so it may block; never twice at the same time. What it raises is
        logged once, and it is asked again at the next tick.
        """
