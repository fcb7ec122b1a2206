"""A pipeline on InfluxDB under a real Prometheus, with a fleet that has every illness once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from spindle import catalog
from spindle.timestamps import NS, format_ns
from tests.integration.gateway_world import World, world
from tests.prometheus_server import RULES, prometheus, query
from tests.servers import Server, running
from tests.services import ServiceProcess
from tests.waiting import wait_until

DATABASE, HOST = "lit", "host-a"
#: A value of each metric of the catalogue that a well device may have.
EVERYTHING = {
    name: 100.0 if name in ("AvailableSpare", "HeliumLevel", "RebuildProgress") else 0.0
    for name in catalog.METRICS
    if name not in catalog.VERDICTS
}
#: Device -> what it says now, by metric type.
ILL: dict[str, dict[str, float]] = {
    "hot-1": EVERYTHING | {"DiskTemp": 66.0},
    "warm-1": {"DiskTemp": 57.0, "Latency": 2.0},
    "failing-1": {"SmartFailing": 1.0, "ReallocatedSectors": 900.0, "DiskTemp": 40.0},
    "well-1": {"DiskTemp": 35.0, "SmartFailing": 0.0, "ReallocatedSectors": 0.0},
    "md0": {"Degraded": 1.0, "MissingMembers": 1.0},
}
#: The alerts that a real Prometheus fires of it, by device.
EXPECTED = {
    ("DeviceCritical", "hot-1"),
    ("DeviceCritical", "failing-1"),
    ("DriveFailing", "failing-1"),
    ("DeviceWarning", "warm-1"),
    ("DeviceWarning", "full-1"),
    ("DeviceFullSoon", "full-1"),
    ("DeviceStale", "silent-1"),
    ("ArrayDegraded", "md0"),
    ("DeviceWarning", "md0"),
}


@dataclass(frozen=True)
class Lit:
    """The running pipeline."""

    world: World
    services: dict[str, ServiceProcess]
    prometheus: Server
    influxd: Server

    def alerts(self) -> set[tuple[str, str]]:
        """Alert and device of what fires about real devices."""
        found = query(self.prometheus, 'ALERTS{alertstate="firing", device_id!=""}')
        return {
            (labels["alertname"], labels["device_id"])
            for labels, _ in found
            if labels.get("simulated") == "false"
        }


def said(device: str, metric_type: str, value: float, time_ns: int) -> dict[str, Any]:
    """One reading on the wire."""
    return {
        "timestamp": format_ns(time_ns),
        "sourceDevice": "StorageArray" if device == "md0" else "DiskUnit",
        "deviceId": device,
        "arrayId": HOST,
        "metricType": metric_type,
        "value": value,
    }


def publish_the_past(made: World) -> None:
    """What is stored before anybody judges: a silent device, a full one, facts, vehicles."""
    now = time.time_ns()
    silent = [said("silent-1", "DiskTemp", 30.0, now - n * NS) for n in range(3600, 3700)]
    filling = [
        said("full-1", "CapacityUsed", 84.0 - hours * 0.09 + hours % 3 * 0.02, at)
        for hours in range(6 * 24)
        if (at := now - hours * 3600 * NS)
    ]
    made.publish("events.metrics", silent, filling)
    facts = {"timestamp": format_ns(now), "sourceDevice": "DiskUnit", "arrayId": HOST}
    for device in ILL:
        model = {"deviceId": device, "model": "ST4000NM0033", "host": HOST, "serial": "Z1Z0ABCD"}
        made.publish(f"events.facts.DiskUnit.{device}", facts | model)
    # An event, two dead letters, and a car that stayed, one that came out of nowhere.
    for kind, criticality in (("DriveFailure", 9), ("Anomaly", 5)):
        event = {"id": kind, "criticality": criticality, "eventType": kind, "eventMessage": "hot"}
        made.publish("events.event", {**facts, **event, "deviceId": "hot-1"})
    made.publish("events.metrics", {"value": "no reading"}, {"value": "none"})
    times = {kind: format_ns(now - ago * NS) for kind, ago in (("entry", 1200), ("exit", 600))}
    for kind, plates in (("entry", ("KA1", "KA2")), ("exit", ("KA1", "KA3"))):
        passages = [
            {"id": f"{kind}-{plate}", "vehicle_plate": plate, f"{kind}_date_time": times[kind]}
            for plate in plates
        ]
        made.publish(f"parking.{kind}", *passages)


def publish_now(made: World) -> None:
    """What the ill devices say, for the last half minute and a while to come."""
    now = time.time_ns()
    readings = [
        said(device, metric_type, value, now - ago * NS)
        for device, values in ILL.items()
        for metric_type, value in values.items()
        for ago in range(30)
    ]
    made.publish("events.metrics", readings)


@contextlib.contextmanager
def lit_pipeline(folder: Path, influxd: Server) -> Iterator[Lit]:
    """Until every device is judged, scraped, and what is wrong with it fires."""
    store: dict[str, Any] = {"store_url": f"influxdb://127.0.0.1:{influxd.port}/{DATABASE}"}
    rules = yaml.safe_load(RULES.read_text())
    for group in rules["groups"]:
        group["interval"] = "1s"
        for rule in group["rules"]:
            rule.pop("for", None)  # a test has no quarter of an hour
    (folder / "rules.yml").write_text(yaml.safe_dump(rules))
    own: dict[str, dict[str, Any]] = {
        "daemon": {"daemon_sources": "simulator,parking"},
        "reader": {
            "reader_stale_seconds": 600,  # the ill ones speak once
            "constants": {
                "reader.watching.forecasts.FIRST_FORECAST_SECONDS": 0.0,
                "reader.gauges.STREAM_SECONDS": 1.0,
            },
        },
        "gateway": {},
        "client": {},
    }
    with world(folder) as made:
        services = {"writer": made.start("writer", parking_reorder_seconds=1, **store)}
        publish_the_past(made)
        publish_now(made)
        wait_until(lambda: services["writer"].total("writer_stored_points_total") >= 300)
        services |= {
            name: made.start(name, wait=False, **store, **more) for name, more in own.items()
        }
        ports = {name: service.port for name, service in services.items()}
        ports["influxdb"] = influxd.port
        with running(prometheus(folder / "prometheus", ports, folder / "rules.yml")) as watch:
            lit = Lit(made, services, watch, influxd)
            wait_until(lambda: lit.alerts() >= EXPECTED)
            yield lit
