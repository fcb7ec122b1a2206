"""What matching works with: passages, and the state of one plate. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Literal

from spindle.models import Status

Kind = Literal["entry", "exit"]
AnomalyKind = Literal["second_entry", "late_entry", "stay_too_long", "no_exit"]
_RANK: dict[Kind, int] = {"entry": 0, "exit": 1}  # in the same instant a vehicle comes, then goes


@dataclass(frozen=True, slots=True)
class Rules:
    """How long the matcher waits, and remembers.

    :ivar reorder_ns: for a passage's partner.
    :ivar settle_ns: a visit, for passages that belong in between.
    :ivar max_stay_ns: longest stay.
    :ivar remember_ns: how long settled passages are remembered.
    """

    reorder_ns: int
    settle_ns: int
    max_stay_ns: int
    remember_ns: int


@dataclass(frozen=True, slots=True)
class Passage:
    """An entry or exit that is not settled.

    :ivar taken_ns: when NATS took it.
    :ivar arrived_ns: when a matcher first recorded it.
    """

    kind: Kind
    id: str
    time_ns: int
    taken_ns: int
    arrived_ns: int
    lot: str | None = None

    @property
    def digest(self) -> str:
        """What makes a passage the same passage: kind, id and time."""
        content = f"{self.kind}\0{self.time_ns}\0{self.id}".encode(errors="replace")
        return blake2b(content, digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Settled:
    """A passage that is over, as it is remembered; ``at_ns`` is when it was settled."""

    kind: Kind
    digest: str
    time_ns: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit to be published.

    :ivar since_ns: from here on, beside deliberate waiting, it took to be published.
    """

    id: str
    lot: str
    status: Status
    entry_ns: int | None
    entry_id: str
    exit_ns: int
    exit_id: str
    since_ns: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """An entry that cannot become a visit: a dead letter to be published."""

    id: str
    kind: AnomalyKind
    entry: Passage
    reason: str


@dataclass(frozen=True, slots=True)
class State:
    """Everything that is remembered of one plate."""

    waiting: tuple[Passage, ...] = ()  #: not settled
    settled: tuple[Settled, ...] = ()
    outbox: tuple[Visit | Anomaly, ...] = ()

    @property
    def line(self) -> list[Passage | Settled]:
        """Every passage in the order of their own times."""
        everything: list[Passage | Settled] = [*self.waiting, *self.settled]
        return sorted(everything, key=lambda one: (one.time_ns, _RANK[one.kind], one.digest))

    @property
    def inside(self) -> Passage | None:
        """The entry of a vehicle that is inside."""
        last = self.line[-1] if self.line else None
        return last if isinstance(last, Passage) and last.kind == "entry" else None

    def without(self, published: Iterable[Visit | Anomaly]) -> State:
        """The state after these items of the outbox were published."""
        gone = {item.id for item in published}
        return replace(self, outbox=tuple(item for item in self.outbox if item.id not in gone))
