"""How a publisher numbers its points, and what it says of them. Pure.

Each message carries ``Spindle-Number: <publisher> <first> <count>``: the publisher's points of that
stream are numbered from 0 on, and this message holds ``count`` of them from ``first`` on.
"""

from __future__ import annotations

import platform
import re
from functools import lru_cache
from uuid import uuid4

import orjson

from spindle import subjects
from spindle.ledger.spans import MOST, Span, Spans

_NOT_IN_A_KEY = re.compile(r"[^A-Za-z0-9_-]")
_LINE = f"\r\n{subjects.NUMBER_HEADER}:".encode()
_MOST_POINTS = 10**7  # of one message; no message that NATS takes has so many
_MOST = 2**53  # what is noted of it is JSON; nobody publishes as much


def publisher_name(program: str) -> str:
    """A name that no other process has: program, machine, and something random."""
    machine = _NOT_IN_A_KEY.sub("-", platform.node())[:40] or "unknown"
    return f"{program}-{machine}-{uuid4().hex[:10]}"


def read(header: bytes) -> tuple[str, int, int] | None:
    """``(publisher, first, count)`` of a message's header; None where it does not say so."""
    begin = header.find(_LINE)
    if begin < 0:
        return None
    words = header[begin + len(_LINE) : header.find(b"\r\n", begin + 2)].split()
    try:
        name, first, count = _name(words[0]), int(words[1]), int(words[2])
    except (ValueError, IndexError):
        return None
    good = name and len(words) == 3 and 0 <= first < _MOST and 0 < count <= _MOST_POINTS
    return (name, first, count) if good else None


@lru_cache(maxsize=1_000)
def _name(word: bytes) -> str:
    """A publisher's name; empty where it is none."""
    name = word.decode("ascii", "replace")
    return name if len(name) <= 100 and not _NOT_IN_A_KEY.search(name) else ""


class Claims:
    """What one publisher has had acknowledged, stream by stream.

    :ivar publisher: its name.
    """

    def __init__(self, program: str) -> None:
        self.publisher = publisher_name(program)
        self._next: dict[str, int] = {}
        self._acknowledged: dict[str, Spans] = {}
        self._changed: set[str] = set()

    def number(self, stream: str, points: int) -> int:
        """The number of the first of so many new points."""
        first = self._next.get(stream, 0)
        self._next[stream] = first + points
        return first

    def header(self, first: int, points: int) -> str:
        """What ``subjects.NUMBER_HEADER`` says of a message."""
        return f"{self.publisher} {first} {points}"

    def acknowledged(self, stream: str, first: int, points: int, now_ns: int) -> None:
        """Its stream has the message. Of what was given up, or was there already, say nothing."""
        spans = self._acknowledged.setdefault(stream, Spans())
        spans.add(Span(first, first + points - 1, now_ns, now_ns))
        del spans.runs[: -MOST + 1]  # what is forgotten is not said to be acknowledged
        self._changed.add(stream)

    def news(self) -> list[tuple[str, bytes]]:
        """``(subject, payload)`` of what is new since the last time; for the bucket ``ledger``."""
        changed, self._changed = self._changed, set()
        return [
            (
                subjects.bucket_subject(subjects.LEDGER_BUCKET, claim_key(stream, self.publisher)),
                orjson.dumps(self._acknowledged[stream].plain()),
            )
            for stream in sorted(changed)
        ]


def claim_key(stream: str, publisher: str = "") -> str:
    """The key of what a publisher says; without one what they all begin with."""
    return f"{subjects.LEDGER_CLAIMS}.{stream}.{publisher}"


def record_key(stream: str) -> str:
    """The key of what the writers note."""
    return f"{subjects.LEDGER_RECORDS}.{stream}"
