"""The gateway as a service: without NATS, with a port that is taken, frozen, and its metrics."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

from tests.http_calls import call
from tests.integration.gateway_world import VISIT, World, address, world
from tests.services import ServiceProcess


def test_while_nats_is_away_it_is_503_and_all_is_well_when_it_is_back(tmp_path: Path) -> None:
    with world(tmp_path) as alone:
        alone.start("reader", wait=False)
        started = alone.start(
            "gateway", constants={"gateway.routes.manual_visits.PUBLISH_SECONDS": 1.0}
        )
        alone.nats.kill()
        while started.health()["status"] == "ok":
            time.sleep(0.05)
        reply = call(f"{address(started)}/save_summary", VISIT)
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        assert "NATS is away" in reply.message
        assert call(f"{address(started)}/readyz").status == 503
        assert call(f"{address(started)}/healthz").status == 503
        assert call(f"{address(started)}/api/v1/devices").status == 503
        assert call(f"{address(started)}/metrics").status == 200
        alone.nats.start()
        started.wait_healthy()
        assert call(f"{address(started)}/save_summary", VISIT).status == 202
        assert "Traceback" not in started.said()


def test_it_answers_before_nats_is_there_and_stops_when_told(tmp_path: Path) -> None:
    started = ServiceProcess("gateway", tmp_path, nats_url="nats://127.0.0.1:1")
    started.start(wait=False)
    while not started.health():
        time.sleep(0.05)
    assert "NATS is away" in call(f"{address(started)}/readyz").message
    assert call(f"{address(started)}/save_summary", VISIT).status == 503
    metrics = call(f"{address(started)}/metrics").body.decode()
    assert 'gateway_part_ok{part="nats"} 0.0' in metrics
    assert "matched_events" not in metrics  # a zero that is none would look like a fresh counter
    assert started.stop() == 0


def test_a_port_that_is_taken_is_exit_code_3(pipeline: World) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        started = ServiceProcess("gateway", pipeline.folder)
        started.settings["GATEWAY_HTTP_PORT"] = str(holder.getsockname()[1])
        started.start(wait=False)
        assert started.process is not None
        assert started.process.wait(20) == 3
    assert "GATEWAY_HTTP_PORT" in started.said()


def test_requests_are_counted_by_route_and_never_by_what_a_client_makes_up(
    pipeline: World,
) -> None:
    started = pipeline.start("gateway")
    for path in ("nope/1", "nope/2", "api/v1/device_health?source_device=DiskUnit"):
        call(f"{address(started)}/{path}")
    found = started.metrics()
    assert found['gateway_requests_total{route="none",status="404"}'] == 2
    assert found['gateway_requests_total{route="/api/v1/{query_type}",status="200"}'] == 1
    assert found['gateway_request_seconds_count{route="/api/v1/{query_type}"}'] == 1


def test_the_promised_names_of_parking_are_there_and_bare(gateway: str) -> None:
    """Row 27 of the promises."""
    names = {
        line.partition("{")[0].partition(" ")[0]
        for line in call(f"{gateway}/metrics").body.decode().splitlines()
        if not line.startswith("#")
    }
    assert {"matched_events", "unmatched_events"} <= names
    for part in ("bucket", "sum", "count"):
        assert f"event_processing_latency_seconds_{part}" in names


def test_a_gateway_that_was_frozen_goes_on(pipeline: World) -> None:
    started = pipeline.start("gateway")
    started.send(signal.SIGSTOP)
    time.sleep(0.5)
    started.send(signal.SIGCONT)
    assert call(f"{address(started)}/api/v1/devices").status == 200
