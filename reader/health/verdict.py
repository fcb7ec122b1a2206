"""Is a device well? Readings, critical events and findings in, a judged unit with its reasons out.

A unit is *critical* when a limit of that kind holds (``limits.held_since``), when it sent an event
of criticality 8 or more lately, or when a finding says so. It is in *warning* for the same causes
of less weight, or when no reading came for some of its usual intervals, and *unknown* when none
came for many. Else it is *ok*.

An event counts for ``READER_EVENT_MINUTES``, or until readings that showed the same trouble show
that it is over (``recovery``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from reader.detection.findings import RANK, State
from reader.health import decisions, recovery, smart_evidence
from reader.health import reasons as why
from reader.health.evidence import Evidence, Rules, Unit, event_key, last_state
from reader.health.hosts import Heard, apart, is_own
from reader.health.limits import Limit, Limits, held_since
from reader.health.reasons import Reason, worst_first
from reader.health.recovery import CALM_NS, Recovery
from reader.health.smart import Drive
from reader.health.smart_rules import Growth
from spindle import catalog, timestamps
from spindle.store.base import Bucket, EventRow, Latest
from spindle.timestamps import NS

AROUND_NS = recovery.AROUND_NS
WARN_INTERVALS, UNKNOWN_INTERVALS = 3, 10  # without a reading
GLITCH_NS = 10 * NS  #: in which one good reading shows that a sensor still works
UNSURE_NS, SMART_UNSURE_NS = 7200 * NS, 90_000 * NS
"""Silence of a device that has not reported often enough to tell how often it does; of one that is
asked for its SMART values, which may be once a day: ``SMART_INTERVAL_SECONDS``."""
REBUILT_NS = 60 * NS  # an array that says no more how far it is has been rebuilt
_LOST = ("MissingMembers", "FailedMembers")
_OF_ARRAYS = frozenset(("RebuildProgress", *_LOST))
WARN_SHARE = 0.25  # of the time after which a silent device is unknown it is a warning

#: Score by state: of one reason, and the least.
_SCORES: Mapping[State, tuple[int, int]] = {
    "ok": (100, 70),
    "warning": (65, 41),
    "unknown": (40, 40),
    "critical": (30, 0),
}


_Name = tuple[str, str]  # class and device id: of one unit, or of several


def judge(evidence: Evidence, rules: Rules, now_ns: int) -> list[Unit]:
    """Every unit that the evidence speaks of, in the order of class and device id."""
    read: defaultdict[_Name, list[Latest]] = defaultdict(list)
    late: defaultdict[_Name, list[Latest]] = defaultdict(list)
    happened: defaultdict[_Name, list[EventRow]] = defaultdict(list)
    for reading in evidence.readings:
        read[reading.source_device, reading.device_id].append(reading)
    for event in evidence.events:
        if event.event_type not in why.OWN_EVENTS:
            happened[event.source_device, event.device_id].append(event)
    for reading in evidence.ahead.values():
        late[reading.source_device, reading.device_id].append(reading)
    needs_more = evidence.buckets, evidence.previous_state, evidence.findings, evidence.silences
    closer = {key[:2] for known in needs_more for key in known} | happened.keys() | late.keys()
    closer |= evidence.retired.keys()
    units = []
    for name in sorted(read.keys() | happened.keys() | late.keys()):
        several = apart(read.get(name, ()), happened.get(name, ()), late.get(name, ()))
        for heard in several:
            unit = None if name in closer else _plainly_well(heard, rules, now_ns)
            unit = unit or _Judgement(heard, evidence, rules, now_ns).unit()
            units.append(unit if len(several) == 1 else _with_its_host_named(unit))
    return units


def _with_its_host_named(unit: Unit) -> Unit:
    """Of several devices of one name each reason says which it speaks of."""
    where = unit.array_id or "no array"
    named = (replace(r, message=f"{where}: {r.message}") for r in unit.reasons)
    return replace(unit, reasons=tuple(named))


def all_plainly_well(evidence: Evidence, rules: Rules, now_ns: int) -> list[Unit] | None:
    """What ``judge`` says when the newest readings alone show every unit to be well; else None.

    For questions about one device, nearly all of which are about one that is well.
    """
    keys = {reading.device for reading in evidence.readings}
    if (
        evidence.events
        or evidence.ahead
        or any(
            last_state(evidence.previous_state, key)
            or key in evidence.findings
            or key in evidence.silences
            or key[:2] in evidence.retired
            for key in keys
        )
    ):
        return None
    units = []
    for name in sorted({key[:2] for key in keys}):
        own = [each for each in evidence.readings if (each.source_device, each.device_id) == name]
        for heard in apart(own):
            unit = _plainly_well(heard, rules, now_ns)
            if unit is None:
                return None
            units.append(unit)
    return units


def _plainly_well(heard: Heard, rules: Rules, now_ns: int) -> Unit | None:
    """The unit when its newest readings alone show it to be well (nearly all are); else None."""
    limits_of = rules.limits_of
    newest, said = heard.readings[0], False
    for reading in heard.readings:
        limits = limits_of(reading.metric_type, heard.key)
        if limits is not None and limits.may_hold(reading.value):
            return None
        if not catalog.is_possible(reading.metric_type, reading.value):
            return None
        metric_type = reading.metric_type
        if metric_type in _OF_ARRAYS or smart_evidence.may_matter(metric_type, reading.value):
            return None
        said = said or reading.metric_type == "SmartFailing"
        if reading.time_ns > newest.time_ns:
            newest = reading
    if now_ns - newest.time_ns > rules.stale_ns * WARN_SHARE:
        return None
    if said and not smart_evidence.is_borne_out(heard.readings):
        return None
    seen = newest.time_ns
    return Unit(*heard.key, "ok", 100, None, seen, (), last_read_ns=seen)


class _Judgement:
    """The verdict on one device in the making."""

    def __init__(self, heard: Heard, evidence: Evidence, rules: Rules, now_ns: int) -> None:
        self.heard, self.key = heard, heard.key
        self.readings, self.events = heard.readings, heard.events
        self.evidence, self.rules, self.now_ns = evidence, rules, now_ns
        self.before = last_state(evidence.previous_state, heard.key)
        self.last_read = max((reading.time_ns for reading in self.readings), default=0)
        self.resolved: tuple[EventRow, ...] = ()
        interval = rules.thresholds.interval(*self.key) or self._usual_interval()
        self.interval = interval or 0.0
        self.unknown_ns = max(rules.stale_ns, int(UNKNOWN_INTERVALS * self.interval * NS))
        self.warn_ns = int(max(rules.stale_ns * WARN_SHARE, WARN_INTERVALS * self.interval * NS))
        if interval == 0.0:
            smart = any(catalog.is_smart(reading.metric_type) for reading in self.readings)
            unsure = SMART_UNSURE_NS if smart else UNSURE_NS
            self.unknown_ns = self.warn_ns = max(rules.stale_ns, unsure)

        said = evidence.acknowledged.get(self.key[:2], ())
        own = is_own(self.key.device_id)  # what is known of such a drive moves with it
        self.known = {e.reason: e for e in said if own or e.array_id == self.key.array_id}

    def _usual_interval(self) -> float | None:
        known = [
            i for key in self.heard.keys if (i := self.evidence.intervals.get(key)) is not None
        ]
        return min((each for each in known if each), default=0.0) if known else None

    def _buckets(self) -> dict[str, list[Bucket]]:
        """Its last minutes by metric type."""
        found: defaultdict[str, list[Bucket]] = defaultdict(list)
        for key in sorted(self.heard.keys):
            for metric_type, buckets in self.evidence.buckets.get(key, {}).items():
                found[metric_type] += buckets
        return found

    def unit(self) -> Unit:
        silent = self.now_ns - self.last_read
        reasons: list[Reason] = []
        if silent <= self.unknown_ns:
            for reading in self.readings:
                reasons += self._from_reading(reading)
            newest = {reading.metric_type: reading.value for reading in self.readings}
            reasons += [
                why.from_finding(found, newest.get(found.metric_type))
                for key in sorted(self.heard.keys)
                for found in self.evidence.findings.get(key, ())
            ]
        reasons += self._from_smart()
        if (progress := self._now("RebuildProgress")) is not None and progress < 100:
            reasons.append(why.rebuilding(self.key, progress, self.last_read))
        if self.readings and silent > self.warn_ns:
            state: State = "unknown" if silent > self.unknown_ns else "warning"
            reasons.append(why.silence(self.key, self.last_read, self.now_ns, self.interval, state))
        elif (silence := self.evidence.silences.get(self.key)) is not None:
            reasons.append(why.silent_lately(self.key, *silence, self.now_ns))
        for late in self.heard.ahead[-1:]:
            right = self.readings and silent <= self.warn_ns
            dated_ns, came_ns = self.evidence.came.get(late.key, (0, 0))
            came = came_ns if dated_ns == late.time_ns else None
            reasons.append(why.clock_ahead(late, came, self.now_ns, "ok" if right else "warning"))
        reasons += self._from_events()
        for each in self.evidence.retired.get(self.key[:2], ()):
            if each.is_of(self.key):
                back = why.back_again(self.key, each.time_ns, each.note, another=each.is_replaced)
                reasons.append(back)
        if self.known:
            reasons = [decisions.applied(each, self.known, self.now_ns) for each in reasons]
        reasons.sort(key=worst_first)
        state = reasons[0].severity if reasons else "ok"
        return self._as_unit(state, tuple(reasons))

    def _as_unit(self, state: State, reasons: tuple[Reason, ...]) -> Unit:
        heard: list[Latest | EventRow] = [*self.readings, *self.events[:1], *self.heard.ahead]
        last_seen = min(max(each.time_ns for each in heard), self.now_ns)
        began = [
            timestamps.parse(reason.since)
            for reason in reasons
            if reason.severity == state != "ok" and reason.since
        ]
        if self.before is not None and self.before.state == state:
            began.append(self.before.since_ns)
        since = min(began, default=None)
        return Unit(
            *self.key,
            state=state,
            score=score(state, reasons),
            since_ns=since,
            last_seen_ns=last_seen,
            reasons=reasons,
            resolved_events=self.resolved,
            last_read_ns=self.last_read,
            silent=bool(self.readings) and self.now_ns - self.last_read > self.warn_ns,
            lost=max((int(self._now(name) or 0) for name in _LOST), default=0),
        )

    def _now(self, metric_type: str) -> float | None:
        """What an array says with its newest readings; what it says no more is over."""
        since = self.last_read - REBUILT_NS
        said = [r for r in self.readings if r.metric_type == metric_type and r.time_ns >= since]
        return said[0].value if said else None

    def _if_broken(self, reading: Latest, metric: catalog.Metric) -> State:
        """One false reading among good ones is no illness; alone it is never well."""
        buckets = self._buckets().get(reading.metric_type, ())
        since = reading.time_ns - GLITCH_NS
        good = any(each.time_ns >= since and metric.is_possible(each.mean) for each in buckets)
        return "ok" if good else "warning"

    def _from_reading(self, reading: Latest) -> list[Reason]:
        metric = catalog.metric(reading.metric_type)
        if metric is not None and not metric.is_possible(reading.value):
            return [why.impossible(reading, metric, self._if_broken(reading, metric))]
        limits = self.rules.limits_of(reading.metric_type, self.key)
        if limits is None or self.now_ns - reading.time_ns > self.unknown_ns:
            return []
        looked_at = self._buckets().get(reading.metric_type, ())
        buckets = [
            each
            for each in looked_at
            if each.array_id == reading.array_id
            and (metric is None or any(map(metric.is_possible, (each.minimum, each.maximum))))
        ]
        by_severity: dict[State, Limit | None]
        by_severity = {"critical": limits.critical, "warning": limits.warning}
        for severity, limit in by_severity.items():
            if limit is None:
                continue
            if buckets:
                since = held_since(buckets, limits, limit, reading.time_ns)
            else:
                since = self._held_by_one(reading, limits, limit, severity)
            if since is not None:
                return [
                    why.reading_past_limit(reading, limits, severity, limit, since, self.now_ns)
                ]
        return []

    def _from_smart(self) -> list[Reason]:
        """What the drive says itself: of a drive that has fallen silent, still its last word."""
        matters = any(smart_evidence.may_matter(r.metric_type, r.value) for r in self.readings)
        if not matters and smart_evidence.is_borne_out(self.readings):
            return []
        growths: dict[str, Growth] = {}
        for key in self.heard.keys:
            growths.update(self.evidence.growths.get(key, {}))
        drive = self.rules.drive_of(self.key) or Drive()
        possible = [r for r in self.readings if catalog.is_possible(r.metric_type, r.value)]
        return smart_evidence.reasons(self.key, possible, growths, drive, self.now_ns)

    def _held_by_one(
        self, reading: Latest, limits: Limits, limit: Limit, severity: State
    ) -> int | None:
        """Since when the limit holds, where only the newest reading is known.

        Between ``leave`` and ``enter`` the previous state decides.
        """
        before = self.before
        was = before is not None and RANK[before.state] >= RANK[severity]
        if limits.reached(reading.value, limit.leave if was else limit.enter):
            return before.since_ns if before is not None and was else reading.time_ns
        return None

    def _is_back(self, event: EventRow) -> bool:
        """Whether it was gone and has reported since."""
        return event.event_type == catalog.DRIVE_GONE and self.last_read > event.time_ns + NS

    def _from_events(self) -> list[Reason]:
        """One reason for all events: the worst of the newest, since the first of all."""
        if not self.events:
            return []
        lately = [e for e in self.events if self.rules.is_recent(e, self.now_ns)]
        recovery = Recovery(
            self._buckets(),
            lambda metric_type: self.rules.limits_of(metric_type, self.key),
        )
        known = self.evidence.resolved_events
        self.resolved = tuple(
            e for e in lately if event_key(e) in known or self._is_back(e) or recovery.resolves(e)
        )
        lasting = [event for event in lately if event not in self.resolved]
        counted = [event for event in lasting if not self._is_acknowledged(event)] or lasting
        severity: State = "critical" if counted else "ok"
        among = counted or lately or self.events
        recent = [e for e in among if among[0].time_ns - e.time_ns <= CALM_NS]
        told = max(recent, key=lambda event: (event.criticality, event.time_ns))
        return [why.critical_event(told, among[-1].time_ns, severity, self.now_ns)]

    def _is_acknowledged(self, event: EventRow) -> bool:
        """So that what somebody knows of does not stand before another event."""
        said = self.known.get(event.event_type)
        return said is not None and event.time_ns <= said.time_ns


def score(state: State, reasons: Sequence[Reason]) -> int:
    """0 to 100: critical up to 30, unknown 40, warning 41 to 65, ok from 70.

    Every further reason costs 5, a value past its limit up to 10 more: twice the limit costs all.
    """
    most, least = _SCORES[state]
    if not reasons:
        return most
    cost = 5.0 * len(reasons) if state == "ok" else 5.0 * (len(reasons) - 1)
    first = reasons[0]
    if state != "ok" and first.value and first.limit:
        cost += 10 * min(1.0, abs(first.value / first.limit - 1))
    return round(max(least, most - cost))
