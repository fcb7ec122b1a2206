"""One share of the fleet: its series, its groups of peers, and what stands out among them. Pure."""

from __future__ import annotations

import hashlib
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from reader.detection import anomaly
from reader.detection.episodes import CALM, COMES_BACK, Episode, criticality
from reader.detection.findings import RANK, DeviceKey, Finding, State
from reader.detection.peers import FACTORS, PeerGroup, PeerReason
from reader.watching.series import Followed
from spindle import timestamps
from spindle.catalog import unit
from spindle.errors import InvalidInput
from spindle.store.base import SeriesKey
from spindle.timestamps import NS

MOST_ENDED = 100  #: anomalies of a share that are remembered after their end
PEERS = "peers"  #: key of the snapshot of a share's groups
LOAD = "IOPs"  #: by which peers are compared under one load
PEER_EXPECTED = 1.0  # a device is expected to be as its peers are

Row = dict[str, Any]


class Share:
    """Mutable state of one share.

    :ivar series: what is followed.
    :ivar rows: anomalies that last, by what they are of; each as ``anomalies`` shows it, and
        ``told``: whether the event of its beginning has been published.
    :ivar ended: those that are over, the last one last; ``told``: of its end.
    :ivar changed: rows are not as they were last saved.
    """

    def __init__(self, number: int, step: float) -> None:
        self.number = number
        self.step = step
        self.series: dict[SeriesKey, Followed] = {}
        self.groups: dict[tuple[str, str, str], PeerGroup] = {}  # array, class, metric type
        self.rows: dict[tuple[SeriesKey, str], Row] = {}
        self.ended: deque[Row] = deque(maxlen=MOST_ENDED)
        self.changed = False

    def take(self, series: Followed, time: float, value: float) -> None:
        """One reading of one of its series."""
        self._note(series.key, *series.take(time, value))

    def flush(self, before: float) -> None:
        """Score every step that was over by then, though no later reading came."""
        for series in self.series.values():
            if series.count and series.end <= before:
                self._note(series.key, *series.close())

    def _note(self, key: SeriesKey, began: Episode | None, ended: Episode | None) -> None:
        if began is not None and not self._is_known((key, ""), began):
            level = criticality(key.metric_type, began)
            row = anomaly.row(key, began, lasts=True) | {"criticality": level, "told": False}
            self.rows[key, ""] = row
            self.changed = True
        if ended is not None:
            self._end((key, ""), anomaly.row(key, ended, lasts=False))

    def _is_known(self, place: tuple[SeriesKey, str], began: Episode) -> bool:
        """Whether the owner before found it: what came since its state was saved is read again."""
        start = began.start * NS
        row = self.rows.get(place)
        if row is not None:
            if start <= timestamps.parse(row["to"]) + CALM * self.step * NS:
                return True
            self._end(place, {})  # that one ended when nobody looked
        return any(
            each["kind"] != "peer"
            and _key(each) == place[0]
            and timestamps.parse(each["from"]) <= start <= timestamps.parse(each["to"])
            for each in self.ended
        )

    def _end(self, place: tuple[SeriesKey, str], row: Row) -> None:
        began = self.rows.pop(place, None)
        if began is None:
            return
        same = {"from": began["from"], "lasts": False, "told": False}
        self.ended.append({**began, **row, **same})
        self.changed = True

    def refresh(self) -> None:
        """Bring the rows that last up to what is known of them now."""
        for (key, kind), row in self.rows.items():
            series = self.series.get(key)
            if not kind and series is not None and series.episodes.open is not None:
                now = anomaly.row(key, series.episodes.open, lasts=True)
                row.update(now | {"from": row["from"]})  # as it was told

    def compare_peers(self, now: float) -> None:
        """Compare every device with its peers by the means since the last time.

        :param now: seconds since the epoch.
        """
        means: defaultdict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
        for (source_device, metric_type, device_id, array_id), series in self.series.items():
            mean = series.mean_since()
            if mean is not None and array_id and metric_type in FACTORS:
                means[array_id, source_device, metric_type][device_id] = mean
        found: dict[tuple[SeriesKey, str], PeerReason] = {}
        for (array_id, source_device, metric_type), values in means.items():
            group = self.groups.setdefault(
                (array_id, source_device, metric_type), PeerGroup(metric_type)
            )
            load = None if metric_type == LOAD else means.get((array_id, source_device, LOAD))
            for device_id, reason in group.update(now, values, load).items():
                found[SeriesKey(source_device, metric_type, device_id, array_id), "peer"] = reason
        self._note_peers(found, now)

    def _note_peers(self, found: Mapping[tuple[SeriesKey, str], PeerReason], now: float) -> None:
        for place, reason in found.items():
            row = _peer_row(place[0], reason, now)
            if place in self.rows:
                self.rows[place].update(row)
            else:
                self.rows[place] = row | {"criticality": 5, "told": False}
                self.changed = True
        for place in [each for each in self.rows if each[1] == "peer" and each not in found]:
            self._end(place, {"to": anomaly.rfc3339(now)})

    def findings(self) -> Iterator[tuple[DeviceKey, Finding]]:
        """What lasts, as reasons of a device's health."""
        for (key, _), row in self.rows.items():
            yield (key.source_device, key.device_id), finding(row)

    def record(self) -> Row:
        """What all readers should know, fit for JSON."""
        return {"open": list(self.rows.values()), "ended": list(self.ended)}

    def restore_record(self, data: object) -> None:
        """What the owner before knew; anything else is nothing."""
        if not isinstance(data, dict):
            return
        for row in filter(_is_row, data.get("open", ())):
            self.rows[_key(row), "peer" if row["kind"] == "peer" else ""] = row
        self.ended.extend(filter(_is_row, data.get("ended", ())))
        self.changed = any(not row["told"] for row in (*self.rows.values(), *self.ended))

    def drop_orphans(self) -> None:
        """End what lasts of series of which no state is left to say when it ends."""
        for key, kind in list(self.rows):
            series = self.series.get(key)
            gone = series is None or series.episodes.open is None
            if not kind and gone:
                self._end((key, kind), {})

    def save_peers(self) -> bytes:
        """The groups' state."""
        groups = [[*place, group.to_dict()] for place, group in self.groups.items()]
        return orjson.dumps(groups)

    def restore(self, name: str, data: bytes) -> None:
        """One part of a snapshot.

        :raises InvalidInput: it cannot be used.
        """
        if name != PEERS:
            series = Followed.from_bytes(data, self.step)
            self.series[series.key] = series
            return
        try:
            for array_id, source_device, metric_type, state in orjson.loads(data):
                group = PeerGroup.from_dict(metric_type, state)
                self.groups[array_id, source_device, metric_type] = group
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInput("this state of a group of peers is damaged") from error


