"""What this checkout runs: every service's settings, environment, programs and ports."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from local import real_or_demo
from local.environment import environment
from local.layout import INSTANCE_VARIABLE, ROOT, Home, home_of
from local.nats import accounts, disk
from local.nats import server as nats
from local.nats import users as nats_users
from local.processes import ports, supervisor
from local.processes.status import page
from local.services import NATS, SERVICES
from local.settings import LocalSettings, setting
from spindle.errors import InvalidSettings
from spindle.settings import Settings, load

#: Variables that supervisord's commands name, for paths may hold what its configuration may not.
PYTHON, NATS_SERVER, NATS_CONFIG = "SPINDLE_PYTHON", "SPINDLE_NATS_SERVER", "SPINDLE_NATS_CONFIG"

#: Rotation of each service's log in ``.spindle/logs``: 40 MB hold days at the level info.
LOG_FILE_MAX_BYTES, LOG_FILE_BACKUPS = 10_000_000, 3
_FIRST_PRIORITY = 100
NATS_ROOM = "NATS_ROOM_BYTES"
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

    @property
    def shown_store(self) -> str:
        """Where readings are kept, as people may see it."""
        return without_password(self.settings.store)

    def http_port(self, service: str) -> int:
        """Where a service answers ``/healthz``."""
        if service == NATS:
            return self.settings.nats_monitor_port
        return int(getattr(self.own[service], f"{service}_http_port"))

    def host(self, service: str) -> str:
        """Where a service listens: where all do, unless it has a setting of its own."""
        return getattr(self.own.get(service), f"{service}_host", "") or self.settings.http_host

    def speaks_tls(self, service: str) -> bool:
        """Whether a service answers over HTTPS."""
        return bool(getattr(self.own.get(service), f"{service}_tls_cert", ""))

    def pages(self) -> dict[str, str]:
        """Service -> address of its ``/healthz``."""
        return {
            name: page(name, self.host(name), self.http_port(name), tls=self.speaks_tls(name))
            for name in self.names
        }

    def ports(self) -> list[ports.Port]:
        """Every port that will be listened on."""
        found = []
        if self.runs_nats:
            found = [
                ports.Port("NATS_PORT", "127.0.0.1", self.settings.nats_port),
                ports.Port("NATS_MONITOR_PORT", "127.0.0.1", self.settings.nats_monitor_port),
            ]
            if self.settings.home_assistant:
                found.append(ports.Port("MQTT_PORT", "127.0.0.1", self.settings.mqtt_port))
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
    os.environ.update(derived(settings))
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
    else:  # what services alone need: who asks one question need not load all of them
        home = home_of(settings.spindle_home)
        os.environ.update(real_or_demo.derived(home, environment(ROOT / ".env")))
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
    client, gateway = own["client"], own["gateway"]
    if "notify_page_url" not in client.model_fields_set:
        root = pipeline.pages()["gateway"].removesuffix("/healthz")
        path = getattr(gateway, "gateway_root_path", "")
        os.environ["NOTIFY_PAGE_URL"] = f"{root}{path}"
    if shared := ports.mistakes(pipeline.ports()):
        raise InvalidSettings(shared)
    return pipeline


def derived(settings: LocalSettings) -> dict[str, str]:
    """Settings that follow from NATS_PORT and SPINDLE_HOME, unless set themselves.

    With a SPINDLE_HOME of its own nothing is written into the checkout.
    """
    found = {}
    if "nats_url" not in settings.model_fields_set:
        found["NATS_URL"] = nats.nats_url(settings.nats_port)
    home, known = home_of(settings.spindle_home), environment(ROOT / ".env")
    if NATS_ROOM not in known and (room := disk.noted_room(home.nats_room)):
        found[NATS_ROOM] = str(room)
    folder = home.folder
    if folder == ROOT / str(LocalSettings.model_fields["spindle_home"].default):
        return found
    if not settings.store_url and not settings.influxdb_host:
        found["STORE_URL"] = f"sqlite:///{folder}/spindle.db"
    for name in ("CLIENT_OUTPUT", "CLIENT_PARKING_OUTPUT"):
        if name not in known:
            found[name] = str(folder / setting({}, name))
    return found


def of_process(settings: LocalSettings, home: Home) -> dict[str, str]:
    """Variables that every process of this checkout gets beside the user's own environment."""
    return {
        **derived(settings),
        INSTANCE_VARIABLE: str(home.folder),
        PYTHON: sys.executable,
        **({NATS_SERVER: nats.find_server()} if nats.is_local(settings) else {}),
        NATS_CONFIG: str(home.nats_config),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }


def write_configuration(pipeline: Pipeline) -> None:
    """Make the folders and write the configurations of nats-server and supervisord.

    :raises nats.NoServer: when there is none and one is needed.
    """
    home = pipeline.home
    home.make()
    commands = {name: f'"${PYTHON}" -m {name}' for name in pipeline.own}
    environments: dict[str, dict[str, str]] = {}
    authorization = ""
    if pipeline.runs_nats and pipeline.settings.nats_auth == "users":
        known = nats_users.passwords(home.nats_passwords)
        environments[NATS] = nats_users.environment(known)
        authorization = accounts.accounts(guest=True)  # it listens on loopback only
        for name in pipeline.own:
            environments[name] = nats.credentials(pipeline.settings, home, name)
    if pipeline.runs_nats:
        server = nats.find_server()
        commands[NATS] = f'"${NATS_SERVER}" -c "${NATS_CONFIG}"'
        version = nats.server_version(server)
        ours = str(disk.noted_room(home.nats_room))
        limit = disk.limit(home.nats_store, home.nats_room, pipeline.settings)
        if os.environ.get(NATS_ROOM, ours) == ours:  # else a person set it
            os.environ.pop(NATS_ROOM, None)
            if room := disk.noted_room(home.nats_room):
                os.environ[NATS_ROOM] = str(room)
        accounts.hand_over_streams(home.nats_store, to_account=bool(authorization))
        config = nats.config(pipeline.settings, home.nats_store, version, authorization, limit)
        home.nats_config.write_text(config, encoding="utf-8")
    programs = [
        _program(pipeline, name, commands[name], place, environments.get(name, {}))
        for place, name in enumerate(pipeline.names)
    ]
    home.supervisor_config.touch(mode=0o600)
    home.supervisor_config.write_text(supervisor.config(home, programs), encoding="utf-8")
    write_pages(home, pipeline.pages())
    home.store_file.write_text(pipeline.shown_store)


def without_password(url: str) -> str:
    """A URL without the user and password that it may have."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


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
        log_max_bytes=LOG_FILE_MAX_BYTES,
        log_backups=LOG_FILE_BACKUPS,
        environment=own,
    )
