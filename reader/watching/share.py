"""One share of the fleet: its series, its groups of peers, and what stands out among them. Pure."""

from __future__ import annotations

import contextlib
import hashlib
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import orjson

from reader.detection.anomaly import LEARNT, Anomaly, Slot, milliseconds
from reader.detection.episode import Episode
from reader.detection.episodes import CALM
from reader.detection.peers import COUNTED, FACTORS, LOADS, PeerGroup, busyness
from reader.watching.series import FollowedSeries
from spindle import catalog
from spindle.errors import InvalidInput
from spindle.store.base import DeviceKey, SeriesKey

MOST_LEARNING = 500  #: series that a record names as still learning
MOST_ENDED = 100  #: anomalies of a share that are remembered after their end
COMPARED = {*FACTORS, *LOADS}  #: metrics of which the means are needed to compare peers
PEERS = "peers"  #: key of the snapshot of a share's groups


class GroupKey(NamedTuple):
    """Which devices are peers, in which metric: those of one class in one array."""

    array_id: str
    source_device: str
    metric_type: str


class Share:
    """Mutable state of one share.

    :ivar series: what is followed.
    :ivar unwatched: series that are not, because the reader follows as many as it may.
    :ivar lasting: the anomalies that last.
    :ivar ended: those that are over, the last one last.
    :ivar since: from when on the anomalies are complete, in seconds since the epoch.
    :ivar changed: anomalies are not as they were last saved.
    """

    def __init__(self, number: int, step: float) -> None:
        self.number = number
        self.step = step
        self.series: dict[SeriesKey, FollowedSeries] = {}
        self.unwatched: set[SeriesKey] = set()
        self.groups: dict[GroupKey, PeerGroup] = {}
        self.lasting: dict[Slot, Anomaly] = {}
        self.ended: deque[Anomaly] = deque(maxlen=MOST_ENDED)
        self.since = 0.0
        self.changed = False

    @property
    def anomalies(self) -> list[Anomaly]:
        """All known anomalies, those that are over first."""
        return [*self.ended, *self.lasting.values()]

    def take(self, series: FollowedSeries, time: float, value: float) -> None:
        """Take one reading of one of its series; an impossible value is left out."""
        if not catalog.is_possible(series.key.metric_type, value):
            return
        self._note(series.key, *series.take(time, value))

    def flush(self, before: float) -> None:
        """Score every step that was over by then, though no later reading came."""
        for series in self.series.values():
            if series.count and series.end <= before:
                self._note(series.key, *series.close())

    def _note(self, key: SeriesKey, began: Episode | None, ended: Episode | None) -> None:
        if ended is not None and not self._is_followed(key, ended):
            self._end((key, False), ended)
        if began is not None and not self._is_known(key, began):
            self._begin(Anomaly.of_series(key, began))

    def _is_known(self, key: SeriesKey, began: Episode) -> bool:
        """Whether the owner before found it: what came since its state was saved is read again."""
        lasting = self.lasting.get((key, False))
        if lasting is not None:
            if began.start <= lasting.episode.last + CALM * self.step:
                return True
            self._end((key, False))  # that one ended when nobody looked
        return any(
            each.slot == (key, False) and each.episode.start <= began.start <= each.episode.last
            for each in self.ended
        )

    def _is_followed(self, key: SeriesKey, ended: Episode) -> bool:
        """Whether the owner before found it to be over, and another to have begun since."""
        lasting = self.lasting.get((key, False))
        return lasting is not None and ended.last < lasting.episode.start

    def _begin(self, anomaly: Anomaly) -> None:
        self.lasting[anomaly.slot] = anomaly
        self.changed = True

    def _end(self, slot: Slot, episode: Episode | None = None) -> None:
        """End the lasting anomaly in ``slot``, as ``episode`` describes it or as last known."""
        lasting = self.lasting.pop(slot, None)
        if lasting is not None:
            if len(self.ended) == MOST_ENDED:
                self.since = max(self.since, self.ended[0].episode.last)
            self.ended.append(lasting.over(episode or lasting.episode))
            self.changed = True

    def announced(self, anomaly: Anomaly) -> None:
        """Note that the anomaly's event was published, unless it has changed meanwhile."""
        done = replace(anomaly, announced=True)
        if self.lasting.get(anomaly.slot) == anomaly:
            self.lasting[anomaly.slot] = done
        elif anomaly in self.ended:
            self.ended[self.ended.index(anomaly)] = done

    def refresh(self) -> None:
        """Update the lasting anomalies to what is known of them now."""
        for slot, anomaly in self.lasting.items():
            series = self.series.get(anomaly.key)
            if not anomaly.is_among_peers and series is not None and series.episodes.lasting:
                self.lasting[slot] = anomaly.updated(series.episodes.lasting)

    def forget(self, hides: Callable[[DeviceKey, int], bool]) -> None:
        """Forget what is followed of devices that are hidden, by what they said first: of a drive
        that was replaced, what was learnt is of another."""
        gone = [
            key
            for key, series in self.series.items()
            if hides(key.device, milliseconds(series.began))
        ]
        for key in gone:
            del self.series[key]
            for group, of in self.groups.items():
                if group[:2] == (key.array_id, key.source_device):
                    of.drop(key.device_id)
        if gone:
            self.reconcile()

    def accept(self, accepts: Callable[[SeriesKey, int], bool]) -> None:
        """What somebody has acknowledged is the new usual of its series.

        :param accepts: whether what has lasted in a series since a time, in nanoseconds since the
            epoch, is acknowledged. What stands out among peers is not asked about: it still does.
        """
        for (key, among_peers), anomaly in list(self.lasting.items()):
            if not among_peers and accepts(key, anomaly.start_ns) and key in self.series:
                self._end((key, False), self.series[key].accept())

    def compare_peers(self, now: float) -> None:
        """Compare every device with its peers by the means since the last time.

        :param now: seconds since the epoch.
        """
        means: defaultdict[GroupKey, dict[str, float]] = defaultdict(dict)
        members: defaultdict[GroupKey, set[str]] = defaultdict(set)
        for key, series in self.series.items():
            counted = key.metric_type in COUNTED
            mean = series.load_since() if counted else series.mean_since()
            if key.array_id and key.metric_type in COMPARED:
                group_key = GroupKey(key.array_id, key.source_device, key.metric_type)
                members[group_key].add(key.device_id)
                if mean is not None:
                    means[group_key][key.device_id] = mean
        self._forget_departed(members)
        found = {each.slot: each for each in self._among_peers(means, now)}
        for slot, anomaly in found.items():
            before = self.lasting.get(slot)
            if before is not None and anomaly.is_worse_than(before):
                self._end(slot, replace(before.episode, last=anomaly.episode.start, worse=True))
                self._begin(anomaly)
            elif before is not None:
                self.lasting[slot] = before.updated(anomaly.episode)
            else:
                self._begin(anomaly)
        for slot, anomaly in list(self.lasting.items()):
            if anomaly.is_among_peers and slot not in found:
                self._end(slot, replace(anomaly.episode, last=now))

    def _forget_departed(self, members: Mapping[GroupKey, set[str]]) -> None:
        """Devices whose series are not followed any more have left their groups."""
        for key in list(self.groups):
            self.groups[key].keep_only(members.get(key, ()))
            if self.groups[key].is_empty:
                del self.groups[key]

    def _among_peers(
        self, means: Mapping[GroupKey, Mapping[str, float]], now: float
    ) -> Iterator[Anomaly]:
        for key, values in means.items():
            if key.metric_type not in FACTORS:
                continue
            group = self.groups.setdefault(key, PeerGroup(key.metric_type))
            loads = (means.get(key._replace(metric_type=name), {}) for name in LOADS)
            load = None if key.metric_type in LOADS else busyness(loads)
            for device_id, reason in group.update(now, values, load).items():
                series = SeriesKey(key.source_device, key.metric_type, device_id, key.array_id)
                yield Anomaly.among_peers(series, reason, now)

    @property
    def learning(self) -> dict[SeriesKey, float]:
        """Series that still learn what is usual, and for how many seconds they do."""
        found = {key: series.learning_seconds for key, series in self.series.items()}
        return {key: seconds for key, seconds in found.items() if seconds}

    def record(self, now: float = 0.0) -> dict[str, Any]:
        """What other readers need to know of this share, as JSON values: see ``read_record``.

        :param now: seconds since the epoch.
        """
        return {
            "anomalies": msgspec.to_builtins(self.anomalies),
            "unwatched": len(self.unwatched),
            "since": self.since,
            "until": now,
            "learning": [[*key, left] for key, left in list(self.learning.items())[:MOST_LEARNING]],
        }

    def restore_record(self, data: object, now: float = 0.0) -> None:
        """Begin with the record of the previous owner; ignore one that cannot be read.

        :param now: seconds since the epoch.
        """
        record = read_record(data)
        # What is read again from the store reaches back so far, and no farther.
        followed_on = record.until and now - record.until <= LEARNT * self.step
        self.since = record.since if followed_on else now
        for anomaly in record.anomalies:
            if anomaly.ended:
                self.ended.append(anomaly)
            else:
                self.lasting[anomaly.slot] = anomaly
        self.changed = any(not each.announced for each in self.anomalies)

    def reconcile(self, anew: Collection[SeriesKey] = ()) -> None:
        """Once the states are restored: what lasts by the record lasts by its series' state.

        An anomaly of a series that is not in one any more has ended; one that a series is in, but
        no record tells of, is taken up.

        :param anew: series without a state, as after an update that theirs did not survive: what
            they found in the last minutes of the store stays as it was told.
        """
        for (key, among_peers), known in list(self.lasting.items()):
            if among_peers:
                continue
            series = self.series.get(key)
            now = None if series is None else series.episodes.lasting
            if series is None or now is None:
                self._end((key, False))
            elif key in anew and now.kind == known.episode.kind:
                series.episodes.open = replace(known.episode, last=now.last)
        for key, series in self.series.items():
            if (key, False) not in self.lasting:
                self._note(key, series.episodes.lasting, None)

    def save_peers(self) -> bytes:
        """The state of all groups of peers."""
        groups = [[*key, group.to_dict()] for key, group in self.groups.items()]
        return orjson.dumps(groups)

    def restore(self, name: str, data: bytes) -> None:
        """Restore one part of a snapshot.

        :raises InvalidInput: it cannot be used.
        """
        if name != PEERS:
            series = FollowedSeries.from_bytes(data, self.step)
            self.series[series.key] = series
            return
        try:
            for *place, state in orjson.loads(data):
                key = GroupKey(*place)
                self.groups[key] = PeerGroup.from_dict(key.metric_type, state)
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInput("this state of a group of peers is damaged") from error


