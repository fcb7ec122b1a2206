"""What ``/healthz`` says of a service's parts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

import pytest

from spindle.errors import StoreError, StoreUnavailable
from spindle.service.health import Health
from writer.storing.batch import Delivery, Limits, Mistake
from writer.storing.journal import Journal
from writer.storing.pipeline import Pipeline


def part(health: Health, name: str = "store") -> str:
    parts = health.report()["parts"]
    assert isinstance(parts, dict)
    return str(parts[name])


def test_a_part_starts_until_somebody_reports_on_it() -> None:
    health = Health("writer", ["nats", "store"])
    assert (part(health), health.healthy) == ("starting", False)
    health.ok("store", "METRICS")
    assert (part(health), part(health, "nats")) == ("ok", "starting")


def test_a_part_works_when_it_works_for_all_who_report_on_it() -> None:
    health = Health("writer", ["store"])
    health.failing("store", "refuses", "METRICS")
    health.ok("store", "EVENTS")
    health.ok("store")
    assert (part(health), health.healthy) == ("refuses", False)
    health.ok("store", "METRICS")
    assert (part(health), health.healthy) == ("ok", True)


def test_who_reports_is_told_where_the_reasons_differ() -> None:
    health = Health("writer")
    health.failing("store", "is away", "METRICS")
    health.failing("store", "is away", "EVENTS")
    assert part(health) == "is away"
    health.failing("store", "refuses", "METRICS")
    assert part(health) == "EVENTS: is away; METRICS: refuses"


def test_what_is_known_already_is_not_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    health = Health("writer", ["store"])
    for by in ("METRICS", "EVENTS", "METRICS"):
        health.failing("store", "is away", by)
    for by in ("METRICS", "EVENTS", "METRICS"):
        health.ok("store", by)
    assert [record.getMessage() for record in caplog.records] == ["store: is away", "store: ok"]


class Takes:
    def decode(self, payload: bytes, latest_ns: int) -> tuple[list[bytes], list[Mistake]]:
        return [payload], []


def pipelines(
    events_answers: Callable[[], StoreError], health: Health
) -> tuple[Pipeline[bytes], Pipeline[bytes]]:
    """Of metrics, which the store takes, and of events, which it does not."""

    async def stores(points: Sequence[bytes]) -> None:
        pass

    async def fails(points: Sequence[bytes]) -> None:
        raise events_answers()

    limits, now_ns = Limits(lease=1e9), time.time_ns
    metrics, events = (
        Pipeline(Journal(stream, health), Takes(), write, limits, health, now_ns)
        for stream, write in (("METRICS", stores), ("EVENTS", fails))
    )
    for pipeline in (metrics, events):
        message = Delivery("events", "reply", b"", redelivered=False)
        pipeline.core.take(message, [b"point"], [], now=0.0)
    return metrics, events


async def store(pipeline: Pipeline[bytes]) -> None:
    write = pipeline.core.next_write(now=1e6)
    assert write is not None
    await pipeline._store(write)


async def test_a_pipeline_that_stores_does_not_hide_that_another_cannot() -> None:
    health = Health("writer", ["store"])
    metrics, events = pipelines(lambda: StoreUnavailable("the events' shard is away"), health)
    for pipeline in (events, metrics):
        await store(pipeline)
    assert part(health) == "the events' shard is away"


async def test_a_pipeline_that_stores_ends_the_long_pause_of_another() -> None:
    metrics, events = pipelines(lambda: StoreUnavailable("away"), Health("writer", ["store"]))
    metrics.others = [events]
    for _ in range(12):
        await store(events)
    assert (events.core.wake_at() or 0.0) > time.monotonic() + 5
    events._changed.clear()
    await store(metrics)
    assert events._changed.is_set()
    assert (events.core.wake_at() or 0.0) <= time.monotonic() + 1
