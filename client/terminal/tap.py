"""``tap``: what flows over NATS, one line for each reading, event or visit.

It listens beside those who store: nothing is taken from a stream or acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from nats.aio.msg import Msg

from client.settings import ClientSettings
from client.verbs.asking import connected
from spindle import models, subjects
from spindle.errors import InvalidInput
from spindle.text import printable, shown

#: What is listened to where no subject is given: all that is published, and what became of it.
SUBJECTS = ("events.>", "parking.>", f"{subjects.HEALTH_CHANGED}.>", f"{subjects.DEAD_LETTER}.>")
_LINES_A_SECOND = 100  # at most; a terminal shows no more, and nobody reads more
_KEPT = 200  # characters of what is no object
Print = Callable[[str], None]


@dataclass(slots=True)
class Counts:
    """How many rows came, and how many of them were shown."""

    messages: int = 0
    rows: int = 0
    shown: int = 0
    unreadable: int = 0

    def told(self, seconds: float) -> str:
        """The counts in one sentence."""
        said = (
            f"{self.messages} messages with {self.rows} rows in {seconds:.1f} s "
            f"({self.rows / max(seconds, 0.001):.0f} a second), {self.shown} shown"
        )
        return said + (f", {self.unreadable} not readable" if self.unreadable else "")


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much is shown, and how.

    :ivar seconds: how long to listen; None until interrupted.
    :ivar most: lines, None for any number.
    :ivar every: one row in so many.
    :ivar as_json: whole, as JSON.
    """

    seconds: float | None = None
    most: int | None = None
    every: int = 1
    as_json: bool = False


class Sampler:
    """Chooses the rows to show: each n-th one, and no more a second than can be read."""

    def __init__(self, every: int, at_most: int = _LINES_A_SECOND) -> None:
        self._every = every
        self._at_most = at_most
        self._seen = self._this_second = 0
        self._second = -1

    def takes(self, now: float) -> bool:
        """:param now: in seconds, of a clock that does not go back."""
        self._seen += 1
        if (self._seen - 1) % self._every:
            return False
        if int(now) != self._second:
            self._second, self._this_second = int(now), 0
        self._this_second += 1
        return self._this_second <= self._at_most


def line(subject: str, row: object, *, as_json: bool) -> str:
    """One row in one line: when, who, what. Pure."""
    if as_json:
        return orjson.dumps({"subject": subject, "row": row}).decode()
    if not isinstance(row, Mapping):
        return printable(f"{subject}  {str(row)[:_KEPT]}")
    return printable(f"{_time(row)}  {_who(subject, row):<28}  {_what(row)}")


def _time(row: Mapping[str, Any]) -> str:
    said = str(row.get("timestamp") or row.get("time") or "")
    return said[11:23].rstrip("Z").ljust(12) if "T" in said else said[:12].ljust(12)


def _who(subject: str, row: Mapping[str, Any]) -> str:
    device = row.get("deviceId") or row.get("device_id") or row.get("vehicle_plate")
    array = row.get("arrayId") or row.get("array_id")
    return f"{array}/{device}" if device and array else str(device or subject)


def _what(row: Mapping[str, Any]) -> str:
    metric = row.get("metricType") or row.get("metric_type")
    if metric:
        return f"{metric} {row.get('value')}"
    event = row.get("eventType") or row.get("event_type")
    if event:
        said = row.get("eventMessage") or row.get("event_message") or row.get("message") or ""
        return f"{event} ({row.get('criticality', '-')}) {said}".rstrip()
    left = {k: v for k, v in row.items() if k not in _SAID and v is not None}
    return ", ".join(f"{name} {value}" for name, value in left.items())


_SAID = {"timestamp", "time", "deviceId", "device_id", "arrayId", "array_id"}


def subject(given: str) -> str:
    """A checked subject to listen to, which may have wildcards.

    :raises InvalidInput: it is no subject.
    """
    tokens = given.split(".")
    if not all(tokens) or any(not c.isprintable() or c.isspace() for c in given):
        raise InvalidInput(
            f"given {shown(given)}, expected a subject such as events.metrics.> or parking.entry"
        )
    if ">" in tokens[:-1] or any(len(t) > 1 and set(t) & set("*>") for t in tokens):
        raise InvalidInput(
            f"given {shown(given)}: * stands for one whole token, > for all that follow, at the end"
        )
    return given


async def listen(
    settings: ClientSettings,
    asked: tuple[str, ...],
    wanted: Wanted,
    show: Print,
    wait_seconds: float,
) -> Counts:
    """Show messages as they come, until the time is over or enough was shown.

    :raises ReaderAway: NATS does not answer within ``wait_seconds``.
    :raises OSError: nobody reads what is shown, as after ``| head``.
    """
    counts, sampler = Counts(), Sampler(wanted.every)
    enough = asyncio.get_running_loop().create_future()

    def tell(text: str) -> None:
        if not enough.done():
            try:
                show(text)
            except OSError as error:
                enough.set_exception(error)

    async def took(message: Msg) -> None:
        counts.messages += 1
        try:
            for row in models.decode(message.data):
                counts.rows += 1
                if sampler.takes(time.monotonic()) and not enough.done():
                    tell(line(message.subject, row, as_json=wanted.as_json))
                    counts.shown += 1
                    if wanted.most and counts.shown >= wanted.most and not enough.done():
                        enough.set_result(None)
        except InvalidInput as error:
            counts.unreadable += 1
            tell(printable(f"{message.subject}  not readable: {error}"))

    async with connected(settings, wait_seconds) as client:
        for subject in asked:
            await client.subscribe(subject, cb=took)
        await client.flush()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wanted.seconds):
                await enough
    return counts
