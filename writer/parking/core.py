"""Matching exits with entries: the state of one plate, and what follows from it. No I/O, no clock.

A *passage* is one entry or exit. All that is known of a plate is one line of passages in the order
of their own times, however they came in. An exit whose neighbour before it is an open entry is a
visit, at once. What has no partner waits: it may still come, for ``reorder_ns``. Then an exit is
an unmatched visit, and an entry that something later followed is an anomaly. An entry that is the
last of the line is a vehicle inside. Settled passages stay in the line for a while, so that a
repeat is recognised and a late one does not open what is over.

Whatever is decided is put into the state's *outbox* by the same step, to be published from there:
so it is decided once, whoever publishes it, and however often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from spindle import timestamps
from spindle.models import DEFAULT_LOT, visit_id
from spindle.timestamps import NS
from writer.parking.state import Anomaly, AnomalyKind, Passage, Rules, Settled, State, Visit

MOST_REMEMBERED = 1_000  #: settled passages of one plate

_Line = list[Passage | Settled]
_Decision = tuple[Visit | Anomaly, list[Passage]]


@dataclass(frozen=True, slots=True)
class Step:
    """The state that follows from another one.

    :ivar fresh: arrivals that were not known.
    """

    state: State
    fresh: tuple[Passage, ...]


def advance(
    state: State,
    plate: str,
    arrivals: Sequence[Passage],
    now_ns: int,
    recorded_ns: int,
    rules: Rules,
) -> Step:
    """Take arrivals in, and settle what can be settled.

    :param recorded_ns: everything that NATS took until then has been recorded: nothing that was
        to come until then is still on its way. Waiting ends by this time, not by ``now_ns``.
    """
    known = {one.digest for one in state.line}
    fresh = []
    for arrival in arrivals:
        if arrival.digest not in known:
            known.add(arrival.digest)
            fresh.append(arrival)
    line = replace(state, waiting=state.waiting + tuple(fresh)).line
    outbox = _visits(line, plate, recorded_ns, rules)
    over = {passage.digest for _, passages in outbox for passage in passages}
    outbox += _ended(line, over, plate, recorded_ns, rules)
    over |= {passage.digest for _, passages in outbox for passage in passages}
    waiting = tuple(one for one in line if isinstance(one, Passage) and one.digest not in over)
    settled = [
        one if isinstance(one, Settled) else Settled(one.kind, one.digest, one.time_ns, now_ns)
        for one in line
        if isinstance(one, Settled) or one.digest in over
    ]
    items = state.outbox + tuple(item for item, _ in outbox)
    kept = _remembered(settled, now_ns - rules.remember_ns) if fresh or over else state.settled
    return Step(State(waiting, kept, items), tuple(fresh))


def due_ns(state: State, rules: Rules) -> int | None:
    """When, by ``recorded_ns``, the state changes by itself; None for never."""
    line = state.line
    times = []
    for place, one in enumerate(line):
        if isinstance(one, Passage):
            before, after = _at(line, place - 1), _at(line, place + 1)
            if one.kind == "exit":
                pair = _pair(before, one, rules)
                due = _settles_ns(pair, rules) if pair else one.arrived_ns + rules.reorder_ns
                times.append(due)
            elif after is None:
                times.append(one.arrived_ns + rules.max_stay_ns)
            elif _pair(one, after, rules) is None:
                times.append(_followed_due(one, after, rules))
    return min(times, default=None)


def _at(line: _Line, place: int) -> Passage | Settled | None:
    return line[place] if 0 <= place < len(line) else None


def _remembered(settled: list[Settled], since_ns: int) -> tuple[Settled, ...]:
    kept = [one for one in settled if one.at_ns >= since_ns]
    if len(kept) > MOST_REMEMBERED:
        oldest = sorted(kept, key=lambda one: one.at_ns)[: len(kept) - MOST_REMEMBERED]
        gone = {one.digest for one in oldest}
        kept = [one for one in kept if one.digest not in gone]
    return tuple(kept)


def _pair(
    entry: Passage | Settled | None, exit_: Passage | Settled | None, rules: Rules
) -> tuple[Passage, Passage] | None:
    """These two neighbours, if they are a visit."""
    if not (isinstance(entry, Passage) and isinstance(exit_, Passage)):
        return None
    if (entry.kind, exit_.kind) != ("entry", "exit"):
        return None
    return (entry, exit_) if exit_.time_ns - entry.time_ns <= rules.max_stay_ns else None


def _settles_ns(pair: tuple[Passage, Passage], rules: Rules) -> int:
    """When, by ``recorded_ns``, a pair is settled; 0 for at once."""
    return max(one.arrived_ns for one in pair) + rules.settle_ns if rules.settle_ns else 0


def _followed_due(entry: Passage, after: Passage | Settled, rules: Rules) -> int:
    """When an entry that something followed is given up."""
    followed_ns = after.arrived_ns if isinstance(after, Passage) else after.at_ns
    return max(entry.arrived_ns, followed_ns) + rules.reorder_ns


def _visits(line: _Line, plate: str, recorded_ns: int, rules: Rules) -> list[_Decision]:
    """Neighbours that are a visit now."""
    found: list[_Decision] = []
    for neighbours in pairwise(line):
        pair = _pair(*neighbours, rules)
        if pair and _settles_ns(pair, rules) <= recorded_ns:
            found.append((_matched(*pair, plate, rules), list(pair)))
    return found


def _matched(entry: Passage, exit_: Passage, plate: str, rules: Rules) -> Visit:
    return Visit(
        id=visit_id(plate, entry.digest, exit_.digest),
        lot=entry.lot or exit_.lot or DEFAULT_LOT,
        status="matched",
        entry_ns=entry.time_ns,
        entry_id=entry.id,
        exit_ns=exit_.time_ns,
        exit_id=exit_.id,
        since_ns=max(entry.taken_ns, exit_.taken_ns) + rules.settle_ns,
    )


def _ended(
    line: _Line, over: set[str], plate: str, recorded_ns: int, rules: Rules
) -> list[_Decision]:
    """The passages that have waited long enough, with what each ends as."""
    found: list[_Decision] = []
    for place, one in enumerate(line):
        if not isinstance(one, Passage) or one.digest in over:
            continue
        before, after = _at(line, place - 1), _at(line, place + 1)
        if one.kind == "exit":
            late = one.arrived_ns + rules.reorder_ns <= recorded_ns
            if late and _pair(before, one, rules) is None:
                found.append((_unmatched(one, before, after, plate, rules), [one]))
        elif anomaly := _anomaly(one, after, plate, recorded_ns, rules):
            found.append((anomaly, [one]))
    return found


def _unmatched(
    exit_: Passage,
    before: Passage | Settled | None,
    after: Passage | Settled | None,
    plate: str,
    rules: Rules,
) -> Visit:
    if isinstance(before, Passage) and before.kind == "entry":
        reason = f"stay too long: its entry at {_shown(before)} is {_hours(rules)} before"
    elif isinstance(after, Passage) and after.kind == "entry" and _was_there(after, exit_):
        reason = f"exit before its entry: the vehicle came in at {_shown(after)}"
    else:
        reason = f"no entry came within {rules.reorder_ns / NS:g} s (PARKING_REORDER_SECONDS)"
    return Visit(
        id=visit_id(plate, exit_.digest),
        lot=exit_.lot or DEFAULT_LOT,
        status="unmatched",
        entry_ns=None,
        entry_id="",
        exit_ns=exit_.time_ns,
        exit_id=exit_.id,
        since_ns=exit_.arrived_ns + rules.reorder_ns,
        reason=reason,
    )


def _was_there(entry: Passage, exit_: Passage) -> bool:
    return entry.arrived_ns <= exit_.arrived_ns


def _anomaly(
    entry: Passage, after: Passage | Settled | None, plate: str, recorded_ns: int, rules: Rules
) -> Anomaly | None:
    """Why an entry is given up now, if it is."""
    kind: AnomalyKind
    if after is None:
        if entry.arrived_ns + rules.max_stay_ns > recorded_ns:
            return None
        kind, reason = "no_exit", f"no exit came in {_hours(rules)}"
    else:
        if _pair(entry, after, rules):
            return None
        if _followed_due(entry, after, rules) > recorded_ns:
            return None
        kind, reason = _followed(after, rules)
    identity = visit_id(plate, kind, entry.digest)
    return Anomaly(identity, kind, entry, reason)


def _followed(after: Passage | Settled, rules: Rules) -> tuple[AnomalyKind, str]:
    if after.kind == "entry":
        return "second_entry", f"a second entry at {_shown(after)} and no exit in between"
    if isinstance(after, Settled):
        return "late_entry", f"came when an exit at {_shown(after)} was settled without it"
    return "stay_too_long", f"its exit at {_shown(after)} is {_hours(rules)} later"


def _shown(one: Passage | Settled) -> str:
    return timestamps.format_ns(one.time_ns)


def _hours(rules: Rules) -> str:
    return f"more than {rules.max_stay_ns / NS / 3600:g} h (PARKING_MAX_STAY_HOURS)"
