"""Cancellations that cannot get lost.

In Python 3.11 ``asyncio.wait_for`` returns its result, and forgets the cancellation that came
together with it (python/cpython issue 86296); nats-py stands on it, and elsewhere drops one by
itself. A task that works for ever would then go on for ever, and who waits for its end with it. But
the task remembers that it was told to end: so its loops ask for that.
"""

from __future__ import annotations

import asyncio
from typing import Any

#: Long enough for what a cancelled task has to tidy up.
AGAIN_SECONDS = 2.0


def cancelled() -> bool:
    """Whether this task was told to end, though nothing may have been raised in it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def end(*tasks: asyncio.Task[Any]) -> list[Any]:
    """Cancel tasks until they have ended; what each returned or raised.

    A ``TaskGroup`` cancels its tasks once whatever is done here: loops in it ask ``cancelled``.
    """
    while going := [task for task in tasks if not task.done()]:
        for task in going:
            task.cancel()
        await asyncio.wait(going, timeout=AGAIN_SECONDS)
    return await asyncio.gather(*tasks, return_exceptions=True)
