"""Changes of health from NATS -> everybody in NOTIFY_URLS; acknowledged when all were told.

The stream HEALTH keeps what is not told yet, whoever is down. After a restart a message may be sent
again to an address that had it: at least once is promised, not once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from prometheus_client import Counter

from client.consumer import Consumer
from client.notify import message as messages
from client.notify import quiet_hours
from client.notify.message import Change, Message, latest
from client.notify.settings import NotifySettings
from spindle import subjects
from spindle.errors import SpindleError
from spindle.service.pauses import Pauses
from spindle.service.run import Service

if TYPE_CHECKING:
    from client.notify.addresses import Address

log = logging.getLogger("client")

PART = "notify"
GROUP_SECONDS = 1.0  #: after the first change: what comes within is one message
AT_ONCE = 500
EXTEND_SECONDS = 10.0  # a third of the consumer's patience
LOOK_AT_THE_CLOCK_SECONDS = 20.0
LONGEST_PAUSE_SECONDS = 300.0
Told = Callable[[str, str], None]
Waits = Callable[[float], Awaitable[bool]]


class Outbox:
    """The messages of one address.

    What waits while the address is down becomes one message when it is back.

    :param told: is called with the address's name and why it failed, empty when it works.
    :param wait: waits so many seconds; False when the service stops.
    """

    def __init__(self, address: Address, told: Told, wait: Waits) -> None:
        self.address = address
        self._told, self._wait = told, wait
        self._changes: list[Change] = []
        self._messages: deque[Message] = deque()
        self._more = asyncio.Event()
        self._sent = asyncio.Condition()
        self._taken = self._done = 0

    def add(self, changes: list[Change]) -> None:
        """Have these told, together with what waits."""
        self._changes += changes
        self._taken += 1
        self._more.set()

    def add_message(self, message: Message) -> None:
        """Have this told as it is."""
        self._messages.append(message)
        self._taken += 1
        self._more.set()

    async def emptied(self) -> None:
        """Wait until all that has been added so far was sent."""
        wanted = self._taken
        async with self._sent:
            await self._sent.wait_for(lambda: self._done >= wanted)

    async def run(self, made_of: Callable[[list[Change]], Message]) -> None:
        """Send, until the service stops."""
        pauses = Pauses(1.0, LONGEST_PAUSE_SECONDS)
        while True:
            await self._more.wait()
            taken, count = self._taken, len(self._changes)
            together = [made_of(latest(self._changes))] if count else []
            due = [*together, *self._messages]
            for message in due:
                if error := await asyncio.to_thread(self.address.send, message):
                    self._told(self.address.name, error)
                    break
                if message in self._messages:
                    self._messages.remove(message)
                else:
                    del self._changes[:count]
                    count = 0
            else:
                self._told(self.address.name, "")
                pauses.reset()
                if taken == self._taken:
                    self._more.clear()
                async with self._sent:
                    self._done = taken
                    self._sent.notify_all()
                continue
            if not await self._wait(pauses.next()):
                return


class Notifier:
    """Owns the health part ``notify``; without addresses it takes changes and tells nobody."""

    def __init__(self, service: Service[Any], client: Client, addresses: Sequence[Address]) -> None:
        self._service = service
        self._consumer = Consumer(
            service, client, subjects.HEALTH_STREAM, subjects.NOTIFIER_CONSUMER, AT_ONCE
        )
        self._settings: NotifySettings = service.settings
        self._failing: dict[str, str] = {}
        self._held: dict[int, Msg] = {}  # not told yet, by the stream's sequence
        self._telling: set[asyncio.Task[None]] = set()
        self._quiet = quiet_hours.QuietHours.parse(self._settings.notify_quiet_hours)
        self.outboxes = [Outbox(each, self._told, service.pause) for each in addresses]
        registry = service.registry
        self._sent = Counter("client_notifications_sent_total", "Messages sent", registry=registry)
        self._failed = Counter(
            "client_notification_failures_total", "Tries that failed", registry=registry
        )

    def _told(self, name: str, error: str) -> None:
        """An address worked, or did not."""
        (self._failed if error else self._sent).inc()
        if error:
            self._failing[name] = error
        else:
            self._failing.pop(name, None)
        self._say()

    def _say(self) -> None:
        if self._failing:
            said = "; ".join(f"{where}: {why}" for where, why in self._failing.items())
            self._service.health.failing(PART, f"not told, will be tried again: {said}")
        else:
            self._service.health.ok(PART)

    async def run(self) -> None:
        """Take changes and tell them, until the service stops."""
        # What comes soon after the first is told with it: a shelf that loses power rings once.
        await self._consumer.run(
            self._take, PART, "no changes come from NATS", settle_seconds=GROUP_SECONDS
        )

    async def send(self, outbox: Outbox) -> None:
        """Empty one outbox, until the service stops."""
        page = self._settings.notify_page_url
        sending = outbox.run(lambda changes: messages.of_changes(changes, page))
        await self._service.unless_stopped(sending)

    async def _take(self, taken: list[Msg]) -> None:
        if taken:
            self._begin(taken)
        else:
            self._say()

    def _begin(self, taken: Sequence[Msg]) -> None:
        """Tell in a task of its own: an address that is down, or the night, delays no other."""
        fresh = [each for each in taken if each.metadata.sequence.stream not in self._held]
        self._held |= {each.metadata.sequence.stream: each for each in taken}
        if fresh:
            task = asyncio.create_task(self._tell(fresh))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _tell(self, taken: Sequence[Msg]) -> None:
        """Tell, then acknowledge; not acknowledged when the service stops before."""
        told = [change for each in taken if (change := messages.read(each.data)) is not None]
        told = [change for change in told if change.is_told(self._settings.notify_least)]
        if told and self.outboxes:
            if not await self._not_quiet(told):
                return
            for outbox in self.outboxes:
                outbox.add(told)
            if not await self._service.unless_stopped(self._emptied()):
                return
        for message in taken:
            with contextlib.suppress(NatsError):  # it comes again, and is told again
                await self._held.pop(message.metadata.sequence.stream).ack()

    async def _emptied(self) -> bool:
        await asyncio.gather(*(each.emptied() for each in self.outboxes))
        return True

    async def extend(self) -> None:
        """Ask NATS for more patience with what is not told yet, until the service stops."""
        while await self._service.pause(EXTEND_SECONDS):
            for message in [*self._held.values()]:
                with contextlib.suppress(NatsError):
                    await message.in_progress()

    async def _not_quiet(self, told: Sequence[Change]) -> bool:
        """Wait for the end of quiet hours, unless one is critical; False when the service stops."""
        if any(change.new == "critical" for change in told):
            return True
        while self._quiet is not None and self._quiet.contain(datetime.now()):
            if not await self._service.pause(LOOK_AT_THE_CLOCK_SECONDS):
                return False
        return True

    async def tell_daily(self, ask: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        """The digest at NOTIFY_DIGEST_AT, until the service stops.

        :param ask: asks for ``fleet_health``.
        """
        settings = self._settings
        clock = quiet_hours.time_of(settings.notify_digest_at)
        due = quiet_hours.next_at(clock, datetime.now())
        while await self._service.pause(LOOK_AT_THE_CLOCK_SECONDS):
            now = datetime.now()
            if now < due:
                continue
            try:
                reply = await ask()
            except SpindleError as error:
                log.debug("no digest yet: %s", error)
                continue
            due = quiet_hours.next_at(clock, now)
            for outbox in self.outboxes:
                outbox.add_message(messages.digest(reply["data"], settings.notify_page_url))
