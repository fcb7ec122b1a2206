"""``audit``: is everything that was acknowledged stored? Names what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field, model_validator

from reader.answering.context import Answer, Query, QueryContext
from reader.answering.params import Minutes, Params, Time
from reader.lookups.ledger_evidence import STREAMS, Evidence, gather
from spindle import subjects, timestamps
from spindle.ledger import comparison
from spindle.ledger.comparison import Claim, StreamNow, Window
from spindle.ledger.record import STEP_NS, Record
from spindle.ledger.spans import Span
from spindle.store.base import Store
from spindle.timestamps import NS

_MEASUREMENTS = {
    subjects.METRICS_STREAM: subjects.DEVICE_METRICS,
    subjects.EVENTS_STREAM: subjects.EVENTS_MEASUREMENT,
    subjects.PARKING_SUMMARIES_STREAM: subjects.PARKING_VISITS,
}
_MOST_ROWS = 100


class AuditParams(Params):
    """Parameters of ``audit``."""

    window_minutes: Minutes = Field(60.0, description="how far back, in minutes")
    since: Time | None = Field(None, description="from this time on, instead of window_minutes")
    until: Time | None = Field(None, description="up to this time; default now")

    @model_validator(mode="after")
    def _in_order(self) -> AuditParams:
        if self.since and self.until and self.since_ns(0) > timestamps.parse(self.until):
            raise ValueError("since: expected a time before until")
        return self

    def since_ns(self, until_ns: int) -> int:
        """The window's beginning, in nanoseconds."""
        if self.since is not None:
            return timestamps.parse(self.since)
        return max(0, until_ns - int(self.window_minutes * 60 * NS))

    def window(self, now_ns: int) -> Window:
        """What is audited."""
        until_ns = timestamps.parse(self.until) if self.until else now_ns
        return Window(self.since_ns(until_ns), until_ns)


async def _audit(context: QueryContext, asked: AuditParams) -> Answer:
    evidence = await gather(context.nats)
    window = asked.window(context.now_ns)
    oldest_ns = kept_since_ns(context.settings.retention_hours, context.now_ns)
    data = await compare(evidence, context.store, window, oldest_ns)
    cut = len(data["missing"]) > _MOST_ROWS
    data["missing"] = data["missing"][:_MOST_ROWS]
    return Answer(data, truncated=cut)


def kept_since_ns(retention_hours: float, now_ns: int) -> int:
    """What is older need not be in the store; with a margin, for what is about to expire."""
    return now_ns - int(retention_hours * 3600 * NS) + STEP_NS if retention_hours else 0


async def compare(
    evidence: Evidence, store: Store, window: Window, oldest_ns: int = 0
) -> dict[str, Any]:
    """The answer's ``data``.

    :param oldest_ns: what is older need not be in the store any more.
    """
    missing: list[dict[str, Any]] = []
    streams, publishers, held = [], [], []
    for stream in STREAMS:
        now, noted = evidence.streams[stream], evidence.records.get(stream)
        if noted is None:
            if now.state.last:
                what = f"{stream}: no writer has noted what became of it"
                missing.append(_row(stream, "record", "", None, what))
            continue
        lost = list(comparison.lost_sequences(noted, now, window))
        missing += [_of_sequences(stream, span) for span in lost]
        streams.append(_stream_row(stream, noted, now, lost))
        for claim in evidence.claims.get(stream, ()):
            gone, waiting = comparison.lost_points(noted, claim, now, window)
            missing += [_of_points(stream, claim.publisher, span) for span in gone]
            if gone or claim.time_ns >= window.since_ns:
                publishers.append(_publisher_row(stream, claim, noted, gone, waiting))
        if stream in _MEASUREMENTS:
            row, short = await _stored(stream, noted, store, window, oldest_ns)
            held.append(row)
            missing += short
    return {
        "complete": not missing,
        "since": timestamps.format_ns(window.since_ns),
        "until": timestamps.format_ns(window.until_ns),
        "missing": missing,
        "streams": streams,
        "publishers": publishers,
        "store": held,
    }


def _stream_row(stream: str, noted: Record, now: StreamNow, lost: Sequence[Span]) -> dict[str, Any]:
    return {
        "stream": stream,
        "messages_dealt_with": sum(life.done.size for life in noted.lives),
        "waiting": comparison.waiting_sequences(noted, now),
        "missing": sum(span.size for span in lost),
        "noted_since": timestamps.format_ns(noted.since_ns),
        "made_anew": [timestamps.format_ns(life.born_ns) for life in noted.lives[1:]],
    }


