"""Live messages to every listener; one that is too slow is dropped, not buffered without end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from spindle.errors import Busy


@dataclass(eq=False)
class Listener:
    """One client of ``/api/v1/stream``.

    :ivar kinds: what it wants; empty for all.
    :ivar ended: set when it is to get no more: it was too slow, or the gateway stops.
    """

    queue: asyncio.Queue[bytes]
    kinds: frozenset[str]
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    too_slow: bool = False


class Hub:
    """Hands each frame to everybody who listens.

    :param most: listeners at the same time.
    :param queue_size: frames that wait for one listener.
    """

    def __init__(self, most: int, queue_size: int) -> None:
        self._most = most
        self._queue_size = queue_size
        self._listeners: set[Listener] = set()
        self._closed = False
        self.on_drop: Callable[[], None] = lambda: None  # told of each that was too slow

    def __len__(self) -> int:
        return len(self._listeners)

    @contextmanager
    def joined(self, kinds: frozenset[str]) -> Iterator[Listener]:
        """A listener for as long as the context lasts.

        :raises Busy: there are too many, or the gateway stops.
        """
        if self._closed:
            raise Busy("the gateway is stopping; connect again in a moment")
        if len(self._listeners) >= self._most:
            raise Busy(f"{self._most} clients listen already (GATEWAY_STREAMS_MAX)")
        listener = Listener(asyncio.Queue(self._queue_size), kinds)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def send(self, kind: str, frame: bytes) -> None:
        """To all who want this kind; whoever's queue is full is ended."""
        for listener in self._listeners:
            if listener.kinds and kind not in listener.kinds:
                continue
            try:
                listener.queue.put_nowait(frame)
            except asyncio.QueueFull:
                self.drop(listener)

    def drop(self, listener: Listener) -> None:
        """It is too slow: end it."""
        if not listener.too_slow:
            listener.too_slow = True
            self.on_drop()
            listener.ended.set()

    def close(self) -> None:
        """End all listeners, and take no more."""
        self._closed = True
        for listener in self._listeners:
            listener.ended.set()
