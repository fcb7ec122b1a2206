"""Row 27: the PromQL that users bring along, evaluated by a real Prometheus on a real gateway."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.gateway_world import World, world
from tests.prometheus_server import prometheus, query
from tests.servers import Server, running
from tests.services import ServiceProcess
from tests.waiting import wait_until

MATCHED, UNMATCHED = 40, 10
START, STAY = datetime.now(UTC) - timedelta(hours=2), timedelta(hours=1)

MEAN = (
    "rate(event_processing_latency_seconds_sum[5m])"
    " / rate(event_processing_latency_seconds_count[5m])"
)
P99 = "histogram_quantile(0.99, rate(event_processing_latency_seconds_bucket[5m]))"


@pytest.fixture(scope="module")
def car_park(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A writer, which matches, and a reader."""
    with world(tmp_path_factory.mktemp("promql")) as made:
        made.start("writer", parking_reorder_seconds=1)
        made.start("reader")
        yield made


@pytest.fixture(scope="module")
def gateways(car_park: World) -> list[ServiceProcess]:
    """Two, side by side."""
    return [car_park.start("gateway") for _ in range(2)]


@pytest.fixture(scope="module")
def scraped(
    car_park: World, gateways: list[ServiceProcess], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A Prometheus that saw the gateways before and after the vehicles came and went."""
    targets = {f"gateway{number}": one.port for number, one in enumerate(gateways)}
    with running(prometheus(tmp_path_factory.mktemp("prometheus"), targets)) as server:
        wait_until(lambda: len(query(server, "matched_events == 0")) == 2)
        come_and_go(car_park)
        total = MATCHED + UNMATCHED
        wait_until(lambda: len(query(server, f"matched_events + unmatched_events == {total}")) == 2)
        # One scrape more, so that a rate sees the rise whole.
        time.sleep(1.5)
        yield server


def come_and_go(car_park: World) -> None:
    """So many vehicles with an entry and an exit, so many with an exit alone."""
    entries = [passage("entry", number, START) for number in range(MATCHED)]
    exits = [passage("exit", number, START + STAY) for number in range(MATCHED + UNMATCHED)]
    car_park.publish("parking.entry", *entries)
    car_park.publish("parking.exit", *exits)


def passage(kind: str, number: int, when: datetime) -> dict[str, str]:
    """One entry or exit, as it is published."""
    moment = (when + timedelta(seconds=number)).isoformat()
    plate = f"KA{number:04}"
    return {"id": f"{kind}-{number}", "vehicle_plate": plate, f"{kind}_date_time": moment}


def test_the_bare_names_agree_with_what_came_and_went(scraped: Server) -> None:
    """At both gateways: each shows the whole, none adds to it."""
    for name, expected in (("matched_events", MATCHED), ("unmatched_events", UNMATCHED)):
        assert [value for _, value in query(scraped, name)] == [expected, expected]


def test_the_mean_latency_is_the_sum_by_the_count(
    scraped: Server, gateways: list[ServiceProcess]
) -> None:
    found = gateways[0].metrics()
    count = found["event_processing_latency_seconds_count"]
    mean = found["event_processing_latency_seconds_sum"] / count
    assert count == MATCHED + UNMATCHED
    assert [value for _, value in query(scraped, MEAN)] == [pytest.approx(mean)] * 2


def test_the_99th_percentile_lies_in_the_bucket_that_holds_it(
    scraped: Server, gateways: list[ServiceProcess]
) -> None:
    buckets = {
        float(name.partition('le="')[2].removesuffix('"}')): count
        for name, count in gateways[0].metrics().items()
        if name.startswith("event_processing_latency_seconds_bucket")
    }
    rank = 0.99 * (MATCHED + UNMATCHED)
    high = min(bound for bound, count in buckets.items() if count >= rank)
    low = max((bound for bound in buckets if bound < high), default=0.0)
    for _, value in query(scraped, P99):
        assert low < value <= high


def test_our_rules_record_the_same(scraped: Server) -> None:
    wait_until(lambda: len(query(scraped, "parking:event_processing_latency_seconds:p99_5m")) == 2)


def test_a_gateway_that_is_started_anew_shows_the_same_counts(
    car_park: World, scraped: Server
) -> None:
    found = car_park.start("gateway").metrics()
    assert (found["matched_events"], found["unmatched_events"]) == (MATCHED, UNMATCHED)
