"""One anomaly of one series: what is known of it, how bad it is, how loudly it is told. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from reader.detection.explanation import Explanation
from reader.detection.findings import State
from spindle import catalog

PEER = "peer"  #: kind of what stands out among its peers
PEER_CRITICALITY = 5
"""A warning: slow beside its peers, it still does its work. Told again as worse it is one more."""
COMES_BACK = ("surge", "novelty")  #: kinds that are over when what was expected is read again
IMMATERIAL = 2e-4
"""Share of a metric's range: a smaller change, though it may be no chance, is of no consequence,
where the catalogue does not say how large a change of the metric is material."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One anomaly of one series; times in seconds since the epoch.

    :ivar last: the last point that belonged to it.
    :ivar expected: what was usual before it began; None where nothing was.
    :ivar kind: see ``explanation.Explanation``, or ``PEER``.
    :ivar grew: of a departure in spread or roughness, whether there is more of it than usual.
    :ivar times: how often the same has begun in the last days, this one included.
    :ivar untold: it is not ill, too little is known of what is usual to tell of it, and it was
        heard once.
    :ivar worse: it is not over, but has become so much worse that it is told as another.
    """

    start: float
    last: float
    peak_time: float
    value: float
    expected: float | None
    score: float
    kind: str
    text: str
    grew: bool | None = None
    times: int = 1
    worse: bool = False
    untold: bool = False

    @property
    def likeness(self) -> str:
        """Kind and direction: two episodes that agree in both count as the same again."""
        higher = self.grew if self.expected is None else self.value > self.expected
        return f"{self.kind} {'higher' if higher else 'lower'}"

    @property
    def size(self) -> float:
        """How far the peak is from what was expected, in the metric's unit."""
        return 0.0 if self.expected is None else abs(self.value - self.expected)

    def overshoot(self, value: float) -> float:
        """How far beyond what was expected, on the other side than the peak, in the peak's size."""
        if self.expected is None or not self.size:
            return 0.0
        return (value - self.expected) / (self.expected - self.value)

    def deviates(self, value: float) -> bool:
        """Whether a value is still nearer to the peak than to what was expected."""
        if self.kind == "stuck":
            return value == self.value
        if self.kind not in (*COMES_BACK, "departure") or self.expected is None:
            return False
        return abs(value - self.value) < abs(value - self.expected)

    def is_reached_by(self, value: float, times: float = 1.0) -> bool:
        """Whether a value is so many times as far from what was expected as the peak, on its side:
        more than on its way back, which may be the greater surprise to the detector."""
        return self.expected is None or -self.overshoot(value) >= times


def material(metric: catalog.Metric) -> float:
    """The smallest change of a metric that is of consequence, in its unit."""
    known = metric.material
    return IMMATERIAL * (metric.high - metric.low) if known is None else known


def is_to_come_back(metric_type: str, episode: Episode) -> bool:
    """Whether it is ill however long it lasts: what is full or worn stays so, load is what it is,
    and of a metric that nobody knows the bad side cannot be told."""
    metric = catalog.metric(metric_type)
    if metric is None or metric.bad == "neither" or metric.accumulates:
        return False
    return severity(metric_type, episode) != "ok"


def begun(time: float, score: float, found: Explanation) -> Episode:
    """What the detector explained, as an anomaly that begins at this time."""
    value = 0.0 if found.value is None else found.value
    kind = found.kind or ""
    certainty = max(score, found.score)
    return Episode(time, time, time, value, found.expected, certainty, kind, found.text, found.grew)


def severity(metric_type: str, episode: Episode) -> State:
    """How much an anomaly says of its device's health.

    To the good side it is worth a line only; of pure load, which comes and goes, a collapse alone
    is a warning.
    """
    metric = catalog.metric(metric_type)
    if metric is not None and episode.grew is not None:  # of load it may be anything
        return "warning" if episode.grew and metric.bad != "neither" else "ok"
    if metric is None or episode.kind in ("stuck", "rhythm", PEER) or episode.expected is None:
        return "warning"
    if metric.bad == "neither":
        return "warning" if episode.value < episode.expected / 2 else "ok"
    worse = (
        episode.value > episode.expected
        if metric.bad == "high"
        else (episode.value < episode.expected)
    )
    return "warning" if worse else "ok"


def criticality(metric_type: str, episode: Episode) -> int:
    """Of the event that tells of it: 3 for a line, 4 to 6 by score for a warning, 7 past the
    catalogue's warning limit, and 8 only for what is both sure and past its critical limit. What
    comes again and again within its limits is told one lower each time its number has doubled.
    """
    if episode.kind == PEER:
        return PEER_CRITICALITY
    if severity(metric_type, episode) == "ok":
        return 3
    metric = catalog.metric(metric_type)
    if metric is not None and metric.bad != "neither":
        sign = 1 if metric.bad == "high" else -1
        for limit, level, least in ((metric.critical, 8, 0.9), (metric.warning, 7, 0.0)):
            past = limit is not None and sign * episode.value >= sign * limit
            if past and episode.score >= least:
                return level
    level = 4 + (episode.score >= 0.75) + (episode.score >= 0.9)
    return max(3, level - (episode.times.bit_length() - 1))
