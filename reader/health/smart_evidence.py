"""What the stored SMART readings of a device say of its health. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from reader.health.reasons import Reason
from reader.health.smart import EVIDENCE, METRICS, Drive, SmartReason, judge
from reader.health.smart_rules import Growth
from spindle import timestamps
from spindle.store.base import Bucket, DeviceKey, Latest
from spindle.timestamps import NS, duration

DAY_NS = 86_400 * NS
KEPT_NS = 2 * DAY_NS  #: a SMART reading this old still counts: some are taken once a day
HISTORY_NS = 31 * DAY_NS
#: The catalogue's limits judge these, the temperature with its hysteresis.
_LIMITED = frozenset(("DiskTemp", "PercentageUsed", "PowerOnHours"))
_COUNTED = METRICS - _LIMITED
_OWN_WORD, _GAPS = "SmartFailing", "SmartGaps"
_FALLING = frozenset(("HeliumLevel", "AvailableSpare"))


def may_matter(metric_type: str, value: float) -> bool:
    """Whether a value may be a reason; nearly all of a healthy drive's are zero."""
    if metric_type in ("Asleep", _GAPS):
        return value > 0
    return metric_type in _COUNTED and (value < 100 if metric_type in _FALLING else value > 0)


def is_borne_out(readings: Iterable[Latest]) -> bool:
    """Whether more than its own word says that a drive is well: PASSED alone proves nothing."""
    said = {each.metric_type for each in readings}
    return _OWN_WORD not in said or not said.isdisjoint(EVIDENCE)


def to_look_up(readings: Iterable[Latest]) -> list[Latest]:
    """Of which series the history decides."""
    return [each for each in readings if is_counter(each.metric_type) and each.value > 0]


def is_counter(metric_type: str) -> bool:
    """Whether it counts what has happened to a drive, so that its growth says something."""
    return metric_type in _COUNTED - _FALLING


def growth(newest: Latest, history: Sequence[Bucket]) -> Growth | None:
    """How much more a value is than it was.

    :param history: of its series, over ``HISTORY_NS``, oldest first; None for an empty one.
    """
    if not history:
        return None

    def then(age_ns: int) -> float:
        earlier = [each for each in history if each.time_ns <= newest.time_ns - age_ns]
        return earlier[-1].maximum if earlier else history[0].minimum

    days = (newest.time_ns - history[0].time_ns) / DAY_NS
    month = newest.value - then(HISTORY_NS - DAY_NS)
    return Growth(newest.value - then(DAY_NS), month, days)


def reasons(
    key: DeviceKey,
    readings: Iterable[Latest],
    growths: Mapping[str, Growth],
    drive: Drive,
    now_ns: int,
) -> list[Reason]:
    """Why the drive is not well, by what it says itself; and that it sleeps."""
    newest = {each.metric_type: each for each in readings if now_ns - each.time_ns <= KEPT_NS}
    values = {name: each.value for name, each in newest.items() if name not in _LIMITED}
    if "GrownDefects" in values and drive.protocol is None:
        drive = drive._replace(protocol="SCSI")
    hints = {name: 0.0 for name in ("PercentageUsed",) if name in newest}  # it is flash
    lost = int(values.pop(_GAPS, 0.0))
    missing = f"{lost} {'value is' if lost == 1 else 'values are'} missing or damaged"
    found = [
        _reason(key, newest.get(each.metric) or newest.get(_OWN_WORD) or newest[_GAPS], each)
        for each in judge({**hints, **values}, drive, growths, [missing] * bool(lost)).reasons
        if each.severity in ("warning", "critical")
        or (each.severity == "unknown" and (_OWN_WORD in newest or lost))
    ]
    asleep = newest.get("Asleep")
    if asleep is not None and asleep.value > 0:
        said = max((r.time_ns for r in newest.values() if r.metric_type in _COUNTED), default=None)
        text = "asleep: it is not woken, and says nothing of its health"
        if said is not None:
            text += f"; what it said {duration((now_ns - said) / NS)} ago counts"
        time = timestamps.format_ns(asleep.time_ns)
        found.append(Reason(*key, "Asleep", None, 1.0, "", None, "ok", time, time, text))
    return found


def _reason(key: DeviceKey, reading: Latest, said: SmartReason) -> Reason:
    time = timestamps.format_ns(reading.time_ns)
    return Reason(
        *(*key, said.metric or _OWN_WORD, None, reading.value, "", said.limit, said.severity),
        *(time, time),
        message=f"{said.message}; {said.do}",
    )
