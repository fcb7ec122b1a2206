"""A seeded world around the owner: a stream, a lease, a store, several writers, and bad luck.

A writer does one step at a time; between any two it may be killed, or paused for longer than its
lease, and goes on then as if nothing had been. Answers come late, in parts, or after the deed was
done. The stream may be deleted and made anew. No message may be removed by a purge that is neither
in the store nor kept as a dead letter; after the storm everything must have arrived.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.direct_gets.owner import Owner, Piece

LEASE_SECONDS = 10.0
BAD_EVERY = 11  # messages whose number divides by this are refused by the store
MOST_WRITES = 2

MakeOwner = Callable[[], Owner]


class Lost(AssertionError):
    """A message was removed, or left, without having been stored."""


@dataclass
class Writer:
    """One process.

    :ivar owns_until: as far as it knows; a paused one knows nothing of what happened since.
    :ivar purge: what it has decided to purge and not sent yet: life of the stream, sequence.
    """

    owner: Owner
    name: int
    owns_until: float = 0.0
    paused_until: float = 0.0
    purge: tuple[int, int] | None = None


@dataclass
class Stream:
    """One partition. ``life`` counts how often it was made."""

    life: int = 1
    last: int = 0
    messages: dict[int, int] = field(default_factory=dict)  # sequence -> number of the message


class World:
    """Everything, from one seed.

    :param make_owner: the thinking under test; a planted bug is one of its own.
    :param made_anew: somebody deletes the stream now and then; it begins at 1 again.
    :param named: each life of the stream has a name of its own, so that a late purge meets nothing.
    """

    def __init__(
        self,
        seed: int,
        make_owner: MakeOwner = Owner,
        *,
        made_anew: bool = False,
        named: bool = False,
    ) -> None:
        self.rng = random.Random(seed)
        self.make_owner = make_owner
        self.made_anew, self.named = made_anew, named
        self.now = 0.0
        self.stream = Stream()
        self.published = 0
        self.numbers: dict[tuple[int, int], int] = {}  # life, sequence -> number of the message
        self.deleted: set[int] = set()  # with the stream, by whoever deleted it
        self.stored: Counter[int] = Counter()
        self.letters: Counter[int] = Counter()
        self.lease: tuple[int, float] = (0, 0.0)  # holder, until when
        self.named_so_far = 0
        self.writers = [self._new_writer() for _ in range(self.rng.choice([2, 3]))]

    def _new_writer(self) -> Writer:
        self.named_so_far += 1
        return Writer(self.make_owner(), self.named_so_far)

    # -- the steps ---------------------------------------------------------------------------

    def run(self, steps: int = 150) -> None:
        """A storm, then calm until all has arrived."""
        for _ in range(steps):
            self._publish()
            writer = self.rng.choice(self.writers)
            if self.rng.random() < 0.04:
                self.rng.choice([self._kill, self._pause, self._make_anew])(writer)
            elif writer.paused_until <= self.now:
                self._step(writer, kindly=False)
            self.now += self.rng.expovariate(2.0)
        for _ in range(20_000):
            for writer in self.writers:
                if writer.paused_until <= self.now:
                    self._step(writer, kindly=True)
            self.now += 0.5
            if not self.stream.messages:
                break
        self._require_all()

    def _publish(self) -> None:
        for _ in range(self.rng.choice([0, 0, 1, 3])):
            self.published += 1
            self.stream.last += 1
            self.stream.messages[self.stream.last] = self.published
            self.numbers[self.stream.life, self.stream.last] = self.published

    def _kill(self, writer: Writer) -> None:
        self.writers[self.writers.index(writer)] = self._new_writer()

    def _pause(self, writer: Writer) -> None:
        writer.paused_until = self.now + self.rng.choice([1.0, 3 * LEASE_SECONDS])

    def _make_anew(self, _: Writer) -> None:
        if self.made_anew:
            self.deleted |= set(self.stream.messages.values())
            self.stream = Stream(self.stream.life + 1)

    def _step(self, writer: Writer, *, kindly: bool) -> None:
        steps = [self._read, self._write, self._answer, self._letter, self._decide, self._purge]
        steps.append(self._take_lease)
        if writer.owns_until <= self.now:  # a look at the lease is a step too
            self._take_lease(writer, kindly=kindly)
        else:
            self.rng.choice(steps)(writer, kindly=kindly)

    def _take_lease(self, writer: Writer, *, kindly: bool) -> None:  # noqa: ARG002
        """Compare and set, in the bucket: nobody else holds it, or no longer."""
        holder, until = self.lease
        if holder != writer.name and until > self.now:
            return
        if holder != writer.name:  # what it held of before may be another's by now
            writer.owner, writer.purge = self.make_owner(), None
        self.lease = (writer.name, self.now + LEASE_SECONDS)
        writer.owns_until = self.now + LEASE_SECONDS

    def _read(self, writer: Writer, *, kindly: bool) -> None:
        """A batched direct get; another copy of the stream may lag, a message may get lost."""
        owner = writer.owner
        most = min(owner.room, self.rng.choice([1, 3, 5]))
        there = [s for s in sorted(self.stream.messages) if s >= owner.next][: max(0, most)]
        answer = list(zip(there, [0, *there], strict=False))
        if answer and not kindly:
            if self.rng.random() < 0.2:
                answer = answer[: self.rng.randrange(len(answer))]
            if answer and self.rng.random() < 0.2:
                del answer[self.rng.randrange(len(answer))]
        owner.read(self.stream.life, answer)

    def _write(self, writer: Writer, *, kindly: bool) -> None:  # noqa: ARG002
        waiting = [one for one in writer.owner.pieces if not (one.stored or one.writing)]
        under_way = sum(one.writing for one in writer.owner.pieces)
        if waiting and under_way < MOST_WRITES:
            waiting[0].writing = True

    def _answer(self, writer: Writer, *, kindly: bool) -> None:
        """The store answers one of the writes, in any order."""
        under_way = [one for one in writer.owner.pieces if one.writing]
        if not under_way:
            return
        piece = self.rng.choice(under_way)
        piece.writing = False
        luck = 1.0 if kindly else self.rng.random()
        numbers = self._numbers(writer, piece)
        if luck > 0.2:
            self.stored.update(n for n in numbers.values() if n % BAD_EVERY)
        if luck > 0.4:  # else it was away, or stored and then timed out: written again
            piece.stored = True
            piece.bad = {s for s, n in numbers.items() if n % BAD_EVERY == 0}

    def _numbers(self, writer: Writer, piece: Piece) -> dict[int, int]:
        """What the writer has read, whatever has become of the stream meanwhile."""
        return {s: self.numbers[writer.owner.life, s] for s in piece.sequences}

    def _letter(self, writer: Writer, *, kindly: bool) -> None:
        """One dead letter is published; the broker keeps it, and may not say so."""
        for piece in writer.owner.pieces:
            for sequence in list(piece.bad)[:1]:
                luck = 1.0 if kindly else self.rng.random()
                if luck > 0.2:
                    self.letters[self.numbers[writer.owner.life, sequence]] += 1
                if luck > 0.4:
                    piece.bad.discard(sequence)

    def _decide(self, writer: Writer, *, kindly: bool) -> None:  # noqa: ARG002
        if last := writer.owner.purge_to():
            writer.purge = (writer.owner.life, last)

    def _purge(self, writer: Writer, *, kindly: bool) -> None:  # noqa: ARG002
        """``STREAM.PURGE`` has no condition: it removes what lies there, of whichever life."""
        purge, writer.purge = writer.purge, None
        if purge is None or (self.named and purge[0] != self.stream.life):
            return
        for sequence in [s for s in self.stream.messages if s <= purge[1]]:
            self._require_kept(self.stream.messages.pop(sequence))

    # -- what must hold ----------------------------------------------------------------------

    def _require_kept(self, number: int) -> None:
        bad = number % BAD_EVERY == 0
        if not (self.letters[number] if bad else self.stored[number]):
            raise Lost(f"message {number} was purged and is not kept")

    def _require_all(self) -> None:
        for number in range(1, self.published + 1):
            if number not in self.deleted:
                self._require_kept(number)

    @property
    def repeats(self) -> int:
        """Messages stored more than once, which both stores take for one."""
        return sum(times > 1 for times in self.stored.values())
