"""Real servers for tests and benchmarks: each on free ports, with its data in a given folder."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0

#: Ports of this process of pytest's and of the others' never meet: which of how many it is.
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_given_ports: set[int] = set()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on.

    Below the ports that systems give to outgoing connections: one of those could else take the
    port while its server is down, or, trying to reach that server, connect to itself. Never the
    same twice, for the same reason.
    """
    while True:
        port = random.randrange(10_000 + WORKER, 32_000, WORKERS)
        if port in _given_ports:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given_ports.add(port)
            return port


def find(program: str) -> str | None:
    """A server's executable: in the venv, unpacked from a Debian package, on PATH."""
    beside = Path(sys.executable).parent / program
    unpacked = Path(sys.prefix) / "debian" / "usr" / "bin" / program
    for path in (beside, unpacked):
        if path.is_file():
            return str(path)
    return shutil.which(program)


@dataclass
class Server:
    """A running server process that can be killed, frozen and started again on the same data."""

    command: list[str]
    port: int
    log: Path
    ready_url: str
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] | None = None  # that of this process where nothing is given

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, env=self.environment
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError), urllib.request.urlopen(self.ready_url, timeout=5):
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.command[0]} did not start:\n{self.log.read_text()[-2000:]}")

    def send(self, number: signal.Signals) -> None:
        if self.process is not None:
            os.kill(self.process.pid, number)

    def kill(self) -> None:
        """``kill -9``, and wait until it is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()


def nats_server(
    folder: Path,
    *,
    port: int | None = None,
    extra: str = "",
    sync_always: bool = False,
    room: str = "8GB",
) -> Server:
    """A nats-server with JetStream on a file store; not started yet.

    :param extra: lines added to its configuration file.
    :param room: most that its streams may take.
    :param sync_always: every message is synced to the disk before it is acknowledged.
    """
    program = find("nats-server")
    if program is None:
        raise FileNotFoundError("nats-server is not installed: ./run.sh test installs it")
    folder.mkdir(parents=True, exist_ok=True)
    port, monitor = port or free_port(), free_port()
    config = folder / "nats.conf"
    sync = ", sync_interval: always" if sync_always else ""
    config.write_text(
        f"host: 127.0.0.1\nport: {port}\nhttp: 127.0.0.1:{monitor}\nmax_payload: 8MB\n"
        f'jetstream {{ store_dir: "{folder / "jetstream"}", max_file_store: {room}{sync} }}\n'
        f"{extra}\n"
    )
    command = [program, "-c", str(config)]
    return Server(command, port, folder / "nats.log", f"http://127.0.0.1:{monitor}/healthz")


def influxd(folder: Path) -> Server:
    """An influxd 1.x with nothing in it; not started yet."""
    program = find("influxd")
    if program is None:
        raise FileNotFoundError("influxd is not installed: ./run.sh test installs it")
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config = folder / "influxdb.conf"
    config.write_text(
        f'reporting-disabled = true\nbind-address = "127.0.0.1:{free_port()}"\n'
        f'[meta]\n  dir = "{folder}/meta"\n[data]\n  dir = "{folder}/data"\n'
        f'  wal-dir = "{folder}/wal"\n  query-log-enabled = false\n'
        f'[http]\n  bind-address = "127.0.0.1:{port}"\n  log-enabled = false\n'
        "[monitor]\n  store-enabled = false\n"
    )
    command = [program, "-config", str(config)]
    return Server(command, port, folder / "influxd.log", f"http://127.0.0.1:{port}/ping")


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    """The server started, and stopped at the end."""
    server.start()
    try:
        yield server
    finally:
        server.send(signal.SIGCONT)
        server.stop()
