"""The writer's core loses nothing, in any of thousands of worlds; planted bugs are found."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence

import pytest

from tests.simulation.model import Violation, World, run
from writer.storing.batch import Answer, Batch, Delivery, Limits, Mistake, Outcome, Write
from writer.storing.core import Core

SEEDS = int(os.environ.get("SPINDLE_SEEDS", "2000"))
FOUND_WITHIN = 10_000


@pytest.mark.timeout(3600)
def test_nothing_is_lost_and_nothing_is_acknowledged_before_it_is_stored() -> None:
    for seed in range(SEEDS):
        try:
            run(seed)
        except Violation as violation:
            pytest.fail(f"seed {seed}: {violation}")


def test_a_seed_replays_exactly() -> None:
    first, second = World(7), World(7)
    first.run(60)
    second.run(60)
    assert (first.now, first.stored, first.dead) == (second.now, second.stored, second.dead)


class AcknowledgesBeforeStored(Core[int]):
    def take(self, delivery: Delivery, points: Sequence[int], mistakes: object, now: float) -> None:
        super().take(delivery, points, mistakes, now)  # type: ignore[arg-type]
        early: Batch[int] = Batch(now)
        early.deliveries.append(delivery)
        self._settled.append(early)


class LosesARetry(Core[int]):
    def answer(self, write: Write[int], answer: Answer, now: float) -> None:
        super().answer(write, answer, now)
        if answer.outcome is Outcome.LATER and answer.retry_after and write.batch.ranges:
            write.batch.ranges.pop()
            self._in_flight -= write.high - write.low
            self._stored += write.high - write.low
            self._settle(write.batch)


class CountsTwice(Core[int]):
    def _count_stored(self, batch: Batch[int], low: int, high: int) -> None:
        super()._count_stored(batch, low, high)
        if batch.redelivered:
            self._stored += high - low
            self._received += high - low  # so that the sum alone does not show it


class DropsAPartOfABatch(Core[int]):
    def _halve(self, batch: Batch[int], low: int, high: int, answer: Answer) -> None:
        before = len(batch.ranges)
        super()._halve(batch, low, high, answer)
        if len(batch.ranges) == before + 2 and high - low == 3:
            gone = batch.ranges.pop(before)
            self._in_flight -= gone[1] - gone[0]
            self._stored += gone[1] - gone[0]


class NamesTheWrongPoint(Core[int]):
    @staticmethod
    def _index_in_envelope(delivery: Delivery, good: int) -> int:
        return good


PLANTED: dict[str, tuple[type[Core[int]], bool]] = {
    "acknowledge before store": (AcknowledgesBeforeStored, False),
    "acknowledge all": (Core, True),
    "a lost retry": (LosesARetry, False),
    "a double count": (CountsTwice, False),
    "a dropped part of a batch": (DropsAPartOfABatch, False),
    "the wrong point in the dead letter": (NamesTheWrongPoint, False),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug: str) -> None:
    core, ack_all = PLANTED[bug]
    for seed in range(FOUND_WITHIN):
        try:
            run(seed, core, ack_all=ack_all)
        except Violation:
            return
    pytest.fail(f"{bug}: not found within {FOUND_WITHIN} seeds")


def test_the_planted_bugs_are_cores_of_the_same_make() -> None:
    limits = Limits()
    for core, _ in PLANTED.values():
        made = core(limits, random.Random(0))
        made.take(Delivery("s", "r", b"", redelivered=False), [], [Mistake(0, "invalid", "")], 0.0)
        assert made.ledger.received == 1
