"""What an anomaly is, and a stored series scored for anomalies. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from reader.detection.detector import WARM_UP, Detector
from reader.detection.episode import (
    COMES_BACK,
    PEER,
    PEER_CRITICALITY,
    Episode,
    criticality,
    severity,
)
from reader.detection.episodes import Episodes
from reader.detection.findings import Finding, State
from reader.detection.peers import PeerReason
from spindle import catalog
from spindle.store.base import Bucket, DeviceKey, SeriesKey
from spindle.timestamps import NS

#: Readings of so long are averaged to one point: a device may report every second or every five.
STEP_SECONDS = 5.0
LEARNT = WARM_UP + 150  #: points before the window, so that what is usual is known when it begins
PEER_EXPECTED = 1.0  #: a device is expected to be as its peers are
Slot = tuple[SeriesKey, bool]  #: of which one anomaly lasts at a time: see ``Anomaly.slot``


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One stretch in which a series was unusual, by its own past or beside its peers.

    :ivar episode: when, and how far; values are in ``unit``.
    :ivar criticality: of the event that tells of its beginning, 1 to 10.
    :ivar ended: it is over; else it lasts.
    :ivar announced: the event of its beginning, once it is over of its end, has been published.
    """

    key: SeriesKey
    episode: Episode
    criticality: int
    ended: bool = False
    announced: bool = False

    @classmethod
    def of_series(cls, key: SeriesKey, episode: Episode, *, ended: bool = False) -> Anomaly:
        """An anomaly of a series by its own past."""
        return cls(key, episode, criticality(key.metric_type, episode), ended)

    @classmethod
    def among_peers(cls, key: SeriesKey, reason: PeerReason, now: float) -> Anomaly:
        """An anomaly of a device beside its peers; ``now`` is in seconds since the epoch."""
        value, score, text = reason.ratio, reason.score, reason.text
        episode = Episode(reason.since, now, now, value, PEER_EXPECTED, score, PEER, text)
        return cls(key, episode, criticality(key.metric_type, episode) + reason.worse)

    @property
    def is_among_peers(self) -> bool:
        """Whether it was found beside its peers, and not by its own past."""
        return self.episode.kind == PEER

    @property
    def slot(self) -> Slot:
        """The series, and whether peers were compared: one anomaly at a time lasts for each."""
        return self.key, self.is_among_peers

    @property
    def device(self) -> DeviceKey:
        """The device that is unusual."""
        return self.key.device

    @property
    def severity(self) -> State:
        """The state of health that this anomaly alone gives its device."""
        return severity(self.key.metric_type, self.episode)

    @property
    def unit(self) -> str:
        """The unit of the value and of what was expected."""
        return "times its peers" if self.is_among_peers else catalog.unit(self.key.metric_type)

    @property
    def start_ns(self) -> int:
        """When it began, in nanoseconds since the epoch, to the millisecond."""
        return milliseconds(self.episode.start)

    @property
    def last_ns(self) -> int:
        """When it was last seen, in nanoseconds since the epoch, to the millisecond."""
        return milliseconds(self.episode.last)

    def is_worse_than(self, before: Anomaly) -> bool:
        """Whether it stood out beside its peers when ``before`` began, and is much worse since."""
        return self.criticality > PEER_CRITICALITY and self.start_ns > before.start_ns

    def updated(self, episode: Episode) -> Anomaly:
        """The anomaly with what is known now; its beginning stays as it was announced."""
        return replace(self, episode=replace(episode, start=self.episode.start))

    def over(self, episode: Episode) -> Anomaly:
        """The anomaly as ended; its end is still to be announced."""
        return replace(self.updated(episode), ended=True, announced=False)

    def finding(self) -> Finding:
        """The finding that health takes as a reason."""
        expected = self.episode.expected
        return Finding(
            source_device=self.key.source_device,
            device_id=self.key.device_id,
            metric_type=self.key.metric_type,
            severity=self.severity,
            since_ns=self.start_ns,
            value=self.episode.value,
            unit=self.unit,
            limit=expected if self.is_among_peers else None,
            message=self.episode.text,
            expected=expected if self.episode.kind in COMES_BACK else None,
            array_id=self.key.array_id,
        )


def step_seconds(series: int, window: float, least: float, most_points: int) -> float | None:
    """The shortest step, from ``least`` seconds on, at which so many series can be scored.

    :returns: None where not even a long step makes them few enough.
    """
    each = most_points / max(1, series) - LEARNT
    if each < 12:
        return None
    return max(least, window / each)


class Scored(NamedTuple):
    """What was found in stored series.

    :ivar anomalies: in the order of the series.
    :ivar learning: seconds until it is known what is usual, of each series of which it is not,
        at the pace of its readings.
    """

    anomalies: list[Anomaly]
    learning: dict[SeriesKey, float]


def of_series(
    steps: Iterable[Bucket], min_score: float, stopped: Callable[[], bool] = lambda: False
) -> Scored:
    """Every anomaly in the steps of any number of series.

    :param steps: of equal length, oldest first within each series; their means are scored.
    :param stopped: asked before each series; nobody waits for the answer any more.
    """
    found = Scored([], {})
    for key, own in groupby(steps, key=attrgetter("key")):
        if stopped():
            break
        _of_one(key, own, min_score, found)
    return found


def _of_one(key: SeriesKey, steps: Iterable[Bucket], min_score: float, found: Scored) -> None:
    metric_type = key.metric_type
    detector, episodes = Detector(), Episodes(metric_type, min_score)
    ended: list[Episode] = []
    for step in steps:
        if not catalog.is_possible(metric_type, step.mean):
            continue
        time = step.time_ns / NS
        detector.update(time, step.mean)
        _, end = episodes.take(time, step.mean, detector)
        if end is not None:
            ended.append(end)
    found.anomalies.extend(Anomaly.of_series(key, each, ended=True) for each in ended)
    if episodes.lasting:
        found.anomalies.append(Anomaly.of_series(key, episodes.lasting))
    if detector.points <= WARM_UP:
        found.learning[key] = detector.learning_seconds(STEP_SECONDS)


def milliseconds(seconds: float) -> int:
    """Nanoseconds of whole milliseconds, from seconds."""
    return round(seconds * 1000) * 1_000_000
