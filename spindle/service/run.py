"""Run one service: settings, logs, ``/healthz`` and ``/metrics``, signals, exit codes.

Exit codes: 0 stopped as asked; 1 an unexpected error; 2 wrong settings or usage; 3 its port is
taken; 4 what it needs for itself alone (the SQLite file, say) is in use by another process.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import orjson
from prometheus_client import CollectorRegistry, Counter, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from spindle.errors import InUse, InvalidSettings, SpindleError
from spindle.service import logs, tasks
from spindle.service.checked_clock import CheckedClock
from spindle.service.health import Health
from spindle.settings import Settings, load, removed_but_set

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

log = logging.getLogger("spindle.service")

EXIT_UNEXPECTED, EXIT_USAGE, EXIT_PORT_TAKEN, EXIT_IN_USE = 1, 2, 3, 4

S = TypeVar("S", bound=Settings)
T = TypeVar("T")


class PortTaken(SpindleError):
    """The port for ``/healthz`` and ``/metrics`` is in use; exit code 3."""


@dataclass
class Service(Generic[S]):
    """What a service's main coroutine is handed.

    :ivar clock: what "in the future" is judged by.
    :ivar stopping: set when the service is asked to stop; it then drains and returns.
    :ivar registry: the service's own Prometheus metrics, names prefixed with the service's.
    """

    name: str
    settings: S
    health: Health
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    clock: CheckedClock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = CheckedClock(self.settings, self.health)
        self.registry.register(_PartsCollector(self.name, self.health))
        self._restarts = Counter(
            f"{self.name}_task_restarts",
            "Starts of a task that had ended before the service was told to stop",
            ["task"],
            registry=self.registry,
        )

    async def supervise(
        self,
        name: str,
        work: Callable[[], Coroutine[Any, Any, None]],
        *,
        expected: tuple[type[Exception], ...] = (),
    ) -> None:
        """Keep a long-running task going until the service stops: see ``tasks.supervise``."""
        await tasks.supervise(
            name,
            work,
            stopping=self.stopping,
            health=self.health,
            restarts=self._restarts,
            expected=expected,
        )

    async def pause(self, seconds: float) -> bool:
        """Sleep, but not past a stop; True while the service goes on.

        :raises asyncio.CancelledError: also where somebody below has lost it, as ``wait_for`` of
            Python 3.11 does when what it waits for comes in the same moment.
        """
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return True
        return False

    async def unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """The result of ``work``, or None when a stop came first (``work`` is then cancelled)."""
        task = asyncio.create_task(work, name=f"{self.name} until stopped")
        stop = asyncio.create_task(self.stopping.wait(), name="stop")
        try:
            await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            await tasks.end(task, stop)


class _PartsCollector(Collector):
    """``<service>_part_ok{part}``: what ``/healthz`` says, for alerts."""

    def __init__(self, service: str, health: Health) -> None:
        self._service = service
        self._health = health

    def collect(self) -> Iterator[Metric]:
        name, text = f"{self._service}_part_ok", "1 where a part of the service works, else 0"
        family = GaugeMetricFamily(name, text, labels=["part"])
        for part, works in self._health.parts().items():
            family.add_metric([part], works)
        yield family


Main = Callable[[Service[S]], Awaitable[None]]


def run(
    name: str,
    settings_type: type[S],
    main: Main[S],
    parts: Iterable[str] = (),
    http_port: Callable[[S], int] | None = None,
    arguments: Sequence[str] = (),
) -> NoReturn:
    """Run ``main`` until it returns or the process is told to stop, then exit.

    :param parts: what must work before ``/healthz`` says ok.
    :param http_port: where ``/healthz`` and ``/metrics`` listen; None for a service with its own.
    :param arguments: of the command line; a service takes none.
    """
    if arguments:
        asked_for_help = arguments[0] in ("-h", "--help")
        out = sys.stdout if asked_for_help else sys.stderr
        print(f"usage: python -m {name}; settings: the environment and .env.example", file=out)
        sys.exit(0 if asked_for_help else EXIT_USAGE)
    try:
        settings = load(settings_type)
    except InvalidSettings as error:
        for mistake in error.mistakes:
            print(f"{name}: {mistake}", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    logs.configure(name, settings.log_level)
    if former := removed_but_set(settings_type):
        log.warning("%s", former)
    sys.exit(_run(Service(name, settings, Health(name, parts)), main, http_port))


def _run(service: Service[S], main: Main[S], http_port: Callable[[S], int] | None) -> int:
    try:
        if http_port:
            serve(service, http_port(service.settings))  # until the process ends
        asyncio.run(_until_stopped(service, main))
    except PortTaken as error:
        log.error("%s", error)
        return EXIT_PORT_TAKEN
    except InUse as error:
        log.error("%s", error)
        return EXIT_IN_USE
    except KeyboardInterrupt:
        return 0
    except Exception as error:  # the outermost boundary: said in a line, and the exit code tells
        log.error("stopped by an unexpected %s: %s", type(error).__name__, error, exc_info=True)
        return EXIT_UNEXPECTED
    log.info("stopped")
    return 0


async def _until_stopped(service: Service[S], main: Main[S]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stopping.set)
    await main(service)


class _ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Probes every few seconds are not worth a line each."""


def serve(service: Service[S], port: int) -> None:
    """Answer ``/healthz`` and ``/metrics`` from a thread, so a busy event loop cannot silence them.

    :raises PortTaken: with the setting that moves it.
    """
    host = service.settings.http_host
    try:
        server = make_server(host, port, _pages(service), _ThreadingServer, _Quiet)
    except OSError as error:
        setting = f"{service.name.upper()}_HTTP_PORT"
        raise PortTaken(
            f"port {port} on {host} cannot be used ({error.strerror}); set {setting}"
        ) from None
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()


def _pages(service: Service[S]) -> WSGIApplication:
    metrics = make_wsgi_app(service.registry)

    def app(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            return metrics(environ, start)  # type: ignore[no-any-return]
        if path == "/healthz":
            status = "200 OK" if service.health.healthy else "503 Service Unavailable"
            body = orjson.dumps(service.health.report())
        else:
            status, body = "404 Not Found", b'{"message":"there are /healthz and /metrics"}'
        start(status, [("Content-Type", "application/json")])
        return [body]

    return app
