"""nats-py's client, made safe against what anybody may publish.

nats-py 2.16 finds the end of a subject with ``\\s``, decodes subjects strictly, and reads the third
byte of a header without looking whether there is one. So one message whose subject holds a vertical
tab or a byte that is no UTF-8, or whose header has two bytes, ends its read loop: silently, and for
good, because the message was not acknowledged and is delivered again. nats-server accepts all of
these: it divides its lines at single spaces and at line ends only.

Here such a message is delivered like any other, with what can be read of it; whoever receives it
judges its payload. Should the read loop end all the same, the client connects anew. What to mend in
nats-py is in docs/nats-py.md.

For whoever takes many messages there is a short way besides, past nats-py's objects and tasks:
``subscribe_many`` hands on what came in one piece, ``publish_many`` sends in one piece.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from urllib.parse import ParseResult, unquote

from nats.aio.client import PING_PROTO, Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError, ProtocolError
from nats.errors import Error as NatsError
from nats.protocol.parser import Parser

from spindle.bus import protocol

log = logging.getLogger("spindle.bus")

Sink = Callable[[list[protocol.Message]], None]


class NotSecured(NatsError):
    """The server offers no TLS where it is asked for: nothing was sent to it."""


class SafeClient(Client):
    """A client that no message can silence."""

    def __init__(self) -> None:
        super().__init__()
        self._ps = SafeParser(self)
        self.sinks: dict[int, Sink] = {}  #: subscription number -> who takes many at once

    async def subscribe_many(self, subject: str, sink: Sink) -> Subscription:
        """Have messages handed on as they arrive: all of one piece at once, and not as ``Msg``."""
        subscription = await self.subscribe(subject)
        self.sinks[subscription._id] = sink
        return subscription

    def _remove_sub(self, sid: int, max_msgs: int = 0) -> None:
        super()._remove_sub(sid, max_msgs)
        self.sinks.pop(sid, None)

    async def publish_many(self, subjects: Sequence[str], payload: bytes) -> None:
        """The same to each of these subjects, which the server gave: they are not looked at.

        :raises NatsError: the connection was closed.
        """
        if self.is_closed:
            raise ConnectionClosedError
        if subjects:
            await self._send_command(protocol.publish(subjects, payload))
            await self._flush_pending()

    @staticmethod
    def _parse_server_uri(connect_url: str) -> ParseResult:
        """With name and password as they are meant: nats-py sends ``p%40ss`` as it stands."""
        address = Client._parse_server_uri(connect_url)
        who, at, where = address.netloc.rpartition("@")
        return address._replace(netloc=f"{unquote(who)}{at}{where}")

    def _connect_command(self) -> bytes:
        """What signs in. nats-py would do so in the clear where the server offers no TLS.

        :raises NotSecured: TLS is asked for, and the connection has none.
        """
        server = self._current_server
        wanted = "tls" in self.options or (server is not None and server.uri.scheme == "tls")
        if wanted and not self._server_info.get("tls_required"):
            raise NotSecured("it speaks no TLS, which NATS_TLS_CA or tls:// asks for")
        return super()._connect_command()

    async def _send_ping(self, future: asyncio.Future[bool] | None = None) -> None:
        """Behind what waits to be sent, so that ``flush`` waits for it: nats-py sends it ahead."""
        self._pongs.append(asyncio.Future() if future is None else future)
        await self._send_command(PING_PROTO)
        await self._flush_pending()

    async def _read_loop(self) -> None:
        await super()._read_loop()
        task = asyncio.current_task()
        if self.is_connected and not (task and task.cancelling()):
            log.error("the connection to NATS was not read any more; connecting anew")
            await self._process_op_err(ProtocolError())

    async def _process_headers(self, headers: bytes | None) -> dict[str, str] | None:
        try:
            return await super()._process_headers(headers)
        except (IndexError, ValueError) as error:  # what is no UTF-8 is a ValueError
            log.debug("headers that cannot be read: %s", error)
            return None

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg:
        return self.msg_class(
            subject=subject.decode(errors="backslashreplace"),
            reply=reply.decode(errors="backslashreplace"),
            data=data,
            headers=headers,
            _client=self,
            _sid=sid,
        )


class SafeParser(Parser):
    """Finds the messages in what comes, a piece at a time; leaves other lines to nats-py."""

    nc: SafeClient

    async def parse(self, data: bytes = b"") -> None:
        """Take bytes in, and hand on every message that is complete."""
        self.buf += data
        while self.buf and len(self.buf) >= self.needed:
            try:
                found, used, self.needed = protocol.take(bytes(self.buf))
            except ValueError:
                raise ProtocolError from None
            del self.buf[:used]
            if found:
                await self._deliver(found)
            if self.needed == protocol.OTHER_LINE:
                self.needed = 0
                await self._parse_one_line()

    async def _deliver(self, found: list[protocol.Message]) -> None:
        sinks = self.nc.sinks
        many: dict[int, list[protocol.Message]] = {sid: [] for sid in sinks}
        for message in found:
            if (taken := many.get(message[0])) is not None:
                taken.append(message)
            else:
                sid, subject, reply, header, payload = message
                await self.nc._process_msg(sid, subject, reply, payload, header or None)  # type: ignore[arg-type]
        for sid, taken in many.items():
            if taken and (sink := sinks.get(sid)) is not None:
                sink(taken)

    async def _parse_one_line(self) -> None:
        """Give nats-py the next line alone, so that it never meets the head of a message."""
        buffer = self.buf
        end = buffer.index(b"\r\n") + 2
        rest = buffer[end:]
        del buffer[end:]
        await super().parse()
        if buffer and self.buf is buffer:
            raise ProtocolError  # a line that nats-py does not know; it would wait for more of it
        if self.buf is buffer:  # else it connected anew meanwhile
            buffer += rest
