"""Every question the reader answers, declared once.

Dispatch, the sentences of refusals, the micro endpoints and their metadata and the manual are all
made from ``QUERIES``: a new question is one more entry here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from nats.aio.client import Client

from reader import alerts, anomaly_temperature, devices, health, ledger, params, series
from reader.settings import ReaderSettings
from spindle.errors import InvalidQuery
from spindle.models import shown
from spindle.store.base import Selection, Store
from spindle.timestamps import NS

P = TypeVar("P", bound=params.Params)

_SUMMARISED = 10_000  # events that the summary of alerts counts at most
_EVENT_ONLY = 2_000  # newest events looked through for devices that send no metrics
_RAW_UNITS = 50  # a class of more units is compared by steps, not reading by reading
_MOST_STEPS = 100_000  # rows of one answer of the store


@dataclass(frozen=True, slots=True)
class Sources:
    """Where answers come from, at the moment of one question."""

    store: Store
    nats: Client
    settings: ReaderSettings
    now_ns: int

    def ago(self, seconds: float) -> int:
        """So many seconds ago, in nanoseconds since the epoch."""
        return max(0, self.now_ns - int(seconds * NS))

    @property
    def end_ns(self) -> int:
        """Past the latest timestamp that is accepted now: clocks differ."""
        return self.now_ns + int(self.settings.max_future_seconds * NS) + 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found.

    :ivar data: a list or an object, always the same of the two for one query type.
    :ivar beside: what the reply carries beside ``data``.
    :ivar truncated: the list goes on where ``data`` ends.
    """

    data: list[dict[str, Any]] | dict[str, Any]
    beside: Mapping[str, Any] = field(default_factory=dict)
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Query(Generic[P]):
    """One query type.

    :ivar description: one sentence.
    :ivar reply: what ``data`` is, for the manual.
    :ivar example: params of a typical question.
    :ivar needs_store: False where the store plays no part in the answer.
    """

    name: str
    description: str
    params: type[P]
    reply: str
    example: Mapping[str, Any]
    handler: Callable[[Sources, P], Awaitable[Answer]]
    needs_store: bool = True


async def _alerts_critical(at: Sources, asked: params.AlertsParams) -> Answer:
    page_end = asked.offset + asked.limit
    found = await at.store.events(
        Selection(asked.source_device, asked.device_id),
        at.ago(asked.since_minutes * 60),
        asked.min_criticality,
        limit=max(_SUMMARISED, page_end) + 1,
    )
    page = found[asked.offset : page_end]
    return Answer(alerts.rows(page), {"summary": alerts.summary(found)}, page_end < len(found))


async def _device_health(at: Sources, asked: params.HealthParams) -> Answer:
    which = Selection(asked.source_device, asked.device_id)
    settings = at.settings
    readings = await at.store.latest(which, at.ago(settings.reader_lookback_hours * 3600))
    events = await at.store.events(
        which, at.ago(settings.reader_event_minutes * 60), health.CRITICAL_EVENT
    )
    units = health.judge(readings, events, at.now_ns, int(settings.reader_stale_seconds * NS))
    return Answer(
        health.answer(asked.device, asked.source_device, units, settings.reader_lookback_hours)
    )


