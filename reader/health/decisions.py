"""What people decide of devices: a reason is known, and quiet until it gets worse; a device is gone
for good, and left out of answers until it is back. Pure.

Worse is: a higher severity; a counter of SMART that counts one more; any other value farther on its
bad side than the hysteresis of its limits; another event of the same type. What got worse once
alarms until it is acknowledged anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from reader.detection.findings import RANK, State
from reader.health.reasons import Reason
from spindle import catalog, timestamps
from spindle.catalog import Direction
from spindle.store.base import DeviceKey
from spindle.timestamps import NS
from spindle.values import Whole

LAPSES_NS = 3600 * timestamps.NS
"""What has been over for so long is forgotten, unless it was acknowledged until a time: the next
overheating is another one."""
#: The drive's own word that it fails: acknowledged it is quieter, never ``ok``.
OWN_WORD = frozenset(
    ("SmartFailing", "AttributesFailing", "MediaReadOnly", "ReliabilityDegraded")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """One reason of one device that somebody knows of.

    :ivar array_id: where it was then; empty for none.
    :ivar reason: its ``Reason.name``: a metric type, an event type, or ``Silence``.
    :ivar severity: it had then.
    :ivar values: it had then, by unit: in the metric's, and in ``times its peers``.
    :ivar bad: which side of the values is worse.
    :ivar time_ns: when it was acknowledged, in nanoseconds since the epoch.
    :ivar until_ns: from when on it alarms again in any case; None for no such time.
    :ivar worse_ns: when it was found to have got worse; None while it is quiet.
    """

    source_device: str
    device_id: str
    array_id: str
    reason: str
    severity: State
    values: Mapping[str, float]
    bad: Direction
    time_ns: Whole
    until_ns: Whole | None = None
    note: str = ""
    worse_ns: Whole | None = None

    def is_over(self, now_ns: int) -> bool:
        """Whether the time until which it was to hold has come."""
        return self.until_ns is not None and now_ns >= self.until_ns

    def worse(self, reason: Reason) -> str | None:
        """How a reason is worse than it was, in words; None where it is not."""
        if RANK[reason.severity] > RANK[self.severity]:
            return f"{reason.severity} now, {self.severity} then"
        if reason.event_type is not None:
            again = reason.time is not None and timestamps.parse(reason.time) > self.time_ns
            return f"again at {reason.time}" if again else None
        then = self.values.get(reason.unit)
        if reason.value is None or then is None or self.bad == "neither":
            return None
        further = reason.value - then if self.bad == "high" else then - reason.value
        if further > _margin(self.reason, reason.unit, then):
            return f"{reason.value:.4g} now, {then:.4g} then"
        return None


def _margin(metric_type: str, unit: str, value: float) -> float:
    """How much a value may rise before it is worse: nothing for counters, else its hysteresis."""
    metric = catalog.metric(metric_type)
    if metric is not None and (metric.smart or not metric.unit):
        return 0.0
    if metric is not None and metric.leave_by is not None and metric.unit == unit:
        return metric.leave_by
    return abs(value) * (metric.leave_share if metric is not None else 0.05)


def of_reasons(
    reasons: Iterable[Reason],
    array_id: str,
    bad: Direction,
    now_ns: int,
    until_ns: int | None = None,
    note: str = "",
) -> Acknowledgement:
    """Acknowledge reasons of one name and one device: the worst severity and values of them."""
    known = list(reasons)
    first = known[0]
    values: dict[str, float] = {}
    worst = min if bad == "low" else max
    for each in known:
        if each.value is not None:
            values[each.unit] = worst(each.value, values.get(each.unit, each.value))
    severity = max((each.acknowledged or each.severity for each in known), key=RANK.__getitem__)
    return Acknowledgement(
        *(first.source_device, first.device, array_id, first.name, severity, values, bad),
        *(now_ns, until_ns, note),
    )


def applied(reason: Reason, known: Mapping[str, Acknowledgement], now_ns: int) -> Reason:
    """The reason after acknowledgements: quiet, or told to be worse than it was."""
    said = known.get(reason.name)
    if said is None or reason.severity == "ok" or said.is_over(now_ns):
        return reason
    when = timestamps.format_ns(said.time_ns)[:19]
    worse = said.worse(reason) or (None if said.worse_ns is None else "it was worse meanwhile")
    if worse is not None:
        message = f"{reason.message}; worse than what was acknowledged at {when}Z: {worse}"
        return replace(reason, message=message)
    more = f": {said.note}" if said.note else ""
    until = f" until {timestamps.format_ns(said.until_ns)[:19]}Z" if said.until_ns else ""
    return replace(
        reason,
        severity="warning" if reason.name in OWN_WORD else "ok",
        acknowledged=reason.severity,
        message=f"acknowledged{until}{more}; {reason.message}",
    )


GONE_NS = 3600 * NS
"""A device that was still publishing when it was retired comes back where it was silent for so
long and publishes again: before that it is the same device that goes on."""
NOTED_NS = 600 * NS  # how exactly it is written down when it was last heard


@dataclass(frozen=True, slots=True)
class Retired:
    """One device that was retired.

    :ivar array_id: empty where its name is its own, wherever it is.
    :ivar time_ns: when it was retired, in nanoseconds since the epoch.
    :ivar heard_ns: when it was last heard after that, to ten minutes; 0 where it was silent by
        then: what it publishes later brings it back.
    :ivar back_ns: from when on it publishes again; None while it is gone.
    """

    source_device: str
    device_id: str
    array_id: str
    time_ns: Whole
    heard_ns: Whole = 0
    back_ns: Whole | None = None
    note: str = ""

    def is_of(self, device: DeviceKey) -> bool:
        """Whether this device is the retired one."""
        return device[:2] == (self.source_device, self.device_id) and self.array_id in (
            "",
            device.array_id,
        )

    def hides(self, time_ns: int) -> bool:
        """Whether answers leave out what the device said at ``time_ns``."""
        if self.back_ns is not None:
            return time_ns < self.back_ns
        return self.heard_ns > 0 or time_ns <= self.time_ns

    @property
    def is_replaced(self) -> bool:
        """Whether another drive came into its place: nobody retired it."""
        return self.back_ns == self.time_ns

    def sentence(self) -> str:
        """That it is retired, for a person."""
        note = f": {self.note}" if self.note else ""
        return f"it was retired at {timestamps.format_ns(self.time_ns)[:19]}Z{note}"

    def heard(self, time_ns: int, last_ns: int) -> Retired:
        """The entry after the device was heard again.

        :param last_ns: when it was heard before that.
        """
        if self.back_ns is not None or not self.heard_ns:
            return self
        if time_ns - last_ns >= GONE_NS:
            return replace(self, back_ns=time_ns)
        return replace(self, heard_ns=time_ns) if time_ns - self.heard_ns >= NOTED_NS else self