class Record(NamedTuple):
    """A share as its owner last described it.

    :ivar unwatched: how many series it does not watch.
    :ivar since: from when on the anomalies are complete, in seconds since the epoch, and ``until``
        when it was written; 0 where it is not known.
    :ivar learning: series that still learnt what is usual, and for how many seconds.
    """

    anomalies: list[Anomaly]
    unwatched: int = 0
    since: float = 0.0
    until: float = 0.0
    learning: Mapping[SeriesKey, float] = MappingProxyType({})


def read_record(data: object) -> Record:
    """A share's record. What cannot be read, as what another version wrote, is left out."""
    if not isinstance(data, dict):
        return Record([])
    found = []
    for each in data.get("anomalies", ()):
        with contextlib.suppress(msgspec.ValidationError):
            found.append(msgspec.convert(each, Anomaly))
    unwatched = data.get("unwatched")
    learning: dict[SeriesKey, float] = {}
    with contextlib.suppress(TypeError, ValueError):
        for *key, seconds in data.get("learning", ()):
            learning[SeriesKey(*key)] = float(seconds)
    return Record(
        found,
        unwatched if isinstance(unwatched, int) else 0,
        _number(data.get("since")),
        _number(data.get("until")),
        learning,
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def series_name(key: SeriesKey) -> str:
    """A series' name in a snapshot: any valid names, of a bounded length."""
    return hashlib.blake2b("/".join(key).encode(), digest_size=12).hexdigest()