_COLUMNS = {*anomaly.COLUMNS, "criticality", "told"}


def _key(row: Mapping[str, Any]) -> SeriesKey:
    return SeriesKey(row["source_device"], row["metric_type"], row["device"], row["array_id"] or "")


def _is_row(row: object) -> bool:
    """Whether it was written by this version."""
    return isinstance(row, dict) and row.keys() == _COLUMNS


def _peer_row(key: SeriesKey, reason: PeerReason, now: float) -> Row:
    source_device, metric_type, device_id, array_id = key
    return {
        "device": device_id,
        "source_device": source_device,
        "array_id": array_id or None,
        "metric_type": metric_type,
        "from": anomaly.rfc3339(reason.since),
        "to": anomaly.rfc3339(now),
        "peak_time": anomaly.rfc3339(now),
        "value": reason.ratio,
        "expected": PEER_EXPECTED,
        "unit": "times its peers",
        "score": reason.score,
        "severity": "warning",
        "kind": "peer",
        "lasts": True,
        "explanation": reason.text,
    }


def finding(row: Mapping[str, Any]) -> Finding:
    """A row that lasts, as a reason."""
    severity: State = row["severity"] if row["severity"] in RANK else "warning"
    return Finding(
        row["source_device"],
        row["device"],
        row["metric_type"],
        severity,
        timestamps.parse(row["from"]),
        row["value"],
        row["unit"] if row["kind"] == "peer" else unit(row["metric_type"]),
        row["expected"] if row["kind"] == "peer" else None,
        row["explanation"],
        row["expected"] if row["kind"] in COMES_BACK else None,
    )


def rows_of(record: Mapping[str, Any]) -> Iterator[Row]:
    """The rows of a record that another reader wrote."""
    for name in ("open", "ended"):
        yield from filter(_is_row, record.get(name, ()))


def findings_of(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[DeviceKey, Finding]]:
    """Rows of a record that last, as reasons by device."""
    for row in rows:
        yield (row["source_device"], row["device"]), finding(row)


def series_name(key: SeriesKey) -> str:
    """A series' name in a snapshot: any valid names, of a bounded length."""
    return hashlib.blake2b("/".join(key).encode(), digest_size=12).hexdigest()
