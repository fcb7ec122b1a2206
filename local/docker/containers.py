"""run.sh's commands where everything runs in containers, by way of ``docker compose``."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local import output
from local.docker import settings as container_settings
from local.docker.settings import shown
from local.layout import ROOT
from local.nats import server as nats
from local.nats import users as nats_users
from local.settings import setting
from spindle.errors import InvalidInput, SpindleError

EXIT_FAILED, EXIT_NOT_HEALTHY = 1, 3
#: Longer than without Docker: images of databases take their time where disks are slow.
START_TIMEOUT_SECONDS = 180
COMPOSE_FILE, DEFAULT_PROJECT = "docker-compose.yml", "spindle"
#: Compose would eat what follows a $ in .env, and give the whole file to every service.
_WITHOUT_ENV_FILE = {"COMPOSE_DISABLE_ENV_FILE": "1", "SPINDLE_ENV_FILE": os.devnull}
_MOUNTED = ("deploy", "grafana", "prometheus")
_PORTS = (
    *("NATS_PORT", "NATS_MONITOR_PORT", "INFLUXDB_PORT", "GRAFANA_PORT", "PROMETHEUS_PORT"),
    *("DAEMON_HTTP_PORT", "WRITER_HTTP_PORT", "READER_HTTP_PORT", "CLIENT_HTTP_PORT"),
    "GATEWAY_HTTP_PORT",
)


class Failed(SpindleError):
    """Docker did not do what was asked; it has said why."""


class Containers:
    """The containers of this checkout.

    :param environment: every setting, as ``local.settings.environment`` gives them; compose gets
        them all, so that it need not understand ``.env`` itself.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._everywhere = {**os.environ, **environment, **_WITHOUT_ENV_FILE}
        with contextlib.suppress(InvalidInput):  # said by what starts something
            self._know_secrets()
        self._know_users(make=False)
        if self._run(["compose", "version"], cwd="/", capture=True).returncode:
            raise Failed(
                "docker has no compose plugin; install it (docker-compose-plugin), "
                "or set SPINDLE_MODE=local"
            )

    @property
    def project(self) -> str:
        """What compose calls these containers: COMPOSE_PROJECT_NAME, else by the folder."""
        chosen = self._environment.get("COMPOSE_PROJECT_NAME")
        return chosen or os.environ.get("SPINDLE_PROJECT") or DEFAULT_PROJECT

    def init(self) -> int:
        """Print the versions of Docker and compose."""
        version = self._said(["--version"])
        output.plain(f"{version}, compose {self._said(['compose', 'version', '--short'])}")
        return 0

    def build(self, words: Sequence[str]) -> int:
        """Build the image."""
        return self._compose("build", *words)

    def start(self) -> int:
        """Build what has changed, start everything and wait until it is healthy."""
        self._know_secrets()
        container_settings.check(self._environment)
        self._know_users(make=True)
        self._no_data_is_left_behind()
        _let_containers_read()
        if self._up():
            self._tell_why()
            return EXIT_FAILED
        self._compose("ps")
        self._tell_addresses()
        if self._environment["NATS_AUTH"] == "none":
            output.complain(f"warning: {nats.OPEN}")
        return 0

    def stop(self) -> int:
        """Stop everything; volumes stay, so data outlives its containers."""
        code = self._as_it_runs("down")
        if not code:
            output.plain("stopped; the data is kept")
        return code

    def restart(self, service: str | None) -> int:
        """Stop and start again; one service is made anew, so that it has the settings of now."""
        name = self.known(service) if service else None
        self._know_secrets()
        if name is None:
            container_settings.check(self._environment)  # before anything is stopped
            self.stop()
        elif self._said(["compose", "ps", "--quiet"]):
            self._know_users(make=True)
            code = self._up("--no-deps", "--force-recreate", name)
            if code:
                self._tell_why()
            return code
        else:
            output.plain("Spindle does not run here; starting all of it")
        return self.start()

    def status(self, *, as_json: bool) -> int:
        """A table; exit code 3 unless all are healthy, as without Docker."""
        form = "{{.Service}}\t{{.State}}\t{{.RunningFor}}\t{{.Health}}"
        said = self._said(["compose", "ps", "--all", "--format", form], as_it_runs=True)
        rows = [(line.split("\t") + [""] * 4)[:4] for line in said.splitlines() if line.strip()]
        if as_json:
            print(self._said(["compose", "ps", "--all", "--format", "json"], as_it_runs=True))
        else:
            titles = ("service", "state", "since", "health")
            for row in (titles, *(rows or [["-", "nothing runs", "-", "-"]])):
                service, state, since, health = row
                print(f"{service:<12}{state:<14}{since:<22}{health or '-'}")
            if rows and self._environment["NATS_AUTH"] == "none":
                output.complain(f"warning: {nats.OPEN}")
        well = rows and all(row[1] == "running" and row[3] == "healthy" for row in rows)
        return 0 if well else EXIT_NOT_HEALTHY

    def logs(self, service: str | None, lines: int, *, follow: bool) -> int:
        """Follow the logs of all services or of one."""
        one = [self.known(service)] if service else []
        follows = ["--follow"] if follow else []
        return self._as_it_runs("logs", *follows, "--tail", str(lines), *one)

    def inside(self, service: str, *words: str, user: str = "") -> int:
        """``python -m words...`` in the container of a service; its exit code.

        :param user: of NATS; the service's own where none is named.
        """
        terminal = sys.stdin.isatty() and sys.stdout.isatty()
        options = [] if terminal else ["-T"]
        if password := self._environment.get(nats_users.variable(user)):
            self._everywhere |= {"NATS_USER": user, "NATS_PASSWORD": password}
            options += ["--env", "NATS_USER", "--env", "NATS_PASSWORD"]
        return self._compose("exec", *options, service, "python", "-m", *words)

    def beside(self, service: str, module: str, folder: Path, words: Sequence[str]) -> int:
        """``python -m module words...`` as that service, in a folder of the user's."""
        terminal = sys.stdin.isatty() and sys.stdout.isatty()
        options, told = shown(folder, words)
        run = ["run", "--rm", "--no-deps", *([] if terminal else ["-T"]), *options]
        return self._compose(*run, "--entrypoint", "python", service, "-m", module, *told)

    def known(self, word: str) -> str:
        """A service by its name, or by what the old platform called it.

        :raises InvalidInput: with the names there are.
        """
        name = re.sub(r"^(daemon|writer|client)-service-go$|^(reader)-service-py$", r"\1\2", word)
        names = self._said(["compose", "config", "--services"]) or self._said(
            ["compose", "ps", "--all", "--format", "{{.Service}}"], as_it_runs=True
        )
        if name not in names.split():
            there = " ".join(sorted(set(names.split())))
            raise InvalidInput(f'there is no service "{word}"; there are {there}')
        return name

    def runs(self) -> bool:
        """Whether any container of this checkout does."""
        return bool(self._said(["compose", "ps", "--quiet"]))

    def in_store(
        self, service: str, program: str, *words: str, **redirected: Any
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program in a container of its own, with the volumes of a service."""
        run = ["compose", "run", "--rm", "--no-deps", "-T", "--entrypoint", program, service]
        return subprocess.run(  # noqa: S603
            ["docker", *run, *words],  # noqa: S607 - the user's own docker
            cwd=ROOT,
            env=self._everywhere,
            check=False,
            **redirected,
        )

    def _know_secrets(self) -> None:
        secrets = container_settings.secrets_of(self._environment)
        others = {
            name: value
            for name, value in self._environment.items()
            if name.removesuffix("_FILE") not in secrets
        }
        self._environment = others | secrets
        self._everywhere |= secrets

    def _know_users(self, *, make: bool) -> None:
        told = container_settings.nats_auth(self._environment, make=make)
        self._environment = {**self._environment, **told}
        self._everywhere |= told

    # -- how compose is called

    def _up(self, *words: str) -> int:
        """Start, with a second compose file on standard input: it hands services what is set."""
        up = ["up", "--build", "--detach", "--wait", "--wait-timeout", str(START_TIMEOUT_SECONDS)]
        more = container_settings.handed_on(self._environment, (ROOT / COMPOSE_FILE).read_text())
        if not more or "COMPOSE_FILE" in self._environment:  # the user has files of their own
            return self._compose(*up, *words)
        command = ["compose", "-f", COMPOSE_FILE, "-f", "-", *up, *words]
        return self._run(command, given=json.dumps({"services": more})).returncode

    def _run(
        self,
        words: Sequence[str],
        *,
        cwd: str | Path = ROOT,
        capture: bool = False,
        given: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(  # noqa: S603
                ["docker", *words],  # noqa: S607 - the user's own docker
                cwd=cwd,
                env=self._everywhere,
                capture_output=capture,
                input=given,
                text=True,
                check=False,
            )
        except FileNotFoundError:
            raise Failed("there is no docker on PATH; SPINDLE_MODE=local does without") from None

    def _compose(self, *words: str) -> int:
        return self._run(["compose", *words]).returncode

    def _said(self, words: Sequence[str], *, as_it_runs: bool = False) -> str:
        if as_it_runs and words[0] == "compose":
            cwd, words = self._by_name(words[1:])
            return self._run(words, cwd=cwd, capture=True).stdout.strip()
        return self._run(words, capture=True).stdout.strip()

    def _as_it_runs(self, *words: str) -> int:
        cwd, command = self._by_name(words)
        return self._run(command, cwd=cwd).returncode

    def _by_name(self, words: Sequence[str]) -> tuple[Path, list[str]]:
        """For what is there already: by the compose file or, where compose refuses it as it is,
        by the name of the project alone, which is all that compose needs for that.
        """
        checked = self._run(["compose", "config", "--quiet"], capture=True)
        if not checked.returncode:
            return ROOT, ["compose", *words]
        mistake = (checked.stdout + checked.stderr).strip()
        output.complain(f"run.sh: warning: ./run.sh start would be refused: {mistake}")
        return Path("/"), ["compose", "--project-name", self.project, *words]

    # -- what is refused before anything starts

    def _no_data_is_left_behind(self) -> None:
        """All checkouts were one project once: a start under another name would begin anew."""
        if self.project == DEFAULT_PROJECT or self._environment.get("COMPOSE_PROJECT_NAME"):
            return
        names = self._said(["volume", "ls", "--quiet"]).split()
        if f"{DEFAULT_PROJECT}_influxdb" in names and f"{self.project}_influxdb" not in names:
            raise InvalidInput(
                f'there is data of an earlier start in the compose project "{DEFAULT_PROJECT}": '
                f"set COMPOSE_PROJECT_NAME={DEFAULT_PROJECT} to go on with it, "
                f"or COMPOSE_PROJECT_NAME={self.project} to begin anew"
            )

    # -- what is told after a start

    def _tell_addresses(self) -> None:
        def value(name: str) -> str:
            return setting(self._environment, name)

        host = value("BIND_ADDRESS")
        output.plain(
            f"\nNATS        nats://{host}:{value('NATS_PORT')}, "
            f"monitoring http://{host}:{value('NATS_MONITOR_PORT')}\n"
            f"InfluxDB    http://{host}:{value('INFLUXDB_PORT')}\n"
            f"Grafana     http://{host}:{value('GRAFANA_PORT')}\n"
            f"Prometheus  http://{host}:{value('PROMETHEUS_PORT')}\n"
            f"HTTP        http://{host}:{value('GATEWAY_HTTP_PORT')}/docs\n"
        )
        output.try_next()

    def _tell_why(self) -> None:
        """What services said that do not stay up, and ports that somebody else has."""
        self._run(["compose", "ps", "--all"])
        form = "{{.Service}} {{.State}} {{.Health}}"
        for line in self._said(["compose", "ps", "--all", "--format", form]).splitlines():
            service, _, state = line.partition(" ")
            if state not in ("running healthy", "running"):
                output.complain(f"{service} ({state.strip()}) said last:")
                self._compose("logs", "--no-log-prefix", "--tail", "5", service)
        for name in _PORTS:
            port = setting(self._environment, name)
            label = f"label=com.docker.compose.project={self.project}"
            ours = ["ps", "--quiet", "--filter", f"publish={port}", "--filter", label]
            if _somebody_listens(port) and not self._said(ours):
                output.complain(f"port {port} is taken; free it, or set {name} to one that is free")
        output.complain("Not everything is healthy. Look: ./run.sh logs <service>")


def _let_containers_read() -> None:
    """What is mounted into containers, which have users of their own: of a clone with umask 077."""
    for folder in _MOUNTED:
        for path in (ROOT / folder, *(ROOT / folder).rglob("*")):
            with contextlib.suppress(OSError):  # somebody else's, who sees to it
                mode = path.stat().st_mode
                path.chmod(mode | (0o555 if path.is_dir() else 0o444))


def _somebody_listens(port: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", int(port)), timeout=0.5):
            return True
    except (OSError, ValueError, OverflowError):
        return False
