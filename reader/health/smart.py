"""What a drive's own word is worth: SMART values in, a verdict with its reasons out. Pure.

The rules are data (``smart_rules.toml``), each with its source. That a drive calls itself well
proves nothing: of the drives that failed, a third to a half had PASSED (Pinheiro et al., FAST '07).
That it calls itself failing is always critical.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from reader.detection.findings import RANK, State
from reader.health.smart_rules import HEALTHY, RULES, Growth, Risk, Rule, hazard_of

SETTLED_DAYS = 30.0  #: what has not grown for so long counts one step less
READ_AGAIN = "read it with smartctl -x, if need be with another -d TYPE (smartctl --scan-open)"
REPLACE = "copy what is on it now and replace it"
_STEPS: tuple[State, ...] = ("ok", "warning", "critical")
#: Only solid-state drives say these.
_OF_FLASH = frozenset(("PercentageUsed", "AvailableSpare", "ProgramFails", "EraseFails"))
#: Critical warnings of NVMe drives that are more than their temperature.
_DAMAGE_BITS = ("SpareBelowThreshold", "ReliabilityDegraded", "MediaReadOnly", "BackupFailed",
                "PersistentMemoryUnreliable")  # fmt: skip
#: A drive's verdict on itself, which comes before what its counters say.
OWN_WORDS = frozenset(("SmartFailing", "AttributesFailing", "TemperatureOutOfRange", *_DAMAGE_BITS))
#: They say how a drive is used or what it thinks of itself, and bear out nothing.
_NO_EVIDENCE = frozenset(
    ("SmartFailing", "AttributesFailing", "AttributesFailedBefore", "DiskTemp", "PowerOnHours")
)
#: Of what they count the names stand in the drive's facts.
_NAMED = {
    "SmartFailing": "failing",
    "AttributesFailing": "failing",
    "AttributesFailedBefore": "failed_before",
}
_ROTATING = ("ReallocatedSectors", "PendingSectors")  # a rotating ATA disk counts one of them


class Drive(NamedTuple):
    """What the rules ask of a drive's facts: fields of ``DeviceFacts``.

    :ivar rotation_rpm: 0 for a solid-state drive; None where it is not said.
    :ivar failing: the attributes at their maker's threshold now, ``failed_before`` once.
    """

    protocol: str | None = None
    rotation_rpm: int | None = None
    failing: str | None = None
    failed_before: str | None = None

    @property
    def kind(self) -> Literal["disk", "solid"]:
        """Whether it turns, as far as its facts tell."""
        return "solid" if self.rotation_rpm == 0 or self.protocol == "NVMe" else "disk"


@dataclass(frozen=True, slots=True)
class SmartReason:
    """One thing a drive says, what it means and what to do.

    :ivar severity: ``ok`` for what is worth a line and no more.
    :ivar risk: what is known of drives that say the same.
    """

    metric: str
    attribute: str
    value: float | None
    limit: float | None
    severity: State
    message: str
    do: str
    risk: Risk | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A drive, judged.

    :ivar risk: of failing within a year; None where nothing is published for such a drive.
    :ivar reasons: the worst first.
    :ivar hazard: by what drives may be ranked, no forecast: the failures per year of what each
        value has grown by within a month, and again within a day (at least those after a first
        one), and a part of the value's own.
    """

    health: State
    risk: Risk | None
    reasons: tuple[SmartReason, ...]
    hazard: float = 0.0


METRICS = frozenset(rule.metric for rule in RULES) | {"AvailableSpare"}
EVIDENCE = METRICS - _NO_EVIDENCE
#: What stands in for the catalogue's limits where it is known what the device is: how hot a drive
#: may be depends on what it is, and hot air alone is never critical.
DRIVE_LIMITS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    (rule.metric, rule.on): {"warning": rule.warning, "critical": False}
    for rule in RULES
    if rule.metric == "DiskTemp"
}


def judge(
    values: Mapping[str, float],
    drive: Drive,
    growth: Mapping[str, Growth] | None = None,
    gaps: Sequence[str] = (),
) -> Verdict:
    """The verdict on one drive.

    :param values: metric type -> newest value, in the catalogue's units.
    :param growth: of values whose history is known.
    :param gaps: what should have been said and was not; with one, a drive is never ``ok``.
    """
    solid = _is_solid(values, drive)
    values = _without_hot_air(values)
    reasons = [
        reason
        for rule in RULES
        if _applies(rule, drive, solid)
        and rule.metric in values
        and (reason := _reason(rule, values, drive, (growth or {}).get(rule.metric)))
    ]
    reasons += _spare(values)
    said: list[State] = [each.severity for each in reasons]
    state: State = max(said, key=RANK.__getitem__, default="ok")
    if state == "ok":
        missing = list(gaps)
        if not values.keys() & EVIDENCE:
            missing.append("none of the counters that could bear out that it is well")
        if missing:
            state = "unknown"
            text = f"not known to be well: {'; '.join(missing)}"
            reasons.append(SmartReason("", "", None, None, "unknown", text, READ_AGAIN))
    reasons.sort(key=_worst_first)
    hazards: dict[str, float] = {}
    for rule in RULES:
        if rule.metric in values and _applies(rule, drive, solid):
            found = hazard_of(rule, values[rule.metric], (growth or {}).get(rule.metric))
            cause = rule.same or rule.metric
            hazards[cause] = max(found, hazards.get(cause, 0.0))
    hazard = sum(hazards.values())
    return Verdict(state, _risk(state, reasons, values, drive, solid), tuple(reasons), hazard)