def _publisher_row(
    stream: str, claim: Claim, noted: Record, gone: Sequence[Span], waiting: int
) -> dict[str, Any]:
    known = noted.numbers.get(claim.publisher)
    return {
        "publisher": claim.publisher,
        "stream": stream,
        "points_acknowledged": claim.points.size,
        "points_dealt_with": known.size if known else 0,
        "waiting": waiting,
        "missing": sum(span.size for span in gone),
    }


async def _stored(
    stream: str, noted: Record, store: Store, window: Window, oldest_ns: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    measurement = _MEASUREMENTS[stream]
    stored = comparison.steps_between(noted, window, oldest_ns)
    held: dict[int, int] = {}
    if stored:
        # One step more: InfluxDB keeps an event, or a visit, a little after its time.
        start_ns, end_ns = min(stored), max(stored) + 2 * STEP_NS
        held = await store.held(measurement, start_ns, end_ns, STEP_NS)
    if measurement != subjects.DEVICE_METRICS and stored:
        whole = {0: sum(stored.values())}, {0: sum(held.values())}
        lacks = sum(comparison.shortfall(*whole).values())
        between = stored
    else:
        between = comparison.shortfall(stored, held)
        lacks = sum(between.values())
    row = {
        "measurement": measurement,
        "stored": sum(stored.values()),
        "held": sum(held.get(step, 0) for step in stored),
        "missing": lacks,
    }
    if not lacks:
        return row, []
    span = Span(0, lacks - 1, min(between), max(between) + STEP_NS)
    what = (
        f"{measurement}: the store lacks {lacks:,} of the points that were stored with "
        f"times from {timestamps.format_ns(span.first_ns)} to {timestamps.format_ns(span.last_ns)}"
    )
    return row, [_row(stream, "store", "", span, what)]


def _of_sequences(stream: str, span: Span) -> dict[str, Any]:
    what = (
        f"{stream}: messages {span.low} to {span.high} ({span.size:,}) are gone from the stream "
        "and were neither stored nor dead-lettered: deleted, purged or expired there"
    )
    return _row(stream, "messages", "", span, what)


def _of_points(stream: str, publisher: str, span: Span) -> dict[str, Any]:
    what = (
        f"{publisher}: its points {span.low} to {span.high} ({span.size:,}) were acknowledged by "
        f"{stream} and neither stored nor dead-lettered"
    )
    return _row(stream, "points", publisher, span, what)


def _row(stream: str, kind: str, publisher: str, span: Span | None, what: str) -> dict[str, Any]:
    return {
        "stream": stream,
        "kind": kind,
        "publisher": publisher or None,
        "from": span.low if span and kind != "store" else None,
        "to": span.high if span and kind != "store" else None,
        "count": span.size if span else None,
        "since": timestamps.format_ns(span.first_ns) if span else None,
        "until": timestamps.format_ns(span.last_ns) if span else None,
        "message": what,
    }


_EXAMPLE_REPLY = """
{"status": "success", "data": {"complete": false, "since": "2026-01-31T11:00:00Z",
"until": "2026-01-31T12:00:00Z", "missing": [{"stream": "METRICS", "kind": "messages",
"publisher": null, "from": 2001, "to": 4000, "count": 2000, "since": "2026-01-31T11:40:12.5Z",
"until": "2026-01-31T11:41:00.25Z", "message": "METRICS: messages 2001 to 4000 (2,000) are gone from
 the stream and were neither stored nor dead-lettered: deleted, purged or expired there"}],
"streams": [{"stream": "METRICS", "messages_dealt_with": 5120, "waiting": 0, "missing": 2000,
"noted_since": "2026-01-30T09:00:00Z", "made_anew": []}],
"publishers": [{"publisher": "daemon-host-3f2a9c1b7e", "stream": "METRICS",
"points_acknowledged": 61440, "points_dealt_with": 61440, "waiting": 0, "missing": 0}],
"store": [{"measurement": "device_metrics", "stored": 58100, "held": 58100, "missing": 0}]}}
""".replace("\n", "")

QUESTIONS = (
    Query(
        name="audit",
        description="Is everything that was acknowledged stored? Names what is missing.",
        params=AuditParams,
        reply="{complete, since, until, missing, streams, publishers, store}; missing: a list of "
        "{stream, kind, publisher, from, to, count, since, until, message}, of kind messages "
        "(sequences of the stream), points (a publisher's numbers), store or record",
        example={"since": "2026-01-31T11:00:00Z", "until": "2026-01-31T12:00:00Z"},
        example_reply=_EXAMPLE_REPLY,
        handler=_audit,
    ),
)
