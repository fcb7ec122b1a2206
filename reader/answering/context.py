"""What a question is, and what its handler works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from nats.aio.client import Client

from reader.answering.params import Params
from reader.answering.replies import Answer
from reader.lookups.examiner import Examiner
from reader.lookups.known.watch_findings import WatchFindings
from reader.settings import ReaderSettings
from spindle.store.base import Store
from spindle.timestamps import NS

__all__ = ["Answer", "Query", "QueryContext"]  # what a question is written with

P = TypeVar("P", bound=Params)


@dataclass(frozen=True, slots=True)
class QueryContext:
    """What a handler works with, at the moment of one question.

    :ivar now_ns: that moment, in nanoseconds since the epoch.
    :ivar examiner: judges the health of devices.
    :ivar watch_findings: the anomalies that the watch knows of.
    :ivar clock_doubt: why ``now_ns`` is not this machine's time, in a sentence; mostly empty.
    """

    store: Store
    nats: Client
    settings: ReaderSettings
    now_ns: int
    examiner: Examiner
    watch_findings: WatchFindings
    clock_doubt: str = ""

    def ago(self, seconds: float) -> int:
        """The time so many seconds ago, in nanoseconds since the epoch."""
        return max(0, self.now_ns - int(seconds * NS))

    @property
    def end_ns(self) -> int:
        """Just after the latest timestamp that is accepted now; devices' clocks may be ahead."""
        return self.settings.latest_ns(self.now_ns) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Query(Generic[P]):
    """One query type, as its file in ``reader/questions`` declares it.

    :ivar description: one sentence.
    :ivar params: the class that its parameters are parsed into.
    :ivar reply: what ``data`` holds, in words, for the manual.
    :ivar example: parameters of a typical question.
    :ivar example_reply: JSON of an answer to it: every key, and one row of each list.
    :ivar needs_store: False where the answer does not come from the store.
    :ivar changes: it changes something: over HTTP it takes a POST, and its answers are not shared.
    """

    name: str
    description: str
    params: type[P]
    reply: str
    example: Mapping[str, Any]
    example_reply: str
    handler: Callable[[QueryContext, P], Awaitable[Answer]]
    needs_store: bool = True
    changes: bool = False
