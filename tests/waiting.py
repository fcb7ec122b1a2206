"""Wait in a test until something is true, and fail with a sentence when it never is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    """Return as soon as ``true()`` is; what is looked at lives in another task or process."""
    try:
        async with asyncio.timeout(seconds):
            while not true():  # noqa: ASYNC110 - nothing signals a change from outside
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"it did not become true within {seconds:g} s") from None
