"""Wait in a test until something is true, and fail with a sentence when it never is."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable

from nats.js.errors import NoKeysError
from nats.js.kv import KeyValue

#: More than a machine that runs three such tests on two cores takes for anything: it costs nothing
#: where all is well.
PATIENCE_SECONDS = 60.0


async def until(
    true: Callable[[], object],
    seconds: float = PATIENCE_SECONDS,
    otherwise: Callable[[], object] = str,
) -> None:
    """Return as soon as ``true()``, or what it awaits, is; what is looked at lives in another task
    or process.

    :param otherwise: what is said when it is not.
    """
    try:
        async with asyncio.timeout(seconds):
            # Nothing signals a change from outside.
            while not (await found if inspect.isawaitable(found := true()) else found):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(_never(seconds, otherwise)) from None


def wait_until(
    true: Callable[[], object],
    seconds: float = PATIENCE_SECONDS,
    otherwise: Callable[[], object] = str,
) -> None:
    """The same in a test without an event loop."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, _never(seconds, otherwise)
        time.sleep(0.1)


async def keys_of(bucket: KeyValue) -> list[str]:
    """The keys, in order, of a bucket that holds some: a busy client takes it for empty, since the
    server has sent all values before the first is looked at (docs/nats-py.md)."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                return sorted(await bucket.keys())
            except NoKeysError:
                await asyncio.sleep(0.02)


def _never(seconds: float, otherwise: Callable[[], object]) -> str:
    return f"it did not become true within {seconds:g} s. {otherwise()}".rstrip(". ")
