"""A seeded world around the writer's real core: a broker, a store, a clock, and bad luck.

The broker redelivers, reorders and loses acknowledgements; the store answers late, partly, after
it stored, or not at all; a writer may be killed or frozen between any two steps. After every step
the ledger must add up, and nothing may be acknowledged whose points are not stored (or, being bad,
kept as dead letters). After the storm everything must have arrived.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from writer.storing.batch import Answer, DeadLetter, Delivery, Limits, Mistake, Outcome, Write
from writer.storing.core import Core

LEASE = 30.0
BAD_EVERY = 23  # points whose number divides by this are refused by the store
INVALID_EVERY = 19  # ... and by this are refused by the contract

MakeCore = Callable[[Limits, random.Random], Core[int]]


class Violation(AssertionError):
    """Something that must never happen."""


def require(holds: bool, what: str) -> None:
    """:raises Violation: when it does not hold."""
    if not holds:
        raise Violation(what)


@dataclass
class Message:
    """One message of the stream: an envelope of numbered points."""

    sequence: int
    points: list[int]
    deliveries: int = 0
    due_at: float = 0.0  #: the broker delivers it (again) from then on
    acked: bool = False

    @property
    def invalid(self) -> list[int]:
        """Places of the points that the contract refuses."""
        return [i for i, point in enumerate(self.points) if point % INVALID_EVERY == 0]


@dataclass
class Writer:
    """One writer: its core, its writes under way, its dead letters under way."""

    core: Core[int]
    writes: list[Write[int]] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    confirmed: int = 0  #: points whose write the store confirmed to this writer
    letters_kept: int = 0  #: dead letters whose keeping the broker confirmed to it


class World:
    """Everything, from one seed.

    :param make_core: the core under test; a planted bug is a core of its own.
    :param ack_all: the broker takes an acknowledgement for all earlier messages too (a wrong
        consumer policy).
    """

    def __init__(self, seed: int, make_core: MakeCore = Core, ack_all: bool = False) -> None:
        self.rng = random.Random(seed)
        self.now = 0.0
        self.make_core = make_core
        self.ack_all = ack_all
        self.limits = Limits(
            batch_points=self.rng.choice([3, 10, 40]),
            linger=self.rng.choice([0.0, 0.5]),
            writes=self.rng.choice([1, 2, 3]),
            held_points=60,
            held_bytes=10_000,
            lease=LEASE,
        )
        self.largest_body = self.rng.choice([2, 7, 1000, 1000])
        self.messages = self._publish(self.rng.randint(5, 25))
        self.stored: dict[int, int] = {}  # point -> times written
        self.dead: dict[tuple[int, int | None], int] = {}  # (sequence, place) -> times kept
        self.writers = [self._new_writer() for _ in range(self.rng.choice([1, 2]))]

    def _publish(self, count: int) -> list[Message]:
        messages, number = [], 1
        for sequence in range(1, count + 1):
            size = self.rng.choice([1, 1, 1, 2, 5, 12])
            messages.append(Message(sequence, list(range(number, number + size))))
            number += size
        return messages

    def _new_writer(self) -> Writer:
        return Writer(self.make_core(self.limits, random.Random(self.rng.random())))

    # -- the steps ---------------------------------------------------------------------------

    def run(self, steps: int) -> None:
        """A storm of so many steps, then calm until all is quiet."""
        harm = (self.deliver, self.deliver, self.write, self.answer, self.answer, self.acknowledge)
        rare = (self.crash, self.freeze, self.lose_acknowledgements, self.stop)
        for _ in range(steps):
            writer = self.rng.choice(self.writers)
            step = self.rng.choice(rare) if self.rng.random() < 0.06 else self.rng.choice(harm)
            step(writer)
            self.letter(writer)
            self.extend_all()
            self.now += self.rng.expovariate(2.0)
            self.check()
        self.calm()

    def deliver(self, writer: Writer) -> None:
        """The broker hands out what is due, in any order, while the writer has room."""
        waiting = [m for m in self.messages if not m.acked and m.due_at <= self.now]
        self.rng.shuffle(waiting)
        singles: list[tuple[Delivery, int]] = []
        for message in waiting[: self.rng.randint(1, 8)]:
            if writer.core.room() <= len(singles):
                break
            message.deliveries += 1
            message.due_at = self.now + LEASE
            subject = f"$JS.ACK.METRICS.writer.{message.deliveries}.{message.sequence}.1.0.0"
            one = Delivery("events.metrics", subject, b"x" * 10, message.deliveries > 1)
            mistakes = [Mistake(place, "invalid", "bad") for place in message.invalid]
            good = [p for p in message.points if p % INVALID_EVERY]
            if len(good) == 1 and not mistakes and self.rng.random() < 0.8:
                singles.append((one, good[0]))
            else:
                writer.core.take(one, good, mistakes, self.now)
        if singles:
            deliveries, points = zip(*singles, strict=True)
            writer.core.take_each(deliveries, list(points), self.now)

    def write(self, writer: Writer) -> None:
        """The writer begins what is due."""
        while due := writer.core.next_write(self.now):
            require(due.high > due.low, "an empty write")
            writer.writes.append(due)

    def answer(self, writer: Writer, *, kindly: bool = False) -> None:
        """The store answers one of the writes, in any order."""
        if not writer.writes:
            return
        write = writer.writes.pop(self.rng.randrange(len(writer.writes)))
        answer = self._store(list(write.points), kindly)
        if answer.outcome is Outcome.STORED:
            writer.confirmed += write.high - write.low
        writer.core.answer(write, answer, self.now)

    def _store(self, points: list[int], kindly: bool) -> Answer:
        luck = 1.0 if kindly else self.rng.random()
        if luck < 0.1:
            return Answer(Outcome.LATER, "away", self.rng.choice([None, 3.0]))
        if luck < 0.13:
            return Answer(Outcome.DENIED, "token")
        if len(points) > self.largest_body:
            return Answer(Outcome.TOO_LARGE, "413")
        good = [point for point in points if point % BAD_EVERY]
        if len(good) < len(points):
            if self.rng.random() < 0.5:  # 1.x and 3.x keep the good ones, 2.x does not
                self._keep(good)
            return Answer(Outcome.REFUSED, "bad")
        self._keep(good)
        if luck < 0.25:
            return Answer(Outcome.LATER, "stored, and then timed out")
        return Answer(Outcome.STORED)

    def _keep(self, points: list[int]) -> None:
        for point in points:
            self.stored[point] = self.stored.get(point, 0) + 1

    def letter(self, writer: Writer, *, kindly: bool = False) -> None:
        """Dead letters are published; the broker keeps them, or keeps them and does not say so."""
        while letter := writer.core.next_letter():
            writer.letters.append(letter)
        for letter in list(writer.letters):
            luck = 1.0 if kindly else self.rng.random()
            if luck < 0.3:
                continue  # still under way
            writer.letters.remove(letter)
            if luck > 0.4:
                key = (sequence_of(letter.delivery), letter.mistake.index)
                self.dead[key] = self.dead.get(key, 0) + 1
            if luck > 0.5:
                writer.letters_kept += not letter.batch.forgotten
                writer.core.letter_kept(letter)
            else:
                writer.core.letter_failed(letter)

    def acknowledge(self, writer: Writer) -> None:
        """Acknowledgements reach the broker."""
        for one in [each for batch in writer.core.take_settled() for each in batch.deliveries]:
            for message in self._acknowledged_by(one):
                message.acked = True
                self._require_resolved(message)

    def _acknowledged_by(self, one: Delivery) -> list[Message]:
        sequence = sequence_of(one)
        if self.ack_all:
            return [m for m in self.messages if m.sequence <= sequence and m.deliveries]
        return [self.messages[sequence - 1]]

    def _require_resolved(self, message: Message) -> None:
        for place, point in enumerate(message.points):
            bad = point % BAD_EVERY == 0 or point % INVALID_EVERY == 0
            have = (message.sequence, place) in self.dead if bad else point in self.stored
            require(have, f"point {point} of message {message.sequence} acknowledged, not kept")

    def lose_acknowledgements(self, writer: Writer) -> None:
        """They were sent; the broker never heard."""
        writer.core.take_settled()

    def crash(self, writer: Writer) -> None:
        """kill -9; a new one starts with nothing."""
        self.writers[self.writers.index(writer)] = self._new_writer()

    def freeze(self, writer: Writer) -> None:
        """The clock runs on and the writer does not (SIGSTOP), so its lease may pass."""
        self.now += self.rng.choice([5.0, LEASE + 1.0])

    def stop(self, writer: Writer) -> None:
        """A writer stops and returns what it holds; another takes its place."""
        writer.core.drain()
        self.acknowledge(writer)
        for one in writer.core.held_deliveries():
            self.messages[sequence_of(one) - 1].due_at = self.now
        self.crash(writer)

    def extend_all(self) -> None:
        """Every writer says what it still works on; the broker waits for those."""
        for writer in self.writers:
            for one in writer.core.to_extend(self.now):
                self.messages[sequence_of(one) - 1].due_at = self.now + LEASE

    def calm(self) -> None:
        """No more harm: everything must arrive."""
        for _ in range(3000):
            for writer in self.writers:
                self.deliver(writer)
                self.write(writer)
                self.answer(writer, kindly=True)
                self.letter(writer, kindly=True)
                self.acknowledge(writer)
            self.extend_all()
            self.check()
            if all(m.acked for m in self.messages) and all(w.core.idle for w in self.writers):
                break
            self.now += 1.0
        self.check_all_arrived()

    # -- what must hold ----------------------------------------------------------------------

    def check(self) -> None:
        """After every step."""
        for writer in self.writers:
            ledger = writer.core.ledger
            require(ledger.adds_up, f"the ledger does not add up: {ledger}")
            held = sum(one.points for one in writer.core.held_deliveries())
            require(ledger.stored == writer.confirmed, "stored is not what the store confirmed")
            dead = sum(ledger.dead_lettered.values())
            require(dead == writer.letters_kept, "dead_lettered is not what the broker confirmed")
            require(0 <= ledger.in_flight <= held, f"{ledger.in_flight} in flight, {held} held")

    def check_all_arrived(self) -> None:
        """When all is quiet."""
        for message in self.messages:
            require(message.acked, f"message {message.sequence} was never acknowledged")
            self._require_resolved(message)
        for writer in self.writers:
            require(writer.core.ledger.in_flight == 0, "something is in flight for ever")
        good = {p for m in self.messages for p in m.points if p % BAD_EVERY and p % INVALID_EVERY}
        require(set(self.stored) == good, "the store holds what it should not, or misses something")


def sequence_of(one: Delivery) -> int:
    """The message's place in the stream."""
    return int(one.reply.split(".")[5])


def run(seed: int, make_core: MakeCore = Core, *, ack_all: bool = False) -> None:
    """One world from one seed.

    :raises Violation: with what went wrong.
    """
    World(seed, make_core, ack_all).run(steps=60)
