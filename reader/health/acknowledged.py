"""Reasons that somebody knows of: quiet until they get worse. Pure.

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
    time_ns: int
    until_ns: int | None = None
    note: str = ""
    worse_ns: int | None = None

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
