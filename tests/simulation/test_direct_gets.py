"""The trial of one owner that reads by direct gets and purges: what holds, and what does not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from benchmarks.direct_gets.owner import Owner
from benchmarks.direct_gets.world import Lost, MakeOwner, World

SEEDS = 100


def lost(make_owner: MakeOwner = Owner, *, made_anew: bool = False, named: bool = False) -> int:
    """In how many worlds a message is lost."""
    count = 0
    for seed in range(SEEDS):
        try:
            World(seed, make_owner, made_anew=made_anew, named=named).run()
        except Lost:
            count += 1
    return count


def test_an_owner_that_purges_only_what_it_stored_itself_loses_nothing() -> None:
    """However it is killed or paused: the lease saves work, and nothing hangs on it."""
    assert lost() == 0


def test_a_late_purge_of_a_stream_made_anew_loses_what_nobody_stored() -> None:
    """A purge has no condition; so an owner that was paused removes the new stream's messages."""
    assert lost(made_anew=True) > 0


def test_no_late_purge_meets_a_stream_whose_name_is_of_its_life() -> None:
    assert lost(made_anew=True, named=True) == 0


class PurgesTheNewestStored(Owner):
    def purge_to(self) -> int:
        done = [piece for piece in self.pieces if piece.done]
        self.pieces = [piece for piece in self.pieces if not piece.done]
        return max((piece.sequences[-1] for piece in done), default=0)


class PurgesBeforeTheLetterIsKept(Owner):
    def purge_to(self) -> int:
        for piece in self.pieces:
            if piece.stored:
                piece.bad.clear()
        return super().purge_to()


class TrustsEveryAnswer(Owner):
    def read(self, life: int, answer: Sequence[tuple[int, int]]) -> None:
        before, closed = 0, []
        for sequence, _ in answer:
            closed.append((sequence, before))
            before = sequence
        super().read(life, closed)


@pytest.mark.parametrize(
    "wrong", [PurgesTheNewestStored, PurgesBeforeTheLetterIsKept, TrustsEveryAnswer]
)
def test_planted_bugs_are_found(wrong: type[Owner]) -> None:
    assert lost(wrong) > 0


def test_a_seed_replays_exactly() -> None:
    first, second = World(7), World(7)
    first.run()
    second.run()
    assert (first.now, first.stored, first.letters) == (second.now, second.stored, second.letters)
