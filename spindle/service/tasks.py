"""Tasks that end when they are told to, and only then.

In Python 3.11 ``asyncio.wait_for`` returns its result, and forgets the cancellation that came
together with it (python/cpython issue 86296); nats-py stands on it, and elsewhere drops one by
itself. A task that works for ever would then go on for ever, and who waits for its end with it. But
the task remembers that it was told to end: so its loops ask for that.

The other way round, the parent of a ``TaskGroup`` in which a task failed is cancelled by the group,
and before Python 3.13 goes on being counted as cancelled (python/cpython issue 116720). Whatever it
awaits next may end it, silently. So what is to be tried again is tried in a task of its own:
``supervise``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from spindle.errors import InUse, InvalidSettings, SpindleError
from spindle.service.health import Health
from spindle.service.pauses import Pauses

if TYPE_CHECKING:
    from prometheus_client import Counter  # it is long in loading, and a question counts nothing

log = logging.getLogger("spindle.service")

#: Long enough for what a cancelled task has to tidy up.
AGAIN_SECONDS = 2.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
#: A task that has run for so long works: the next trouble begins with the first pause again.
STEADY_SECONDS = 10.0
#: What only a person can mend: it ends the service, whose exit code tells.
FATAL = (InUse, InvalidSettings)
#: What the world does to a task; anything else is a mistake of the program, logged with its trace.
EXPECTED = (SpindleError, OSError, TimeoutError)


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


class EndedEarly(SpindleError):
    """A task that should run until the service stops ended before that."""


async def lasting(work: Coroutine[Any, Any, None], stopping: asyncio.Event) -> None:
    """A long-running task of a group, whose end before the stop fails the group.

    A ``TaskGroup`` passes over a task that returned, or that something below it cancelled, and goes
    on without it. Under ``supervise`` the whole group is started again.

    :raises EndedEarly: the work ended, though it was not told to.
    """
    task = asyncio.current_task()
    name = task.get_name() if task else "a task"
    inner = asyncio.create_task(work, name=name)  # so that its own cancellation is not the group's
    try:
        await asyncio.wait((inner,))
    finally:
        (result,) = await end(inner)
    if isinstance(result, Exception):
        raise result
    if not stopping.is_set():
        raise EndedEarly(f"{name} ended before the stop")


async def supervise(
    name: str,
    work: Callable[[], Coroutine[Any, Any, None]],
    *,
    stopping: asyncio.Event,
    health: Health,
    restarts: Counter,
    expected: tuple[type[Exception], ...] = EXPECTED,
) -> None:
    """Keep a long-running task going until the service stops.

    Services call ``Service.supervise(name, work)``, which fills in the rest; one such call for each
    loop that is to last as long as its service:

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(service.supervise("store check", ready.run), name="store check")

    However the work ends before the service is told to stop (it returns, raises, or is cancelled by
    something below it), it is started again in a new task, after pauses that double up to
    ``LONGEST_PAUSE_SECONDS``. From its end until it has run for ``STEADY_SECONDS`` again,
    ``/healthz`` has a failing part of its name that says why. A work that is told to stop, by
    ``stopping``, ends by itself, in the time that it needs.

    :param name: of the task, and of the part of health.
    :param work: makes the coroutine anew for each start.
    :param restarts: counted by ``task``.
    :param expected: errors that need no trace in the log, beside ``EXPECTED``.
    :raises SpindleError: the work ended with one of ``FATAL``.
    """
    pauses, failed = Pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS), ""
    while not stopping.is_set():
        task = asyncio.create_task(work(), name=name)
        try:
            await asyncio.wait((task,), timeout=STEADY_SECONDS)
            if not task.done():
                pauses.reset()
                if failed:
                    health.ok(name)
                    failed = ""
                await asyncio.wait((task,))
        finally:  # also where this supervision is cancelled
            (result,) = await end(task)
        if stopping.is_set() and not isinstance(result, Exception):
            return
        error = _first(result)
        if isinstance(error, FATAL):
            raise error
        why = _reason(error)
        if error is not None and why != failed and not isinstance(error, (*EXPECTED, *expected)):
            log.error("%s: a fault of the program", name, exc_info=result)
        failed = why
        health.failing(name, f"{why}; it is started again")
        restarts.labels(name).inc()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pauses.next()):
                await stopping.wait()


def _first(result: object) -> BaseException | None:
    """The error of a task's result; of a group's, the first that it began with."""
    while isinstance(result, BaseExceptionGroup):
        result = result.exceptions[0]
    return result if isinstance(result, BaseException) else None


def _reason(error: BaseException | None) -> str:
    if error is None:
        return "it ended by itself"
    if isinstance(error, asyncio.CancelledError):
        return "it was cancelled"
    return str(error) or type(error).__name__