def _worst_first(reason: SmartReason) -> tuple[float, bool, float]:
    """Sort key: severity, then the drive's own word, then by what becomes of such drives."""
    rate = reason.risk.rate if reason.risk else 0.0
    return -RANK[reason.severity], reason.metric not in OWN_WORDS, -rate


def _is_solid(values: Mapping[str, float], drive: Drive) -> bool:
    if drive.rotation_rpm is not None:
        return drive.rotation_rpm == 0
    return drive.protocol == "NVMe" or bool(values.keys() & _OF_FLASH)


def _without_hot_air(values: Mapping[str, float]) -> Mapping[str, float]:
    """An NVMe drive fails its overall health for any warning bit, also for temperature alone."""
    bits = [name for name in _DAMAGE_BITS if name in values]
    if bits and values.get("TemperatureOutOfRange") and not any(values[name] for name in bits):
        return {name: value for name, value in values.items() if name != "SmartFailing"}
    return values


def _applies(rule: Rule, drive: Drive, solid: bool) -> bool:
    if rule.protocol and drive.protocol not in (None, rule.protocol):
        return False
    return rule.on == "any" or (rule.on == "solid") == solid


def _reason(
    rule: Rule, values: Mapping[str, float], drive: Drive, growth: Growth | None
) -> SmartReason | None:
    """Why a value is worth a word, or None."""
    value = values[rule.metric]
    severity, limit = _by_level(rule, value)
    if severity is None and (growth is None or rule.grew is None):
        return None
    said = _words(rule, value)
    names = getattr(drive, _NAMED.get(rule.metric, ""), None)
    said += f": {names}" if names else ""
    if rule.age in values:
        said += f" ({values[rule.age]:,.0f} hours of power ago)"
    if severity is not None and rule.settles and growth is not None and _has_settled(growth):
        severity = _STEPS[max(0, _STEPS.index(severity) - 1)]
        said += f", none of them new within {growth.days:.0f} days"
    if growth is not None and rule.grew is not None:
        grown = _by_growth(rule, growth)
        said += _more(growth)
        if grown is not None and (severity is None or RANK[grown] > RANK[severity]):
            severity = grown
    if severity is None:
        return None
    risk = None
    if rule.rates and drive.protocol in (None, "ATA"):
        risk = next((each for each in reversed(rule.rates) if value >= each.since), None)
    if risk is not None:
        likely, low, high = (100 * each for each in risk.probability)
        said += f"; drives like this fail at about {likely:.0f} % a year ({low:.0f}-{high:.0f} %)"
    do = REPLACE if severity == "critical" and rule.surged is not None else rule.do
    return SmartReason(rule.metric, rule.attribute, value, limit, severity, said, do, risk)


def _by_level(rule: Rule, value: float) -> tuple[State | None, float | None]:
    levels: tuple[tuple[State, float | None], ...]
    levels = ("critical", rule.critical), ("warning", rule.warning), ("ok", rule.note)
    for severity, limit in levels:
        if limit is not None and (value <= limit if rule.bad == "low" else value >= limit):
            return severity, limit
    return None, None


def _by_growth(rule: Rule, growth: Growth) -> State | None:
    if rule.surged is not None and growth.day >= rule.surged:
        return "critical"
    if rule.grew is not None and max(growth.day, growth.month) >= rule.grew:
        return "warning"
    return None


def _has_settled(growth: Growth) -> bool:
    return growth.days >= SETTLED_DAYS and growth.month <= 0


def _more(growth: Growth) -> str:
    if growth.day > 0:
        return f", {growth.day:,.0f} more since yesterday"
    if growth.month > 0:
        return f", {growth.month:,.0f} more within {min(growth.days, SETTLED_DAYS):.0f} days"
    return ""


def _words(rule: Rule, value: float) -> str:
    words = rule.words[0] if value == 1 else rule.words[-1]
    text = words.format(f"{value:,.0f}")
    number = rule.attribute.partition(" ")[0]
    return f"{text} (attribute {rule.attribute})" if number[:1].isdigit() else text


def _spare(values: Mapping[str, float]) -> list[SmartReason]:
    """Spare blocks against the maker's threshold; 10 % where it names none."""
    left = values.get("AvailableSpare")
    if left is None:
        return []
    threshold = values.get("AvailableSpareThreshold") or 10.0
    near = threshold + (100 - threshold) / 4
    if left >= 100 or left > near:
        return []
    severity: State = "critical" if left <= threshold else "warning"
    text = f"{left:.0f} % of its spare blocks left, the maker's threshold is {threshold:.0f} %"
    do = REPLACE if severity == "critical" else "plan a replacement"
    limit = threshold if severity == "critical" else near
    return [
        SmartReason("AvailableSpare", "available spare", left, limit, severity, text, do)
    ]  # fmt: skip


def _risk(
    state: State,
    reasons: Sequence[SmartReason],
    values: Mapping[str, float],
    drive: Drive,
    solid: bool,
) -> Risk | None:
    """The worst of what its values say; they go together, so that they are not added up."""
    worst = max((r.risk for r in reasons if r.risk), key=lambda each: each.rate, default=None)
    if worst is not None:
        return worst
    counted = any(name in values for name in _ROTATING)
    if state in ("ok", "warning") and counted and not solid and drive.protocol in (None, "ATA"):
        return replace(HEALTHY)
    return None
