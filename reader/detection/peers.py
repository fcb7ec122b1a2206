"""A device beside its peers: the ones of the same class in the same array, or on the same host.

A fail-slow disk answers correctly, within every threshold, and takes one and a half to three
times as long as its neighbours do for the same work. Load moves all of them together, so the ratio
to their median says what a threshold cannot (PERSEUS: Lu et al., FAST '23, compare the drives of a
node so, and also demand that it lasts). Pure: values and times in.

* The ratio is to the median of the *other* members, so that the ailing one does not weigh in.
* Each device is measured against its own usual ratio: a slower model, a busier slot are no news.
  The usual begins at 1, so a disk that is slow from its first day is named too, until it is known.
  What is named does not become the measure: a disk that stays slow stays named, and what had been
  learnt of it since it began to be is taken back (``peer_member``).
* A device whose load is well above its peers' at that moment is not judged by that moment: neither
  by operations nor by bytes. One that is busier than it usually is may be slower by as much.
* Where more than a third of a group stands out, it is the group that has changed: nobody is named.
* Fewer than two peers make no median: an array of two disks gets no verdict.

Feed it one value a minute or so: means are better than moments, and what is a tenth of a second
away is the same moment again, not another witness.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, fields
from math import inf, log
from statistics import median

from reader.detection import wording
from reader.detection.peer_member import EVIDENCE, Member
from spindle import catalog
from spindle.timestamps import duration

FACTORS: Mapping[str, float] = {
    metric.name: metric.peer_factor for metric in catalog.METRICS.values() if metric.peer_factor
}
"""Metrics that are compared among peers, with the factor of the peers' median that slot, load and
model may explain."""

LEAST_PEERS = 2
"""Peers without whom there is no median to speak of."""

LEAST, MOST = 1e-100, 1e100
"""Between these a ratio of two values is a number, and its logarithm too."""

COUNTED = ("BytesRead", "BytesWritten")
"""Loads that some devices send as a rate, and others as a counter."""

LOADS = ("IOPs", "ReadBytes", "WriteBytes", "Throughput", *COUNTED)
"""Metrics that say how busy a device is; also such as are not in the catalogue."""

LEARNT = ("readings", "usual", "square")
"""What is learnt of a member, as ``Member.before`` has it."""

HIGH_LOAD = 1.5
"""Times its peers' load from which what a device says is its load's doing."""

QUEUED = ("Latency",)
"""Metrics in which a device that is busier than usual is allowed as much more: where half of a
disk's time is taken, how long a request waits grows in proportion to the load."""


@dataclass(frozen=True, slots=True)
class PeerReason:
    """Why a device stands out among its peers.

    :ivar ratio: its value over the median of its peers', the geometric mean since ``since``.
    :ivar peers: how many of them there are.
    :ivar since: time of the first reading of the run, or of those that are worse.
    :ivar score: 0.5..1, as an alarm of the detector has it.
    :ivar text: one sentence.
    :ivar worse: it stood out before ``since`` too, and has become much worse.
    """

    device_id: str
    metric_type: str
    ratio: float
    peers: int
    since: float
    score: float
    text: str
    worse: bool = False


_STATE = tuple(field.name for field in fields(Member))


