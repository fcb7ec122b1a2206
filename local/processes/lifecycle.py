"""start, stop, restart and status of the local processes. Each returns its exit code."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from local import output
from local.layout import Home
from local.nats import disk
from local.nats import server as nats
from local.processes import logs, ports, progress, running, status, supervisor
from local.processes.pipeline import (
    Pipeline,
    of_process,
    read_pages,
    write_configuration,
    write_pages,
)
from local.processes.progress import until_healthy
from local.processes.supervisor import Control, SupervisorFailed
from local.services import DRAIN_ORDER, NATS
from local.settings import LocalSettings
from spindle import locks
from spindle.settings import removed_but_set

#: How long every service may take to be healthy: a store of many days is opened within this.
START_TIMEOUT_SECONDS = 60.0
EXIT_FAILED, EXIT_PORT_TAKEN, EXIT_NOT_HEALTHY = 1, 3, 3


@contextlib.contextmanager
def only_one(home: Home) -> Iterator[None]:
    """Hold the lock that keeps others from starting or stopping this checkout meanwhile."""
    home.make()
    taken = "another ./run.sh is starting or stopping this checkout"
    with locks.held(home.run / "lock", taken, output.plain):
        yield


def start(pipeline: Pipeline) -> int:
    """Start what does not run yet, and wait until all of it is healthy."""
    if former := removed_but_set(LocalSettings, *map(type, pipeline.own.values())):
        output.complain(f"warning: {former}")
    with only_one(pipeline.home):
        control = Control(pipeline.home)
        if control.pid():
            _start_again(control)
            if elsewhere := _elsewhere(pipeline):
                output.plain(f"Spindle runs already, where it was started: {elsewhere}")
                output.plain("./run.sh restart applies the settings of now")
                return 0
            output.plain("Spindle runs already; ./run.sh restart applies changed settings")
        else:
            _clean_up(pipeline)
            if taken := ports.taken(pipeline.ports()):
                for sentence in taken:
                    output.complain(sentence)
                return EXIT_PORT_TAKEN
            if full := disk.make_way(pipeline.home.kept_aside):
                output.complain(f"{full}, then ./run.sh start")
                return EXIT_FAILED
            write_configuration(pipeline)
            supervisor.spawn(pipeline.home, of_process(pipeline.settings, pipeline.home))
    return _wait_and_tell(pipeline, control, pipeline.names)


def _elsewhere(pipeline: Pipeline) -> str:
    """Where services answer that run, if the settings of now say otherwise; else empty."""
    home, now = pipeline.home, pipeline.pages()
    moved = [
        f"{name} at {page.removesuffix('/healthz')}"
        for name, page in read_pages(home).items()
        if page != now.get(name)
    ]
    port = nats.configured_port(home.nats_config)
    if port and pipeline.runs_nats and port != pipeline.settings.nats_port:
        moved.insert(0, f"NATS at {nats.nats_url(port)}")
    with contextlib.suppress(OSError):
        if (store := home.store_file.read_text()) != pipeline.shown_store:
            moved.append(f"store {store}")
    return ", ".join(moved)


def _start_again(control: Control) -> None:
    """Start what an interrupted restart left stopped."""
    for name, state in control.states().items():
        if state.state in ("STOPPED", "EXITED", "FATAL"):
            control.start(name)


def _clean_up(pipeline: Pipeline) -> None:
    """Take down what a killed supervisord or an interrupted start left behind."""
    left = running.ours(pipeline.home)
    if left:
        output.plain(f"taking down {len(left)} processes that an earlier run left behind")
        running.take_down(left, pipeline.settings.stop_timeout_seconds)
    for stale in (pipeline.home.pid_file, pipeline.home.socket()):
        stale.unlink(missing_ok=True)


def _wait_and_tell(pipeline: Pipeline, control: Control, names: Sequence[str]) -> int:
    rows = until_healthy(pipeline, control, names, START_TIMEOUT_SECONDS)
    failing = [rows[name] for name in names if name not in rows or not rows[name].healthy]
    if not failing:
        disk.keep_aside(pipeline.home.kept_aside)
        progress.started(pipeline, rows)
        _warn_of_broker(pipeline)
        return 0
    output.complain(f"not healthy after {START_TIMEOUT_SECONDS:g} s:")
    for row in failing:
        output.complain(f"  {row.service}: {row.health}")
        if row.state in ("running", "starting"):
            continue
        if last := logs.last_message(pipeline.home.log_file(row.service), row.service):
            output.complain(f"    last in its log: {last}")
    first = failing[0].service
    output.complain(
        f"They go on trying. Look: ./run.sh logs {first}, ./run.sh status; end: ./run.sh stop"
    )
    return EXIT_FAILED


def _warn_of_broker(pipeline: Pipeline) -> None:
    if pipeline.runs_nats:
        broker = status.broker(pipeline.pages()[NATS])
        if broker.warning:
            output.complain(f"warning: {broker.warning}")


def stop(home: Home, seconds: float) -> int:
    """Drain the services one after the other; leaves no process, deletes no data.

    :param seconds: how long an orphan may take before it is killed.
    """
    if not home.run.is_dir() and not running.ours(home):
        output.plain("nothing runs here")
        return 0
    with only_one(home):
        control = Control(home)
        pid = control.pid()
        if pid is None and not running.ours(home):
            output.plain("nothing runs here")
            return 0
        if pid is not None:
            _drain(control)
        running.take_down(running.ours(home), seconds)
        home.pid_file.unlink(missing_ok=True)
        _remove_socket(home)
    output.plain("stopped; the data is kept")
    return 0


def _drain(control: Control) -> None:
    states = control.states()
    with contextlib.suppress(SupervisorFailed):  # it went away: what it left is taken down
        for name in DRAIN_ORDER:
            if name in states:
                with output.out.status(f"stopping {name}"):
                    what = control.stop(name)
                output.plain(what)
        control.shutdown()


def _remove_socket(home: Home) -> None:
    socket = home.socket()
    socket.unlink(missing_ok=True)
    if socket.parent != home.run:
        shutil.rmtree(socket.parent, ignore_errors=True)


def restart(pipeline: Pipeline, service: str | None) -> int:
    """Stop and start again: everything, or one service."""
    control = Control(pipeline.home)
    if not control.pid() and (service or not running.ours(pipeline.home)):
        output.plain("Spindle does not run here; starting all of it")
        return start(pipeline)
    if service is None:
        stop(pipeline.home, pipeline.settings.stop_timeout_seconds)
        return start(pipeline)
    if service not in control.states():
        output.complain(f"{service} is not run here: NATS_URL names a server elsewhere")
        return EXIT_FAILED
    others = _other_environment(pipeline, control.pid(), service)
    if others:
        output.complain(
            f"warning: what runs was started with another {', '.join(others)} in its "
            "environment, and one service alone keeps that; ./run.sh restart applies it"
        )
    with only_one(pipeline.home):
        with output.out.status(f"stopping {service}"):
            what = control.stop(service)
        output.plain(what)
        if not others and (pages := read_pages(pipeline.home)):
            write_pages(pipeline.home, pages | {service: pipeline.pages()[service]})
        control.start(service)
    return _wait_and_tell(pipeline, control, [service])


def revive_nats(pipeline: Pipeline) -> int:
    """Start nats-server again where it says that it is not well; else nothing is done."""
    control, page = Control(pipeline.home), pipeline.pages().get(NATS)
    if page is None or NATS not in (states := control.states()):
        return 0
    [row] = status.rows({NATS: states[NATS]}, {NATS: page})
    if row.healthy:
        return 0
    with only_one(pipeline.home):
        if full := disk.make_way(pipeline.home.kept_aside):
            output.complain(f"{full}, then ./run.sh repair")
            return EXIT_FAILED
        control.stop(NATS)
        control.start(NATS)
    rows = until_healthy(pipeline, control, [NATS], START_TIMEOUT_SECONDS)
    if NATS not in rows or not rows[NATS].healthy:
        return EXIT_FAILED
    output.plain(f"nats-server was started again; it had said: {row.health}")
    return 0


def _other_environment(pipeline: Pipeline, pid: int | None, service: str) -> list[str]:
    """Settings of a service that the environment sets otherwise than when supervisord was started.

    It hands the service the environment that it has itself; ``.env`` is read anew.
    """
    started = running.environment_of(pid) if pid else {}
    if not started or service not in pipeline.own:
        return []
    names = [name.upper() for name in type(pipeline.own[service]).model_fields]
    return [name for name in names if started.get(name, "") != os.environ.get(name, "")]


def show_status(home: Home, pages: Mapping[str, str], *, as_json: bool) -> int:
    """A table of the services; exit code 0 when all are healthy, else 3.

    :param pages: service -> address of its ``/healthz``, in the order of start.
    """
    states = Control(home).states()
    known = {name: states[name] for name in pages if name in states}
    rows = status.rows(known, pages)
    rows += [status.Row(name, "stopped", "", 0, "-") for name in pages if name not in states]
    broker = status.broker(pages[NATS]) if NATS in known else nats.UNKNOWN_BROKER
    healthy = all(row.healthy for row in rows)
    if as_json:
        report = {
            "mode": "local",
            "healthy": healthy,
            "broker": {
                "version": broker.version,
                "broker_fsync": broker.fsync,
                "auth": broker.auth,
            },
            "services": [asdict(row) for row in rows],
        }
        print(json.dumps(report))
        return 0 if healthy else EXIT_NOT_HEALTHY
    output.out.print(progress.status_table(rows, time.time()))
    if not states and (left := running.ours(home)):
        pids = ", ".join(str(process.pid) for process in left)
        output.complain(
            f"supervisord is gone and left processes behind ({pids}); ./run.sh start mends"
        )
    elif not states:
        output.plain("nothing runs here; ./run.sh start starts it")
    elif NATS in known:
        output.plain(progress.broker_line(broker))
        if broker.warning:
            output.complain(f"warning: {broker.warning}")
    return 0 if healthy else EXIT_NOT_HEALTHY
