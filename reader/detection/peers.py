"""A device beside its peers: the ones of the same class in the same array, or on the same host.

A fail-slow disk answers correctly, within every threshold, and takes one and a half to three
times as long as its neighbours do for the same work. Load moves all of them together, so the ratio
to their median says what a threshold cannot (PERSEUS: Lu et al., FAST '23, compare the drives of a
node so, and also demand that it lasts). Pure: values and times in.

* The ratio is to the median of the *other* members, so that the ailing one does not weigh in.
* Each device is measured against its own usual ratio: a slower model, a busier slot are no news.
  The usual begins at 1, so a disk that is slow from its first day is named too, until it is known.
  What is named does not become the measure: a disk that stays slow stays named.
* A device whose load is well above its peers' at that moment is not judged by that moment: neither
  by operations nor by bytes.
* Where more than a third of a group stands out, it is the group that has changed: nobody is named.
* Fewer than two peers make no median: an array of two disks gets no verdict.

Feed it one value a minute or so: means are better than moments, and what is a tenth of a second
away is the same moment again, not another witness.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, fields
from math import exp, inf, log
from statistics import median

from spindle import catalog
from spindle.timestamps import duration

FACTORS: Mapping[str, float] = {
    metric.name: metric.peer_factor for metric in catalog.METRICS.values() if metric.peer_factor
}
"""Metrics that are compared among peers, with the factor of the peers' median that slot, load and
model may explain."""

LEAST_PEERS = 2
"""Peers without whom there is no median to speak of."""

CLIP = 2.6
"""Most that one reading may say, in allowances (of 1.3: twice the usual): one very slow answer is a
spike, not a slow disk."""

EVIDENCE = 25.0
"""Nats at which chance is ruled out, as for surges in ``reader.detection``."""

LEAST_RUN = 10
"""Readings that a run lasts at least."""

PRIOR = 120
"""Readings that weigh as much as the belief that a new device is like its peers."""

KNOWN = 720
"""Readings after which a device is known: its usual is not moved by what it is named for."""

STILL = 0.5
"""Of the allowance, while a device is named: a ratio that hovers about the allowance does not end
it, one that is back does."""

LOADS = ("IOPs", "ReadBytes", "WriteBytes")
"""Metrics that say how busy a device is."""

MEMORY = 7 * 1440
"""Readings over which a device's usual ratio is learnt: a week at one a minute."""

SPREAD = 0.3
"""Standard deviation of a reading's log ratio that is believed before it is known."""

HIGH_LOAD = 1.5
"""Times its peers' load from which what a device says is its load's doing."""


@dataclass(slots=True)
class _Member:
    """The state of one device; all ratios are logarithms.

    :ivar allowance: beyond the usual; negative where less is worse.
    :ivar usual: its ratio in the long run.
    :ivar square: of a reading's distance from that.
    :ivar run: sum of what readings had beyond usual and allowance the bad way, never below 0.
    :ivar total: of the readings since ``run`` was last 0, of which there were ``count``.
    :ivar since: time of the first of those.
    :ivar slow: it is named at present.
    """

    allowance: float
    readings: int = 0
    usual: float = 0.0
    square: float = SPREAD**2
    run: float = 0.0
    total: float = 0.0
    count: int = 0
    since: float = 0.0
    slow: bool = False

    @property
    def limit(self) -> float:
        """Chance brings a run to x with probability exp(-2 x allowance / variance) at most."""
        return EVIDENCE * self.square / (2.0 * abs(self.allowance))

    def take(self, timestamp: float, ratio: float) -> None:
        most = CLIP * abs(self.allowance)
        beyond = max(-most, min(most, ratio - self.usual))
        worse = beyond if self.allowance > 0.0 else -beyond
        if self.run == 0.0:
            self.total, self.count, self.since = 0.0, 0, timestamp
        self.total += ratio
        self.count += 1
        allowed = abs(self.allowance) * (STILL if self.slow else 1.0)
        self.run = max(0.0, min(self.run + worse - allowed, 1.5 * self.limit))
        if not self.slow or self.readings < KNOWN:
            self.readings += 1
            weight = 1.0 / min(self.readings + PRIOR, MEMORY)
            self.usual += weight * beyond
            if not self.slow:  # what is unusual does not become the measure of the usual
                self.square += weight * (beyond * beyond - self.square)
        enter = self.run >= self.limit and self.count >= LEAST_RUN
        self.slow = enter or (self.slow and self.run >= 0.5 * self.limit)

    def excuse(self) -> None:
        """Drop the run: the whole group has changed. A new device keeps its ratio as its usual.

        What was named long before the group changed stays named.
        """
        if self.slow and self.count > PRIOR:
            return
        if self.readings <= PRIOR and self.count:
            self.usual = self.total / self.count
        self.run, self.slow = 0.0, False


@dataclass(frozen=True, slots=True)
class PeerReason:
    """Why a device stands out among its peers.

    :ivar ratio: its value over the median of its peers', the geometric mean since ``since``.
    :ivar peers: how many of them there are.
    :ivar since: time of the first reading of the run.
    :ivar score: 0.5..1, as an alarm of the detector has it.
    :ivar text: one sentence.
    """

    device_id: str
    metric_type: str
    ratio: float
    peers: int
    since: float
    score: float
    text: str


_STATE = tuple(field.name for field in fields(_Member))


class PeerGroup:
    """One metric of the members of one group; see the module. State: some 100 bytes a member.

    :param metric_type: one of ``FACTORS``.
    """

    def __init__(self, metric_type: str) -> None:
        self.metric_type = metric_type
        self._allowance = log(FACTORS[metric_type])
        self._members: dict[str, _Member] = {}

    def update(
        self, timestamp: float, values: Mapping[str, float], load: Mapping[str, float] | None = None
    ) -> dict[str, PeerReason]:
        """Take one reading of each member that has one.

        :param timestamp: seconds since the epoch.
        :param values: by device; what is not positive and finite is no reading.
        :param load: by device, in any unit, as ``busyness`` makes it; None where it is not known.
        :returns: the members that stand out now, by device.
        """
        given = {device: value for device, value in values.items() if 0.0 < value < inf}
        ordered = sorted(given.values())
        if len(ordered) <= LEAST_PEERS:
            return self._named(timestamp)
        loads = sorted(load.get(device, 0.0) for device in given) if load else []
        for device, value in given.items():
            if load and load.get(device, 0.0) > HIGH_LOAD * _median_of_others(
                loads, load.get(device, 0.0)
            ):
                continue
            member = self._members.setdefault(device, _Member(self._allowance))
            member.take(timestamp, log(value / _median_of_others(ordered, value)))
        self._excuse_all_if_many(given)
        return self._named(timestamp)

    def _excuse_all_if_many(self, given: Mapping[str, float]) -> None:
        members = [m for device in given if (m := self._members.get(device)) is not None]
        suspects = sum(member.run >= 0.5 * member.limit for member in members)
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

    def _reason(self, device: str, member: _Member, now: float, peers: int) -> PeerReason:
        ratio = exp(member.total / member.count)
        evidence = EVIDENCE * member.run / member.limit
        text = (
            f"{self.metric_type} {in_words(ratio)} that of its {peers} peers "
            f"for {duration(now - member.since)}"
        )
        score = max(0.5, evidence / (evidence + EVIDENCE))
        return PeerReason(device, self.metric_type, ratio, peers, member.since, score, text)

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
        """A group in the state of ``to_dict``; a member of another version begins anew."""
        group = cls(metric_type)
        for device, member in state.items():
            if set(member) == set(_STATE):
                group._members[device] = _Member(**member)  # type: ignore[arg-type]
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
