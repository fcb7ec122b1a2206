"""What a question is: where its answer comes from, what the answer is, and how it is declared."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from nats.aio.client import Client

from reader.answering import params
from reader.lookups.examiner import Examiner
from reader.settings import ReaderSettings
from spindle.store.base import Store
from spindle.timestamps import NS

P = TypeVar("P", bound=params.Params)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where answers come from, at the moment of one question.

    :ivar examiner: judges health.
    """

    store: Store
    nats: Client
    settings: ReaderSettings
    now_ns: int
    examiner: Examiner

    def ago(self, seconds: float) -> int:
        """So many seconds ago, in nanoseconds since the epoch."""
        return max(0, self.now_ns - int(seconds * NS))

    @property
    def end_ns(self) -> int:
        """Past the latest timestamp that is accepted now: clocks differ."""
        return self.now_ns + int(self.settings.max_future_seconds * NS) + 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found.

    :ivar data: a list or an object, always the same of the two for one query type.
    :ivar beside: what the reply carries beside ``data``.
    :ivar truncated: the list goes on where ``data`` ends.
    """

    data: list[dict[str, Any]] | dict[str, Any]
    beside: Mapping[str, Any] = field(default_factory=dict)
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Query(Generic[P]):
    """One query type.

    :ivar description: one sentence.
    :ivar reply: what ``data`` is, for the manual.
    :ivar example: params of a typical question.
    :ivar needs_store: False where the store plays no part in the answer.
    """

    name: str
    description: str
    params: type[P]
    reply: str
    example: Mapping[str, Any]
    handler: Callable[[Sources, P], Awaitable[Answer]]
    needs_store: bool = True
