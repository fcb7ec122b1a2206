"""What the owner of a partition thinks: what to read, what to store, what to purge. Pure.

It reads on from where it stands, in order, stores pieces at once or one after the other, and
purges up to the last sequence before which everything that it has read is stored, or is kept as a
dead letter. It purges nothing else, whoever owns the partition by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

HELD = 12  #: messages read and not yet dealt with


@dataclass(eq=False)
class Piece:
    """Messages that are stored together.

    :ivar sequences: of the messages, rising.
    :ivar writing: its write is under way.
    :ivar stored: every good message of it is in the store.
    :ivar bad: sequences whose dead letters are not kept yet.
    """

    sequences: Sequence[int]
    writing: bool = False
    stored: bool = False
    bad: set[int] = field(default_factory=set)

    @property
    def done(self) -> bool:
        """Nothing of it needs the stream any more."""
        return self.stored and not self.bad


class Owner:
    """One writer's part, from when it took the lease until it loses it or dies."""

    def __init__(self) -> None:
        self.life = 0  #: of the stream that is read; a stream made anew is another one
        self.next = 1  #: the sequence to read from
        self.pieces: list[Piece] = []  #: in the stream's order

    @property
    def room(self) -> int:
        """How many messages may be read now."""
        return HELD - sum(len(piece.sequences) for piece in self.pieces)

    def read(self, life: int, answer: Sequence[tuple[int, int]]) -> None:
        """Take what a batched direct get brought.

        :param life: when the stream that answered was made.
        :param answer: each message's sequence, and that of the one before it in the answer or 0,
            as the server says (``Nats-Last-Sequence``): where they do not fit, something between
            them was lost on the way, and what follows is read again.
        """
        if life != self.life:
            self.life, self.next, self.pieces = life, 1, []
            return
        whole: list[int] = []
        before = 0
        for sequence, last in answer:
            if last != before or sequence < self.next:
                break
            whole.append(sequence)
            before = sequence
        if whole:
            self.pieces.append(Piece(whole))
            self.next = whole[-1] + 1

    def purge_to(self) -> int:
        """Everything up to this sequence may go; 0: nothing. Forgets the pieces."""
        last = 0
        while self.pieces and self.pieces[0].done:
            last = self.pieces.pop(0).sequences[-1]
        return last
