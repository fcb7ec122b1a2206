"""NATS's client protocol as far as messages go: bytes in, messages out. Pure.

nats-server divides a line at single spaces and at line ends only, and so does this. What stands in
a subject, a header or a payload is handed on as it is: whoever receives it judges it.
Source: https://docs.nats.io/reference/reference-protocols/nats-protocol
"""

from __future__ import annotations

from collections.abc import Sequence

#: Subscription number, subject, reply subject (or nothing), header (or nothing), payload.
#: A plain tuple: a class takes several times as long to make.
Message = tuple[int, bytes, bytes, bytes, bytes]

#: The next line is complete and is no message.
OTHER_LINE = -1

_CRLF = b"\r\n"


def take(data: bytes) -> tuple[list[Message], int, int]:
    """Take the complete messages at the beginning of the bytes received.

    :returns: the messages; how many bytes they are; and how many bytes the next message has in
        all, as far as that is known (1: more than there is), or ``OTHER_LINE``.
    :raises ValueError: the head of a message is none that nats-server sends.
    """
    found: list[Message] = []
    at, size = 0, len(data)
    while True:
        end = data.find(_CRLF, at)
        if end < 0:
            return found, at, size - at + 1
        head = data[at:end].split(b" ")
        begin = end + 2
        header_end = begin
        if head[0] == b"MSG":
            if len(head) == 5:
                _, subject, sid, reply, length = head
            else:
                _, subject, sid, length = head
                reply = b""
        elif head[0] == b"HMSG":
            if len(head) == 6:
                _, subject, sid, reply, header_length, length = head
            else:
                _, subject, sid, header_length, length = head
                reply = b""
            header_end += int(header_length)
        else:
            return found, at, OTHER_LINE
        end = begin + int(length)
        if not begin <= header_end <= end:
            raise ValueError("a message's sizes do not fit each other")
        if end + 2 > size:
            return found, at, end + 2 - at
        header = data[begin:header_end]
        found.append((int(sid), subject, reply, header, data[header_end:end]))
        at = end + 2


def publish(subjects: Sequence[str], payload: bytes) -> bytes:
    """The same payload to each subject, in one piece to be sent."""
    between = f" {len(payload)}\r\n".encode() + payload + b"\r\nPUB "
    lines = between.join([subject.encode() for subject in subjects])
    return b"PUB " + lines + between.removesuffix(b"PUB ") if subjects else b""


def status(header: bytes) -> tuple[str, dict[str, str]]:
    """The status and the fields of a header that the server itself wrote.

    ``NATS/1.0 409 Consumer Deleted`` gives 409, and a field ``Description`` for the rest.
    """
    first, *lines = header.decode(errors="backslashreplace").split("\r\n")
    _, _, said = first.partition(" ")
    code, _, description = said.strip().partition(" ")
    fields = {"Description": description} if description else {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            fields[name.strip()] = value.strip()
    return code, fields
