"""The gateway's connection to NATS, which may not be there yet."""

from __future__ import annotations

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError, NoRespondersError

from gateway.failures import Failed, away

NATS_AWAY = "NATS is away; try again in a moment"


class Link:
    """Holds the client once there is one."""

    def __init__(self) -> None:
        self._client: Client | None = None  # None: never connected so far

    def connected(self, client: Client) -> None:
        """Take the client, once it is connected."""
        self._client = client

    @property
    def is_up(self) -> bool:
        """Whether NATS is connected now."""
        return self._client is not None and self._client.is_connected

    @property
    def client(self) -> Client:
        """The connected client.

        :raises Failed: 503.
        """
        if self._client is None or not self._client.is_connected:
            raise away(NATS_AWAY)
        return self._client

    async def request(
        self, subject: str, payload: bytes, seconds: float, who: str
    ) -> tuple[bytes, dict[str, str]]:
        """The answer of whoever listens on a subject, with its headers.

        :param who: whom a failure names.
        :raises Failed: 503 nobody listens, 504 no answer in time, 413 too large for NATS.
        """
        client = self.client
        try:
            message = await client.request(subject, payload, timeout=seconds)
        except NoRespondersError:
            raise away(f"no {who} answers; is it started?") from None
        except TimeoutError:
            if not client.is_connected:
                raise away(NATS_AWAY) from None
            raise Failed(504, f"the {who} did not answer within {seconds:g} s") from None
        except MaxPayloadError:
            raise Failed(413, "the body is larger than a NATS message may be") from None
        except NatsError as error:
            raise away(f"NATS did not take the question: {error}") from None
        return message.data, dict(message.headers or {})
