"""nats-py's client, made safe against what anybody may publish.

nats-py 2.16 finds the end of a subject with ``\\s``, decodes subjects strictly, and reads the third
byte of a header without looking whether there is one. So one message whose subject holds a vertical
tab or a byte that is no UTF-8, or whose header has two bytes, ends its read loop: silently, and for
good, because the message was not acknowledged and is delivered again. nats-server accepts all of
these: it divides its lines at single spaces and at line ends only.

Here such a message is delivered like any other, with what can be read of it; whoever receives it
judges its payload. Should the read loop end all the same, the client connects anew.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ProtocolError
from nats.protocol.parser import AWAITING_CONTROL_LINE, AWAITING_MSG_PAYLOAD, Parser

log = logging.getLogger("spindle.bus")

_CRLF = b"\r\n"


class SafeClient(Client):
    """A client that no message can silence."""

    def __init__(self) -> None:
        super().__init__()
        self._ps = SafeParser(self)

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
    """Takes the head of a message apart as nats-server makes it; leaves the rest to nats-py."""

    async def parse(self, data: bytes = b"") -> None:
        """Take bytes in, and hand on every message that is complete."""
        self.buf.extend(data)
        while self.buf:
            if self.state == AWAITING_MSG_PAYLOAD:
                if len(self.buf) < self.needed + len(_CRLF):
                    return
                await self._deliver()
            elif self.buf.startswith((b"MSG ", b"HMSG ")):
                if not self._take_head():
                    return
            else:
                before = len(self.buf)
                await self._parse_one_line()
                if len(self.buf) == before:
                    return  # more bytes are needed

    def _take_head(self) -> bool:
        """``[H]MSG <subject> <sid> [reply] [header size] <size>``; False until it is complete."""
        end = self.buf.find(_CRLF)
        if end < 0:
            return False
        kind, subject, sid, *rest = bytes(self.buf[:end]).split(b" ")
        sizes = 2 if kind == b"HMSG" else 1
        try:
            numbers = [int(size) for size in rest[-sizes:]]
            self.msg_arg = {
                "subject": subject,
                "sid": int(sid),
                "reply": rest[0] if len(rest) > sizes else b"",
            }
        except ValueError:
            raise ProtocolError from None
        self.needed = numbers[-1]
        self.header_needed = numbers[0] if sizes == 2 else 0
        del self.buf[: end + len(_CRLF)]
        self.state = AWAITING_MSG_PAYLOAD
        return True

    async def _deliver(self) -> None:
        header_size, size = self.header_needed, self.needed
        headers = bytes(self.buf[:header_size]) or None
        payload = bytes(self.buf[header_size:size])
        del self.buf[: size + len(_CRLF)]
        self.header_needed = 0
        self.state = AWAITING_CONTROL_LINE
        head: dict[str, Any] = self.msg_arg
        await self.nc._process_msg(head["sid"], head["subject"], head["reply"], payload, headers)

    async def _parse_one_line(self) -> None:
        """Give nats-py the next line alone, so that it never meets the head of a message."""
        end = self.buf.find(_CRLF)
        if end < 0:
            return
        buffer = self.buf
        rest = buffer[end + len(_CRLF) :]
        del buffer[end + len(_CRLF) :]
        await super().parse()
        if self.buf is buffer:  # else it connected anew meanwhile
            buffer.extend(rest)
