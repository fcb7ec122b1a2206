"""Calls that may hang for ever, as asking a dying disk or a dead file server does.

A thread cannot be ended from outside. So each such call has a thread of its own that nobody waits
for longer than a deadline, and that does not keep the process from ending. While one hangs, the
same is not asked a second time.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

T = TypeVar("T")


def in_thread(function: Callable[..., T], *given: Any, name: str) -> asyncio.Future[T]:
    """The result of a call on a thread of its own, as a future of the running loop."""
    return asyncio.wrap_future(_begun(function, *given, name=name))


def _begun(function: Callable[..., T], *given: Any, name: str) -> Future[T]:
    result: Future[T] = Future()
    result.set_running_or_notify_cancel()

    def work() -> None:
        try:
            value = function(*given)
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            result.set_exception(error)
        else:
            result.set_result(value)

    threading.Thread(target=work, name=name, daemon=True).start()
    return result


class Watched(Generic[T]):
    """Calls known by name, each with its own deadline.

    :ivar stuck: by name, what hangs and for how long it has, in words.
    """

    def __init__(self, deadline_seconds: float) -> None:
        self._deadline = deadline_seconds
        self._hanging: dict[str, tuple[Future[T], float]] = {}  # with when it began
        self.stuck: dict[str, str] = {}

    def results(self, calls: Mapping[str, Callable[[], T]]) -> dict[str, T]:
        """Results by name, of the calls that returned in time without OSError or ValueError.

        All of them run at once, so that together they take no longer than the deadline.
        """
        began = time.monotonic()
        for name, call in calls.items():
            if name not in self._hanging:
                self._hanging[name] = (_begun(call, name=name), began)
        found = {}
        for name in list(self._hanging):
            future, since = self._hanging[name]
            try:
                future.exception(max(0.0, since + self._deadline - time.monotonic()))
            except TimeoutError:
                continue
            del self._hanging[name]
            with contextlib.suppress(OSError, ValueError):
                value = future.result()
                if since == began:  # a late answer is an old one
                    found[name] = value
        self.stuck = dict.fromkeys(self._hanging, f"has not answered for {self._deadline:g} s")
        return found
