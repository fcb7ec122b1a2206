"""Wait in a test until something is true, and fail with a sentence when it never is."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable

#: More than a machine that runs three such tests on two cores takes for anything: it costs nothing
#: where all is well.
PATIENCE_SECONDS = 60.0


async def until(true: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    """Return as soon as ``true()``, or what it awaits, is; what is looked at lives in another task
    or process."""
    try:
        async with asyncio.timeout(seconds):
            # Nothing signals a change from outside.
            while not (await found if inspect.isawaitable(found := true()) else found):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"it did not become true within {seconds:g} s") from None