async def _anomaly_temperature(at: Sources, asked: params.TemperatureParams) -> Answer:
    which = Selection(asked.source_device, asked.device_id, None, anomaly_temperature.METRIC)
    start = at.ago(asked.window_minutes * 60)
    units = len(await at.store.latest(which, start))
    steps = []
    if units <= _RAW_UNITS:
        steps = await at.store.series(which, start, at.end_ns, None, _MOST_STEPS)
    if units > _RAW_UNITS or len(steps) == _MOST_STEPS:
        per_unit = max(2, min(60, _MOST_STEPS // max(1, units) - 1))
        every = max(1, (at.now_ns - start) // per_unit)
        steps = await at.store.series(which, start, at.end_ns, every, _MOST_STEPS)
    return Answer(
        anomaly_temperature.answer(asked.device, steps, asked.threshold, asked.window_minutes)
    )


async def _devices(at: Sources, asked: params.DevicesParams) -> Answer:
    which = Selection(asked.source_device, asked.device_id, asked.array_id)
    minutes = asked.since_minutes or at.settings.reader_lookback_hours * 60
    since = at.ago(minutes * 60)
    readings = await at.store.latest(which, since)
    events = await at.store.events(which, since, limit=_EVENT_ONLY)
    found = devices.rows(readings, events)
    return Answer(found[: asked.limit], truncated=len(found) > asked.limit)


async def _series(at: Sources, asked: params.SeriesParams) -> Answer:
    which = Selection(asked.source_device, asked.device_id, None, asked.metric_type)
    steps = await at.store.series(
        which,
        at.ago(asked.since_minutes * 60),
        at.end_ns,
        max(1, int(asked.every_seconds * NS)) if asked.every_seconds else None,
        limit=asked.limit + 1,
    )
    return Answer(series.rows(steps[: asked.limit]), truncated=len(steps) > asked.limit)


async def _ledger(at: Sources, _asked: params.Params) -> Answer:
    return Answer(ledger.total(await ledger.gather(at.nats)))


QUERIES: Mapping[str, Query[Any]] = {
    query.name: query
    for query in (
        Query(
            "alerts_critical",
            "Critical events of the last minutes, newest first, and how many each class had.",
            params.AlertsParams,
            "a list of {time, event_id, source_device, event_type, criticality, device_id, "
            "array_id, event_message}, and beside it `summary`: a list of {source_device, "
            "critical_event_count}",
            {"since_minutes": 60, "min_criticality": 8},
            _alerts_critical,
        ),
        Query(
            "device_health",
            "Is a device, or the worst of a class of devices, ok, warning, critical or unknown?",
            params.HealthParams,
            "{device, health, source_device, last_seen, counts, reasons}",
            {"source_device": "DiskUnit"},
            _device_health,
        ),
        Query(
            "anomaly_temperature",
            "Has the temperature of a device, or of any in a class, risen too much?",
            params.TemperatureParams,
            "{device, initial_temp, latest_temp, ratio, anomaly, reason, source_device, "
            "devices_compared, devices_anomalous}; nulls and a reason where readings are too few",
            {"source_device": "DiskUnit", "threshold": 1.3, "window_minutes": 20},
            _anomaly_temperature,
        ),
        Query(
            "devices",
            "What is known: every device with when it was last seen and its latest readings.",
            params.DevicesParams,
            "a list of {device_id, source_device, array_id, last_seen, metrics}, metrics holding "
            "{value, unit, time} per metric type",
            {"source_device": "DiskUnit"},
            _devices,
        ),
        Query(
            "series",
            "A device's readings over time: mean, least and most of each step.",
            params.SeriesParams,
            "a list of {time, device_id, source_device, array_id, metric_type, unit, mean, min, "
            "max, count}, oldest first within each series",
            {"source_device": "DiskUnit", "metric_type": "DiskTemp", "every_seconds": 60},
            _series,
        ),
        Query(
            "ledger",
            "What became of every point: received = stored + dead_lettered + in_flight.",
            params.Params,
            "{writers, received, stored, duplicates, dead_lettered, in_flight, pending, adds_up, "
            "broker_fsync, streams}, in points since each writer's start (pending: messages)",
            {},
            _ledger,
            needs_store=False,
        ),
    )
}


def find(name: object) -> Query[Any]:
    """The query type of that name.

    :raises InvalidQuery: with the list of what exists.
    """
    query = QUERIES.get(name) if isinstance(name, str) else None
    if query is None:
        raise InvalidQuery(f"query_type: given {shown(name)}, expected one of {', '.join(QUERIES)}")
    return query
