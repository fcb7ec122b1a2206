"""Wire the gateway: HTTP at once, NATS as soon as it is there."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from functools import partial

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from gateway.http import stream
from gateway.http.entrance import Entrance
from gateway.http.guard import Guard, Watched
from gateway.http.metrics import ParkingCollector, RequestMetrics
from gateway.http.server import bind, server
from gateway.http.stream import Hub
from gateway.nats_link import Link
from gateway.routes import api, routes
from gateway.routes.live import Live, SimulatedDevices
from gateway.routes.manual_visits import ManualVisits
from gateway.routes.questions import Catalogue, Questions
from gateway.settings import GatewaySettings
from spindle import bus, tls
from spindle.bus import nats_time
from spindle.service import tasks
from spindle.service.run import Service

log = logging.getLogger("gateway")

QUERY_SECONDS = 10.0  # that the reader may take to answer
PARTS = ("nats", "reader")
READER_SECONDS = 5.0  # between two looks at the reader
READER_AWAY_SECONDS = 1.0  # the same while it is away


async def main(service: Service[GatewaySettings]) -> None:
    """Answer until told to stop."""
    settings = service.settings
    bound = bind(settings.host, settings.gateway_http_port)
    cert, key = settings.gateway_tls_cert, settings.gateway_tls_key
    if cert and (why := tls.own_fault(cert, key)):
        log.warning("GATEWAY_TLS_CERT: who asks over HTTPS will refuse it: %s", why)
    link = Link()
    hub = Hub(stream.MOST_LISTENERS, stream.QUEUE_SIZE)
    catalogue = Catalogue(link, service.health)
    app = application(service, link, hub, catalogue)
    async with asyncio.TaskGroup() as group:
        http = service.supervise("http", partial(_serve, service, app, hub, bound))
        serving = group.create_task(http, name="http")
        asking = partial(_talk_to_nats, service, link, hub, catalogue, serving)
        group.create_task(service.supervise("connection", asking), name="connection")


async def _serve(
    service: Service[GatewaySettings], app: ASGIApp, hub: Hub, bound: socket.socket
) -> None:
    """Answer HTTP until the service stops.

    :param bound: where to listen; uvicorn closes it, so that another is bound for another start.
    """
    settings = service.settings
    if bound.fileno() < 0:
        bound = bind(settings.host, settings.gateway_http_port)
    http = server(app, settings)
    serving = asyncio.create_task(http.serve(sockets=[bound]), name="uvicorn")
    stop = asyncio.create_task(service.stopping.wait(), name="stop")
    try:
        await asyncio.wait((serving, stop), return_when=asyncio.FIRST_COMPLETED)
        if stop.done():
            hub.close()
        http.should_exit = True
        await serving
    finally:
        await tasks.end(serving, stop)
        bound.close()


def application(
    service: Service[GatewaySettings], link: Link, hub: Hub, catalogue: Catalogue
) -> ASGIApp:
    """Everything that answers HTTP, outermost first: entrance, metrics, CORS, guard, routes."""
    settings = service.settings
    parking = ParkingCollector(link)
    service.registry.register(parking)
    deps = routes.RouteDeps(
        settings,
        service.health,
        service.registry,
        link,
        catalogue,
        Questions(link, catalogue, QUERY_SECONDS),
        ManualVisits(link, settings, service.clock),
        parking,
        hub,
    )
    app: ASGIApp = Guard(api.build(deps), settings)
    if settings.origins:
        app = CORSMiddleware(
            app,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key"],
        )
    app = Entrance(Watched(app, RequestMetrics(service.registry, hub)), settings.gateway_root_path)
    if settings.trusted_proxies:
        app = ProxyHeadersMiddleware(app, settings.trusted_proxies)  # type: ignore[arg-type, assignment]
    return app


async def _talk_to_nats(
    service: Service[GatewaySettings],
    link: Link,
    hub: Hub,
    catalogue: Catalogue,
    serving: asyncio.Task[None],
) -> None:
    """Connect, and keep what is known of the reader, until the service stops.

    :param serving: what still needs NATS while the last requests are answered.
    """
    health, settings = service.health, service.settings

    client = await service.unless_stopped(bus.connect(settings, "gateway", health=health))
    if client is None:
        return
    async with contextlib.AsyncExitStack() as open_until_the_end:
        open_until_the_end.push_async_callback(bus.close, client)
        link.connected(client)
        listener = await service.unless_stopped(bus.listening(client, settings, health))
        if listener is None:
            return
        open_until_the_end.push_async_callback(bus.close, listener)
        simulated = SimulatedDevices(service)
        await Live(hub, service.clock, simulated.marks).subscribe(listener)
        await service.unless_stopped(bus.declare(client, settings, health))
        await service.unless_stopped(nats_time.compare(service, client))
        following = asyncio.create_task(
            service.supervise("facts", simulated.follower(client, listener).run), name="facts"
        )
        try:
            there = await catalogue.refresh()
            while await service.pause(READER_SECONDS if there else READER_AWAY_SECONDS):
                there = await catalogue.refresh()
                await service.unless_stopped(nats_time.compare(service, client))
            await asyncio.wait([serving])
        finally:
            await tasks.end(following)
