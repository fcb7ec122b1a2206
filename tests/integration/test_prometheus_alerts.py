"""Alerts on real services: what they are for is done, and a real Prometheus fires them.

Not ``LedgerDoesNotAddUp``: a ledger that is off would be a defect of the writer, and none is known;
promtool shows that one (``prometheus/tests``).
"""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from spindle import timestamps
from spindle.timestamps import NS
from tests.http_calls import call
from tests.integration.gateway_world import World, world
from tests.prometheus_server import RULES, prometheus, query
from tests.servers import Server, running
from tests.services import ServiceProcess
from tests.waiting import wait_until

WAIT_SECONDS = 120.0  # more than a busy machine takes for any of it
WAITING = 2000  # messages, more than the writer takes and the alert puts up with


class Scene:
    """The services, and the Prometheus that looks at them."""

    def __init__(self, made: World, services: dict[str, ServiceProcess], watch: Server) -> None:
        self.world = made
        self.services = services
        self._watch = watch

    def firing(self) -> set[str]:
        """Of the pipeline, and of devices that are silent; others are ill as it happens."""
        which = 'ALERTS{alertstate="firing", alertname!~"D(evice|rive)(Critical|Warning|Failing)"}'
        found = query(self._watch, which)
        return {labels["alertname"] for labels, _ in found}

    def until(self, true: Callable[[], object]) -> None:
        wait_until(true, WAIT_SECONDS, otherwise=lambda: f"firing: {self.firing()}")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Everything is well, and no alert fires."""
    rules = yaml.safe_load(RULES.read_text())
    for group in rules["groups"]:
        group["interval"] = "1s"
        for rule in group["rules"]:
            rule.pop("for", None)  # a test has no five minutes
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))
    own: dict[str, dict[str, Any]] = {
        "writer": {"store_timeout_seconds": 1, "constants": {"writer.main.HELD_BATCHES": 0.008}},
        "reader": {"reader_stale_seconds": 3},
        "daemon": {
            "generation_interval_seconds": 0.2,
            "daemon_backlog_bytes": 2**20,
            "simulated_disks_per_array": 200,  # which fill it within seconds
        },
        "gateway": {"constants": {"gateway.main.QUERY_SECONDS": 0.2}},
    }
    with world(tmp_path) as made:
        services = {name: made.start(name, wait=False, **more) for name, more in own.items()}
        for service in services.values():
            service.wait_healthy()
        ports = {name: service.port for name, service in services.items()}
        watch = prometheus(tmp_path / "prometheus", ports, tmp_path / "rules.yml")
        with running(watch):
            found = Scene(made, services, watch)
            found.until(lambda: len(query(watch, "up == 1")) == len(ports))
            found.until(lambda: query(watch, "reader_devices > 0"))
            found.until(lambda: not found.firing())
            yield found


@pytest.mark.timeout(600)
def test_alerts_fire_on_what_they_are_for(scene: Scene) -> None:
    assert scene.firing() == set()

    # A device that reports every second, and then no more. Not one of the daemon's: while NATS is
    # frozen it drops readings, so that ten of their usual intervals grow long.
    now = time.time_ns()
    scene.world.publish("events.metrics", [reading(now - ago * NS) for ago in range(10)])

    # A message that can never be stored.
    scene.world.publish("events.metrics", {"value": "no reading"})
    scene.until(lambda: "DeadLettersRising" in scene.firing())

    # Somebody else holds the SQLite file: nothing is stored, and the stream grows.
    holder = sqlite3.connect(scene.world.folder / "spindle.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    scene.world.publish("events.event", *(event(number) for number in range(WAITING)))
    scene.until(lambda: {"StoreRefusing", "ConsumerFallingBehind"} <= scene.firing())
    holder.close()
    scene.until(lambda: "StoreRefusing" not in scene.firing())

    # NATS is frozen: the gateway cannot answer, the daemon's small backlog is full.
    gateway = f"http://127.0.0.1:{scene.services['gateway'].port}"
    scene.world.nats.send(signal.SIGSTOP)
    scene.until(
        lambda: (
            call(f"{gateway}/api/v1/devices").status in (503, 504)
            and "GatewayErrors" in scene.firing()
        )
    )
    scene.world.nats.send(signal.SIGCONT)
    scene.until(lambda: "DaemonDropping" in scene.firing())

    # It has been silent for long. Then the reader is gone: the gateway says so.
    scene.services["daemon"].stop()
    scene.until(lambda: "DeviceStale" in scene.firing())
    scene.services["reader"].stop()
    scene.until(lambda: {"ServiceDown", "PartFailing"} <= scene.firing())
    assert "LedgerDoesNotAddUp" not in scene.firing()


def reading(time_ns: int) -> dict[str, object]:
    return {
        "timestamp": timestamps.format_ns(time_ns),
        "sourceDevice": "DiskUnit",
        "deviceId": "quiet-1",
        "metricType": "DiskTemp",
        "value": 30.0,
    }


def event(number: int) -> dict[str, object]:
    return {
        "id": f"e-{number}",
        "criticality": 1,
        "timestamp": timestamps.format_ns(time.time_ns()),
        "sourceDevice": "DiskUnit",
        "eventType": "Note",
    }
