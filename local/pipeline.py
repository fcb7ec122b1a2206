"""What this checkout runs: every service's settings, programs and ports, made once."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

from local import environment, nats, nats_users, ports, supervisor
from local.layout import Home, home_of
from local.services import NATS, SERVICES
from local.settings import LocalSettings
from local.status import page
from spindle.errors import InvalidSettings
from spindle.settings import Settings, load

_FIRST_PRIORITY = 100
_MONITOR_URL = "nats_monitor_url"  # of services that ask NATS about itself


@dataclass(frozen=True)
class Pipeline:
    """Settings of this checkout, after all rules.

    :ivar own: settings by Python service.
    """

    settings: LocalSettings
    home: Home
    own: Mapping[str, Settings]

    @property
    def runs_nats(self) -> bool:
        """False when NATS_URL names a server elsewhere."""
        return nats.is_local(self.settings)

    @property
    def names(self) -> list[str]:
        """What is run, in the order of start."""
        return [*([NATS] if self.runs_nats else []), *self.own]

    def http_port(self, service: str) -> int:
        """Where a service answers ``/healthz``."""
        if service == NATS:
            return self.settings.nats_monitor_port
        return int(getattr(self.own[service], f"{service}_http_port"))

    def host(self, service: str) -> str:
        """Where a service listens: where all do, unless it has a setting of its own."""
        return getattr(self.own.get(service), f"{service}_host", "") or self.settings.http_host

    def pages(self) -> dict[str, str]:
        """Service -> address of its ``/healthz``."""
        return {name: page(name, self.host(name), self.http_port(name)) for name in self.names}

    def ports(self) -> list[ports.Port]:
        """Every port that will be listened on."""
        found = []
        if self.runs_nats:
            found = [
                ports.Port("NATS_PORT", "127.0.0.1", self.settings.nats_port),
                ports.Port("NATS_MONITOR_PORT", "127.0.0.1", self.settings.nats_monitor_port),
            ]
        for service in SERVICES:
            setting = service.port_setting.upper()
            host = self.host(service.name)
            found.append(ports.Port(setting, host, self.http_port(service.name)))
        return found


def load_local() -> LocalSettings:
    """The settings of run.sh; what follows from them is put into the environment of this process.

    :raises InvalidSettings: every mistake at once.
    """
    settings = load(LocalSettings)
    os.environ.update(environment.derived(settings))
    return load(LocalSettings)


def load_all() -> Pipeline:
    """Settings of run.sh and of every service.

    :raises InvalidSettings: the mistakes of all of them at once.
    """
    mistakes: list[str] = []
    settings = None
    try:
        settings = load_local()
    except InvalidSettings as error:
        mistakes += error.mistakes
    own = {}
    for service in SERVICES:
        try:
            own[service.name] = load(service.settings_type())
        except InvalidSettings as error:
            mistakes += error.mistakes
    if mistakes or settings is None:
        raise InvalidSettings(list(dict.fromkeys(mistakes)))
    pipeline = Pipeline(settings, home_of(settings.spindle_home), own)
    if pipeline.runs_nats and not any(getattr(each, _MONITOR_URL, "") for each in own.values()):
        address = f"http://127.0.0.1:{settings.nats_monitor_port}"
        os.environ.setdefault(_MONITOR_URL.upper(), address)
    if shared := ports.mistakes(pipeline.ports()):
        raise InvalidSettings(shared)
    return pipeline


def write_configuration(pipeline: Pipeline) -> None:
    """Make the folders and write the configurations of nats-server and supervisord.

    :raises nats.NoServer: when there is none and one is needed.
    """
    home = pipeline.home
    home.make()
    commands = {name: f'"${environment.PYTHON}" -m {name}' for name in pipeline.own}
    environments: dict[str, dict[str, str]] = {}
    authorization = ""
    if pipeline.runs_nats and pipeline.settings.nats_auth == "users":
        known = nats_users.passwords(home.nats_passwords)
        environments[NATS] = nats_users.environment(known)
        authorization = nats_users.authorization()
        for name in pipeline.own:
            environments[name] = environment.credentials(pipeline.settings, home, name)
    if pipeline.runs_nats:
        server = nats.find_server()
        commands[NATS] = f'"${environment.NATS_SERVER}" -c "${environment.NATS_CONFIG}"'
        version = nats.server_version(server)
        config = nats.config(pipeline.settings, home.nats_store, version, authorization)
        home.nats_config.write_text(config)
    programs = [
        _program(pipeline, name, commands[name], place, environments.get(name, {}))
        for place, name in enumerate(pipeline.names)
    ]
    home.supervisor_config.touch(mode=0o600)
    home.supervisor_config.write_text(supervisor.config(home, programs))
    write_pages(home, pipeline.pages())


def write_pages(home: Home, pages: Mapping[str, str]) -> None:
    """Note where what is started answers: settings may be changed, or broken, while it runs."""
    home.pages_file.write_text(json.dumps(pages))


def read_pages(home: Home) -> dict[str, str]:
    """What ``write_pages`` noted; empty where it did not."""
    try:
        found = json.loads(home.pages_file.read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): str(page) for name, page in found.items()}


def _program(
    pipeline: Pipeline, name: str, command: str, place: int, own: Mapping[str, str]
) -> supervisor.Program:
    settings = pipeline.settings
    return supervisor.Program(
        name,
        command,
        priority=_FIRST_PRIORITY + place,
        stop_seconds=settings.stop_timeout_seconds,
        log_max_bytes=settings.log_file_max_bytes,
        log_backups=settings.log_file_backups,
        environment=own,
    )