class PeerGroup:
    """One metric of the members of one group; see the module.

    State: some 700 bytes a member at most.

    :param metric_type: one of ``FACTORS``.
    """

    def __init__(self, metric_type: str) -> None:
        self.metric_type = metric_type
        self._allowance = log(FACTORS[metric_type])
        self._members: dict[str, Member] = {}

    def update(
        self, timestamp: float, values: Mapping[str, float], load: Mapping[str, float] | None = None
    ) -> dict[str, PeerReason]:
        """Take one reading of each member that has one.

        :param timestamp: seconds since the epoch.
        :param values: by device; what is not between ``LEAST`` and ``MOST`` is no reading.
        :param load: by device, in any unit, as ``busyness`` makes it; None where it is not known.
        :returns: the members that stand out now, by device.
        """
        given = {device: value for device, value in values.items() if LEAST < value < MOST}
        ordered = sorted(given.values())
        if len(ordered) <= LEAST_PEERS:
            return self._named(timestamp)
        busy = {device: load.get(device, 0.0) for device in given} if load else {}
        loads = sorted(busy.values())
        for device, value in given.items():
            busier = _times_the_others(loads, busy[device]) if busy else 1.0
            if busier > HIGH_LOAD:
                continue
            member = self._members.setdefault(device, Member(self._allowance))
            ratio = log(value / _median_of_others(ordered, value))
            queued = log(busier) if busier > 1.0 and self.metric_type in QUEUED else 0.0
            member.take(timestamp, ratio, queued)
        self._excuse_all_if_many(given)
        return self._named(timestamp)

    def _excuse_all_if_many(self, given: Mapping[str, float]) -> None:
        members = [m for device in given if (m := self._members.get(device)) is not None]
        suspects = sum(member.is_suspect for member in members)
        if suspects > max(1, len(given) // 3):
            for member in members:
                member.excuse()

    def _named(self, timestamp: float) -> dict[str, PeerReason]:
        """Devices that stand out, also without a reading now: silence makes nobody well."""
        peers = len(self._members) - 1
        return {
            device: self._reason(device, member, timestamp, peers)
            for device, member in self._members.items()
            if member.slow
        }

    def _reason(self, device: str, member: Member, now: float, peers: int) -> PeerReason:
        ratio = member.ratio
        evidence = EVIDENCE * member.run / member.limit
        text = (
            f"{self.metric_type} {in_words(ratio)} that of its {peers} peers "
            f"for {duration(now - member.since)}"
        )
        if member.worse_than:
            then, before = member.worse_than
            text += f"; {wording.worse_ratio(in_words(before), then, member.since)}"
        score = max(0.5, evidence / (evidence + EVIDENCE))
        worse = bool(member.worse_than)
        return PeerReason(device, self.metric_type, ratio, peers, member.since, score, text, worse)

    def keep_only(self, devices: Container[str]) -> None:
        """Drop the state of every device that is not among these: it has left the group."""
        for device in [each for each in self._members if each not in devices]:
            self.drop(device)

    def drop(self, device: str) -> None:
        """Drop the state of a device: it has left, or is another by the same name."""
        self._members.pop(device, None)

    @property
    def is_empty(self) -> bool:
        """Whether there is no state of any device, so that the group can be dropped."""
        return not self._members

    def to_dict(self) -> dict[str, dict[str, float]]:
        """The whole state, fit for JSON."""
        return {  # asdict would take eight times as long
            device: {name: getattr(member, name) for name in _STATE}
            for device, member in self._members.items()
        }

    @classmethod
    def from_dict(cls, metric_type: str, state: Mapping[str, Mapping[str, float]]) -> PeerGroup:
        """A group in the state of ``to_dict``.

        Of a member as an older version kept it, what was learnt stays; one that lacks even that
        begins anew.
        """
        group = cls(metric_type)
        for device, member in state.items():
            if {"allowance", *LEARNT} <= set(member) <= set(_STATE):
                known = {"before": [member[name] for name in LEARNT], **member}
                group._members[device] = Member(**known)  # type: ignore[arg-type]
        return group


def busyness(loads: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """By device, the largest of its loads, each as a share of what its median peer has.

    :param loads: by device, one mapping for each way of being busy; a way in which most devices
        are not busy at all tells nothing.
    """
    found: dict[str, float] = {}
    for load in loads:
        usual = median(load.values()) if load else 0.0
        if usual > 0.0:
            for device, value in load.items():
                found[device] = max(found.get(device, 0.0), value / usual)
    return found


def _times_the_others(ordered: list[float], value: float) -> float:
    """How many times the median of the others a load is."""
    others = _median_of_others(ordered, value)
    if others > 0.0:
        return value / others
    return inf if value > 0.0 else 1.0


def _median_of_others(ordered: list[float], value: float) -> float:
    """The median of sorted values without one of them."""
    gone, rest = bisect_left(ordered, value), len(ordered) - 1
    high = ordered[rest // 2 + (rest // 2 >= gone)]
    if rest % 2:
        return high
    low = rest // 2 - 1
    return 0.5 * (ordered[low + (low >= gone)] + high)


def in_words(ratio: float) -> str:
    """A ratio as people say it: ``twice``, ``three times``, ``1.6 times``."""
    near = {2: "twice", 3: "three times", 4: "four times"}
    whole = round(ratio)
    if whole in near and abs(ratio - whole) <= 0.05 * whole:
        return near[whole]
    return f"{ratio:.2g} times" if ratio < 10 else f"{ratio:.0f} times"
