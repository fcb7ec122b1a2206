"""What waits to be sent to one address: sent in order, tried again with growing pauses."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from client.notify.message import Change, Message, latest
from spindle.service.pauses import Pauses

if TYPE_CHECKING:
    from client.notify.addresses import Address

log = logging.getLogger("client")

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
