"""Changes of health from NATS -> the ends in ``client_output.log``.

The reader is asked for critical events; that something is over is no critical event, but a change
of health. It waits here for the next answer, so that what began is written before its end, and is
acknowledged when it is written.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from client.consumer import Consumer
from client.files import critical_lines as summary
from client.files.critical_lines import CriticalEvent, Key
from client.notify import message as messages
from client.notify.message import Change
from client.settings import ClientSettings
from spindle import subjects, timestamps
from spindle.service.run import Service

PART = "ends"
AT_ONCE = 500
#: Of the events that tell of a state; a silence, which leaves a device unknown, may be its death.
_CRITICALITY = {"ok": summary.OVER, "warning": 6, "unknown": 8, "critical": 8}


class Ends:
    """Takes changes from their stream; owns the health part ``ends``."""

    def __init__(self, service: Service[ClientSettings], client: Client) -> None:
        self._service = service
        self._least = service.settings.client_min_criticality
        self._consumer = Consumer(
            service, client, subjects.HEALTH_STREAM, subjects.CLIENT_CONSUMER, AT_ONCE
        )
        self._heard: dict[CriticalEvent, Msg] = {}  # one that is delivered again is the same

    def heard(self) -> list[CriticalEvent]:
        """The ends that are to be written, each of them a candidate: see ``CriticalLog``."""
        return list(self._heard)

    async def written(self, ends: Iterable[CriticalEvent]) -> None:
        """Those stand in the log, or end nothing that does."""
        await self._acknowledge([self._heard.pop(each) for each in ends])

    async def run(self) -> None:
        """Take what comes until the service stops."""
        await self._consumer.run(self._take, PART, "no changes come from NATS")

    async def _take(self, taken: list[Msg]) -> None:
        self._service.health.ok(PART)
        of_none = []
        for each in taken:
            end = end_of(messages.read(each.data), _id(each), self._least)
            if end is None:
                of_none.append(each)
            else:
                self._heard[end] = each
        await self._acknowledge(of_none)

    async def _acknowledge(self, taken: Iterable[Msg]) -> None:
        for each in taken:
            with contextlib.suppress(NatsError):  # it comes again
                await each.ack()


def _id(message: Msg) -> str:
    """The same at each delivery."""
    sent = (message.headers or {}).get(subjects.MESSAGE_ID_HEADER)
    return sent or f"{subjects.HEALTH_STREAM}-{message.metadata.sequence.stream}"


def end_of(change: Change | None, event_id: str, least: int) -> CriticalEvent | None:
    """The end that a change of health is of what had this criticality or more; None: it is none."""
    # What is worth 9 or 10 to its publisher ends where a device is no longer critical, too.
    if change is None or change.is_worse or _CRITICALITY[change.new] >= min(least, 8):
        return None
    said = "acknowledged" if change.acknowledged else "over"
    return CriticalEvent(
        Key(change.source_device, change.device, event_id, change.array),
        timestamps.parse(change.time),
        "HealthChanged",
        summary.OVER,
        f"{said}: {change.new}, was {change.old}",
        simulated=change.simulated,
        is_over=True,
    )
