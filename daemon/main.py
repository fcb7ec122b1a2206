"""The daemon, put together: sources are read, the publisher publishes, a stop drains."""

from __future__ import annotations

import asyncio
import logging
import time

from daemon.backlog import Backlog
from daemon.host.source import HostSource
from daemon.injection import Injection
from daemon.meters import Meters
from daemon.parking.source import ParkingSource, who_is_inside
from daemon.publisher import Publisher
from daemon.settings import DaemonSettings
from daemon.simulator.source import Simulator
from daemon.source import Source
from daemon.ticker import PART, Sources, tick
from spindle import subjects
from spindle.service import tasks
from spindle.service.run import Service

log = logging.getLogger("daemon")

#: What must work before /healthz says ok.
PARTS = ("nats", "stream", PART)


async def main(service: Service[DaemonSettings]) -> None:
    """Read and publish until the service is told to stop, then publish what is left."""
    settings = service.settings
    backlog = Backlog(settings.daemon_backlog_points, settings.daemon_backlog_bytes)
    meters = Meters(service.registry, backlog)
    sources = [source(name, settings) for name in settings.sources]
    simulator = next((each for each in sources if isinstance(each, Simulator)), None)
    answers = {subjects.SIMULATION_INJECT: Injection(simulator).answer}
    publisher = Publisher(settings, service.health, backlog, meters, answers)
    states = Sources(service.health, settings.sources)
    log.info("reading %s", ", ".join(settings.sources))
    async with asyncio.TaskGroup() as group:
        publishing = group.create_task(publisher.run(), name="publisher")
        async with asyncio.TaskGroup() as reading:
            for one in sources:
                if isinstance(one, ParkingSource):
                    reading.create_task(begin(service, one), name="begin parking")
                coroutine = tick(service, one, publisher.put, states, meters)
                reading.create_task(coroutine, name=f"read {one.name}")
        if simulator is not None:
            publisher.put(simulator.farewell(time.time_ns()))
        left = await publisher.drained(settings.daemon_drain_seconds)
        await tasks.end(publishing)
    if left:
        log.warning("stopped with %s points that NATS has not acknowledged", f"{left:,}")


async def begin(service: Service[DaemonSettings], parking: ParkingSource) -> None:
    """Let the simulated lot begin with those who are inside."""
    plates = await service.unless_stopped(who_is_inside(service.settings))
    if plates is not None:
        parking.adopt(plates)


def source(name: str, settings: DaemonSettings) -> Source:
    """The source of that name."""
    match name:
        case "simulator":
            return Simulator(settings)
        case "parking":
            return ParkingSource(settings)
        case "host":
            return HostSource(settings.daemon_envelope_size)
        case _:
            raise ValueError(f"no source is called {name}")
