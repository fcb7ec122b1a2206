"""What the writer's core works with: deliveries, batches, the store's answers, the ledger. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Generic, TypeVar

from spindle.store.base import Written

P = TypeVar("P")

LINGER_SECONDS = 0.1  #: fills a batch under load, and nobody waits noticeably for a reading
HELD_BYTES = 24 * 2**20  #: a few of the largest batches, and little beside a process of Python
MOST_LETTERS = 20  #: of one message; so that a flood does not drive out the letters of others


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is held and how it is written.

    :ivar batch_points: most points in one write.
    :ivar linger: seconds that a point may wait for others.
    :ivar writes: writes under way at once.
    :ivar held_points: most points taken and not yet resolved (one more message may overshoot it).
    :ivar held_bytes: most bytes of messages taken and not yet resolved.
    :ivar lease: seconds after which the broker gives an unacknowledged message to another writer.
    """

    batch_points: int = 20_000
    linger: float = LINGER_SECONDS
    writes: int = 2
    held_points: int = 80_000
    held_bytes: int = HELD_BYTES
    lease: float = 30.0


class Delivery:
    """One message taken from a stream."""

    __slots__ = ("bad", "header", "payload", "points", "redelivered", "reply", "subject")

    def __init__(
        self, subject: str, reply: str, payload: bytes, redelivered: bool, header: bytes = b""
    ) -> None:
        self.subject = subject
        self.reply = reply  #: where to acknowledge
        self.payload = payload
        self.redelivered = redelivered
        self.header = header  #: as it came; its publisher may have numbered the points in it
        self.points = 0  #: good and bad together, as the ledger counts them
        self.bad: Sequence[int] = ()  #: places in the envelope, rising, of what was invalid


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something in a message that can never be stored.

    :ivar index: its place in the envelope; None for the message as a whole.
    :ivar kind: ``invalid`` (the contract), ``refused`` or ``too_large`` (the store).
    :ivar count: how many objects of the envelope it stands for.
    """

    index: int | None
    kind: str
    reason: str
    count: int = 1


def gathered(mistakes: Sequence[Mistake]) -> Sequence[Mistake]:
    """One mistake for each dead letter: of a flood in one message the last stands for the rest."""
    if len(mistakes) <= MOST_LETTERS:
        return mistakes
    first, rest = mistakes[: MOST_LETTERS - 1], mistakes[MOST_LETTERS - 1 :]
    reason = f"{len(rest)} more objects of this message, the first at {rest[0].index}: "
    return [*first, Mistake(None, rest[0].kind, reason + rest[0].reason, len(rest))]


@dataclass(slots=True, eq=False)
class DeadLetter:
    """A dead letter to be published; its batch is not acknowledged before that is done.

    :ivar tried: it was sent before, and may have been kept.
    """

    batch: Batch[object]
    delivery: Delivery
    mistake: Mistake
    tried: bool = False


class Outcome(Enum):
    """What became of a write to the store."""

    STORED = auto()
    LATER = auto()  #: away, overloaded, timed out: it may or may not have been stored
    DENIED = auto()  #: a person has to act; the batch is kept
    REFUSED = auto()  #: at least one point can never be stored
    TOO_LARGE = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """The store's answer to one write.

    :ivar retry_after: seconds that the store asked to wait, with LATER.
    :ivar written: with STORED, what the store says of the points; None where it says nothing.
    """

    outcome: Outcome
    reason: str = ""
    retry_after: float | None = None
    written: Written | None = None


class Batch(Generic[P]):
    """Points on their way to the store, with the deliveries they came in."""

    __slots__ = (
        "count", "deliveries", "expired", "first_at", "forgotten", "leased_at", "letters", "points",
        "ranges", "redelivered", "size", "starts", "writing", "written",
    )  # fmt: skip

    def __init__(self, now: float) -> None:
        self.points: Sequence[P] = []
        self.deliveries: list[Delivery] = []
        self.starts: list[int] = []  #: of each delivery's first point in ``points``
        self.count = 0  #: points of its deliveries, good and bad together
        self.size = 0  #: bytes of the deliveries' payloads
        self.first_at = now
        self.leased_at = now  #: when the broker last heard that we are at it
        self.ranges: list[tuple[int, int]] = []  #: still to be written
        self.writing = 0  #: ranges under way
        self.letters = 0  #: objects whose dead letters are not kept yet
        self.written: list[tuple[int, int, Written]] = []  #: ranges, and what the store said
        self.redelivered = False
        self.expired = False  #: the broker may have given its messages to another writer
        self.forgotten = False  #: out of the ledger; late news of it changes nothing

    @property
    def resolved(self) -> bool:
        """Every point is stored or dead-lettered."""
        return not (self.ranges or self.writing or self.letters)


@dataclass(frozen=True, slots=True, eq=False)
class Write(Generic[P]):
    """One range of a batch for the store to write."""

    batch: Batch[P]
    low: int
    high: int

    @property
    def points(self) -> Sequence[P]:
        """The points of the range."""
        whole = self.low == 0 and self.high == len(self.batch.points)
        return self.batch.points if whole else self.batch.points[self.low : self.high]


@dataclass(frozen=True, slots=True)
class Ledger:
    """Points, not messages. ``duplicates`` of the stored ones had been delivered before."""

    received: int = 0
    stored: int = 0
    duplicates: int = 0
    in_flight: int = 0
    dead_lettered: dict[str, int] = field(default_factory=dict)  #: by kind

    @property
    def adds_up(self) -> bool:
        """received = stored + dead_lettered + in_flight."""
        return self.received == self.stored + sum(self.dead_lettered.values()) + self.in_flight
