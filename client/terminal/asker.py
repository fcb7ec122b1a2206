"""One connection to NATS for several questions, as the verbs of a terminal need them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from nats.aio.client import Client

from client.ask import TIMEOUT_SECONDS, ask
from client.settings import ClientSettings
from client.verbs.asking import connected


class Asker:
    """Asks the reader.

    :ivar client: the connection.
    """

    def __init__(self, client: Client, subject: str) -> None:
        self.client = client
        self._subject = subject

    async def ask(self, query_type: str, **params: object) -> dict[str, Any]:
        """The whole reply; parameters that are None are not given.

        :raises ReaderAway: nobody answers, or not in time.
        :raises Refused: the reader's answer is an error.
        """
        given = {name: value for name, value in params.items() if value is not None}
        return await ask(self.client, self._subject, query_type, given, TIMEOUT_SECONDS)


@asynccontextmanager
async def opened(settings: ClientSettings, wait_seconds: float) -> AsyncIterator[Asker]:
    """A connection, closed in the end.

    :raises ReaderAway: NATS does not answer within ``wait_seconds``.
    """
    async with connected(settings, wait_seconds) as client:
        yield Asker(client, settings.nats_subject_request)
