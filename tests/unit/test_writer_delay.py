"""How long stored messages took, by NATS's own time of each."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Histogram

from spindle.timestamps import NS
from writer.storing.batch import Delivery
from writer.storing.delay import BUCKETS, RECENT_SECONDS, Delay


class World:
    """A delay and the two clocks that it reads."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.now = 1_000.0
        histogram = Histogram("delay", "", registry=self.registry, buckets=BUCKETS)
        self.delay = Delay(histogram, lambda: int(self.now * NS), lambda: self.now)

    def stored(self, *ages: float) -> None:
        """A batch of messages of such ages is stored now."""
        times = [int((self.now - age) * NS) for age in ages]
        replies = [f"$JS.ACK.METRICS.writer.1.{n}.{n}.{ns}.0" for n, ns in enumerate(times)]
        self.delay.stored([Delivery("events", each, b"", redelivered=False) for each in replies])

    def counted(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"delay_{name}", labels)


def test_of_a_batch_the_first_and_the_last_message_are_measured() -> None:
    world = World()
    world.stored(3.0, 2.0, 1.5, 0.5)
    assert [world.counted(name) for name in ("count", "sum")] == pytest.approx([2.0, 3.5])
    world.stored(0.125)  # is both
    assert [world.counted(name) for name in ("count", "sum")] == pytest.approx([3.0, 3.625])
    assert world.counted("bucket", le="0.15") == 1.0


def test_the_median_and_the_slowest_of_a_hundred_are_those_of_the_last_minute() -> None:
    world = World()
    world.stored(40.0)
    world.now += RECENT_SECONDS + 1
    assert world.delay.recent() == {}
    for _ in range(150):
        world.stored(0.1)
    world.stored(9.0, 8.0)
    assert world.delay.recent() == {"latency_p50_seconds": 0.1, "latency_p99_seconds": 8.0}


def test_a_message_from_a_clock_that_is_ahead_took_no_time() -> None:
    world = World()
    world.stored(-2.0)
    assert world.delay.recent() == {"latency_p50_seconds": 0.0, "latency_p99_seconds": 0.0}
