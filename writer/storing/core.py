"""The writer's thinking: when to take, what a batch is, what to acknowledge. No I/O, no clock.

A *delivery* is one message taken from a stream. Its points go into a *batch*; a batch is written in
*ranges* (at first one, the whole of it). The store's answer decides: stored; later (the range goes
back); refused (the range is halved until the bad point stands alone and becomes a dead letter).
A delivery is acknowledged only when every point of its batch is stored or its dead letter is kept.

The ledger adds up at every moment: ``received = stored + dead_lettered + in_flight``.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Sequence
from typing import Generic, TypeVar

from spindle.service.pauses import Pauses
from writer.storing.batch import (
    Answer,
    Batch,
    DeadLetter,
    Delivery,
    Ledger,
    Limits,
    Mistake,
    Outcome,
    Write,
    gathered,
)

P = TypeVar("P")

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 30.0
OTHERS_STORED_SECONDS = 1.0  #: longest pause while the store takes what other streams hold


class Core(Generic[P]):
    """The state of one stream's writer."""

    def __init__(self, limits: Limits, rng: random.Random) -> None:
        self.limits = limits
        self._batch_points = limits.batch_points  #: shrinks when the store says 413
        self._open: Batch[P] | None = None  #: still filling
        self._closed: list[Batch[P]] = []  #: being written, oldest first
        self._held_points = 0
        self._held_bytes = 0
        self._writing = 0
        self._pauses = Pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, jitter=rng)
        self._paused_until = 0.0  # of our own accord; a write that ends well ends it
        self._told_until = 0.0  # the store asked for it; nothing shortens it
        self._letters: deque[DeadLetter] = deque()
        self._settled: list[Batch[P]] = []  #: to be acknowledged
        self._received = self._stored = self._duplicates = self._in_flight = 0
        self._dead: Counter[str] = Counter()

    # -- taking ------------------------------------------------------------------------------

    def room(self) -> int:
        """How many more points may be taken now."""
        if self._held_bytes >= self.limits.held_bytes:
            return 0
        return max(0, self.limits.held_points - self._held_points)

    def take(
        self, delivery: Delivery, points: Sequence[P], mistakes: Sequence[Mistake], now: float
    ) -> None:
        """Add a delivery with its good points and what is wrong with the others."""
        batch = self._filling(now)
        count = len(points) + sum(mistake.count for mistake in mistakes)
        delivery.points = count
        batch.starts.append(len(batch.points))
        batch.deliveries.append(delivery)
        batch.redelivered |= delivery.redelivered
        self._add(batch, points, count, len(delivery.payload))
        if mistakes:
            delivery.bad = [m.index for m in mistakes if m.index is not None]
            for mistake in gathered(mistakes):
                self._add_letter(batch, delivery, mistake)
        self._close_if_full(batch)

    def take_each(self, deliveries: Sequence[Delivery], points: Sequence[P], now: float) -> None:
        """Add deliveries of one good point each."""
        low = 0
        while low < len(points):
            batch = self._filling(now)
            begin = len(batch.points)
            high = min(len(points), low + max(1, self._batch_points - begin))
            some = deliveries[low:high]
            for delivery in some:
                delivery.points = 1
                batch.redelivered |= delivery.redelivered
            batch.starts += range(begin, begin + len(some))
            batch.deliveries += some
            size = sum([len(delivery.payload) for delivery in some])
            self._add(batch, points[low:high], len(some), size)
            self._close_if_full(batch)
            low = high

    def _filling(self, now: float) -> Batch[P]:
        if self._open is None:
            self._open = Batch(now)
        return self._open

    def _add(self, batch: Batch[P], points: Sequence[P], count: int, size: int) -> None:
        if not batch.points:
            batch.points = points[:]  # of the kind that the first ones come in: columns, usually
        else:
            batch.points += points  # type: ignore[operator]  # lists do grow, and columns
        batch.count += count
        batch.size += size
        self._received += count
        self._in_flight += count
        self._held_points += count
        self._held_bytes += size

    def _close_if_full(self, batch: Batch[P]) -> None:
        if len(batch.points) >= self._batch_points or batch.size >= self.limits.held_bytes // 2:
            self._close()

    def _close(self) -> None:
        batch = self._open
        if batch is None:
            return
        self._open = None
        if batch.points:
            batch.ranges.append((0, len(batch.points)))
        self._closed.append(batch)
        self._settle(batch)

    # -- writing -----------------------------------------------------------------------------

    def next_write(self, now: float) -> Write[P] | None:
        """The next range for the store, or None: nothing is due, or enough is under way."""
        if self._open is not None and now >= self._open.first_at + self.limits.linger:
            self._close()
        if self._writing >= self.limits.writes or now < self._may_write_at:
            return None
        self._expire(now)
        self._forget_expired()
        for batch in self._closed:
            if batch.ranges:
                low, high = batch.ranges.pop()
                batch.writing += 1
                self._writing += 1
                return Write(batch, low, high)
        return None

    def answer(self, write: Write[P], answer: Answer, now: float) -> None:
        """Take the store's answer to a write."""
        batch, low, high = write.batch, write.low, write.high
        batch.writing -= 1
        self._writing -= 1
        if answer.outcome is Outcome.STORED:
            self._resume()
            self._count_stored(batch, low, high)
            if answer.written is not None:
                batch.written.append((low, high, answer.written))
        elif answer.outcome in {Outcome.LATER, Outcome.DENIED}:
            batch.ranges.append((low, high))
            self._pause(answer, now)
        else:
            self._resume()
            self._halve(batch, low, high, answer)
        self._settle(batch)

    def _count_stored(self, batch: Batch[P], low: int, high: int) -> None:
        self._stored += high - low
        self._in_flight -= high - low
        if batch.redelivered:
            ends = [*batch.starts[1:], len(batch.points)]
            for delivery, start, end in zip(batch.deliveries, batch.starts, ends, strict=True):
                if delivery.redelivered:
                    self._duplicates += max(0, min(end, high) - max(start, low))

    def _halve(self, batch: Batch[P], low: int, high: int, answer: Answer) -> None:
        if answer.outcome is Outcome.TOO_LARGE:
            self._batch_points = min(self._batch_points, max(1, (high - low) // 2))
        if high - low > 1:
            middle = (low + high) // 2
            batch.ranges += [(middle, high), (low, middle)]
            return
        kind = "too_large" if answer.outcome is Outcome.TOO_LARGE else "refused"
        # Of deliveries that begin at the same place (the others brought no good point) the last.
        place = bisect_right(batch.starts, low) - 1
        delivery = batch.deliveries[place]
        index = self._index_in_envelope(delivery, low - batch.starts[place])
        self._add_letter(batch, delivery, Mistake(index, kind, answer.reason))

    @staticmethod
    def _index_in_envelope(delivery: Delivery, good: int) -> int:
        """The place in the envelope of its ``good``-th good point."""
        for bad in delivery.bad:
            if bad > good:
                break
            good += 1
        return good

    def _pause(self, answer: Answer, now: float) -> None:
        self._paused_until = max(self._paused_until, now + self._pauses.next())
        self._told_until = max(self._told_until, now + (answer.retry_after or 0.0))

    def others_stored(self, now: float) -> bool:
        """A write of another stream ended well, so the store is back: whether that shortens a
        pause of ours. What the store asked for itself is kept to."""
        before, self._paused_until = (
            self._paused_until,
            min(self._paused_until, now + OTHERS_STORED_SECONDS),
        )
        return self._paused_until < before

    @property
    def _may_write_at(self) -> float:
        return max(self._paused_until, self._told_until)

    def _resume(self) -> None:
        self._pauses.reset()
        self._paused_until = 0.0

    # -- dead letters ------------------------------------------------------------------------

    def _add_letter(self, batch: Batch[P], delivery: Delivery, mistake: Mistake) -> None:
        batch.letters += mistake.count
        self._letters.append(DeadLetter(batch, delivery, mistake))  # type: ignore[arg-type]

    def next_letter(self) -> DeadLetter | None:
        """The next dead letter to be published, or None."""
        return self._letters.popleft() if self._letters else None

    def letter_kept(self, letter: DeadLetter, *, duplicate: bool = False) -> None:
        """The broker has the dead letter.

        :param duplicate: it had it already. Where we had not sent it before, another writer did,
            in whose ledger it is; then its points count as never received here.
        """
        if letter.batch.forgotten:
            return
        count = letter.mistake.count
        letter.batch.letters -= count
        self._in_flight -= count
        if duplicate and not letter.tried:
            self._received -= count
        else:
            self._dead[letter.mistake.kind] += count
        self._settle(letter.batch)  # type: ignore[arg-type]

    def letter_failed(self, letter: DeadLetter) -> None:
        """The broker may not have the dead letter: it is published again."""
        letter.tried = True
        if not letter.batch.forgotten:
            self._letters.append(letter)

    # -- acknowledging -----------------------------------------------------------------------

    def _settle(self, batch: Batch[P]) -> None:
        if batch is self._open or not batch.resolved or batch not in self._closed:
            return
        self._closed.remove(batch)
        self._release(batch)
        self._settled.append(batch)

    def _release(self, batch: Batch[P]) -> None:
        self._held_bytes -= batch.size
        self._held_points -= batch.count

    def take_settled(self) -> list[Batch[P]]:
        """Batches whose deliveries are to be acknowledged now; each is handed out once."""
        settled, self._settled = self._settled, []
        return settled

    def to_extend(self, now: float) -> list[Delivery]:
        """Deliveries of which the broker must hear that they are still in hand."""
        self._expire(now)
        waiting = []
        for batch in self._held():
            if not batch.expired and now - batch.leased_at >= self.limits.lease / 3:
                batch.leased_at = now
                waiting += batch.deliveries
        return waiting

    def _held(self) -> list[Batch[P]]:
        return self._closed if self._open is None else [*self._closed, self._open]

    def _expire(self, now: float) -> None:
        """Notice what the broker has given to another writer meanwhile (we were frozen, say)."""
        for batch in self._held():
            if now - batch.leased_at > self.limits.lease:
                batch.expired = True

    def _forget_expired(self) -> None:
        if self._open is not None and self._open.expired:
            self._close()
        for batch in list(self._closed):
            if batch.expired and not batch.writing:
                self._forget(batch)

    def _forget(self, batch: Batch[P]) -> None:
        """Take the batch's unresolved points out of the ledger: they are received again."""
        batch.forgotten = True
        unresolved = sum(high - low for low, high in batch.ranges) + batch.letters
        self._letters = deque(letter for letter in self._letters if letter.batch is not batch)
        self._received -= unresolved
        self._in_flight -= unresolved
        self._closed.remove(batch)
        self._release(batch)

    # -- telling -----------------------------------------------------------------------------

    def drain(self) -> None:
        """Write what is held without waiting for more."""
        self._close()

    @property
    def idle(self) -> bool:
        """Whether no point is held and every settled batch was taken: the writer may stop."""
        return self._open is None and not self._closed and not self._settled

    def held_deliveries(self) -> list[Delivery]:
        """Everything taken and not acknowledged: to be returned when the writer stops."""
        return [delivery for batch in self._held() for delivery in batch.deliveries]

    def wake_at(self) -> float | None:
        """When something becomes due by itself, or None."""
        third = self.limits.lease / 3
        times = [batch.leased_at + third for batch in self._held() if not batch.expired]
        if self._open is not None:
            times.append(self._open.first_at + self.limits.linger)
        if self._writing < self.limits.writes and any(batch.ranges for batch in self._closed):
            times.append(self._may_write_at)
        return min(times, default=None)

    @property
    def ledger(self) -> Ledger:
        """The counts of points up to now."""
        return Ledger(
            self._received, self._stored, self._duplicates, self._in_flight, dict(self._dead)
        )
