"""The local nats-server: finding it, its configuration, and what it says of itself."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.layout import Home
from local.settings import LocalSettings
from spindle.bus.nats_server import fsync_from_varz, version_warning
from spindle.errors import SpindleError
from spindle.settings import Settings

Version = tuple[int, int, int]

#: JetStream's limit in compose, too.
LARGE_FILE_STORE = 64 * 10**9
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class NoServer(SpindleError):
    """There is no nats-server to run."""


def find_server() -> str:
    """The nats-server of the virtual environment, else the one on PATH.

    :raises NoServer: with what to do.
    """
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.is_file() else shutil.which("nats-server")
    if not found:
        raise NoServer(
            "there is no nats-server: put one on PATH (https://nats.io/download), or point "
            "NATS_URL at a server that runs elsewhere"
        )
    return found


def version_of(text: str) -> Version | None:
    """``(2, 15, 1)`` from ``nats-server: v2.15.1``; None when there is no version in the text."""
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def server_version(program: str) -> Version | None:
    """The version that ``nats-server --version`` prints."""
    answer = subprocess.run(  # noqa: S603 - the program found above
        [program, "--version"], capture_output=True, text=True, timeout=10, check=False
    )
    return version_of(answer.stdout)


def credentials(settings: LocalSettings, home: Home, user: str) -> dict[str, str]:
    """``NATS_USER`` and ``NATS_PASSWORD`` of one service, once they have been made.

    Empty where a server elsewhere is used, which has users of its own.
    """
    made = is_local(settings) and home.nats_passwords.exists()
    if settings.nats_auth != "users" or not made:
        return {}
    known = json.loads(home.nats_passwords.read_text())
    return {"NATS_USER": user, "NATS_PASSWORD": known[user]}


def is_local(settings: LocalSettings) -> bool:
    """Whether NATS is ours to run: no, when NATS_URL names a server elsewhere."""
    url = urlsplit(settings.nats_url)
    try:
        return url.hostname in LOOPBACK and url.port == settings.nats_port
    except ValueError:  # not a port: the service says so
        return False


def config(
    settings: LocalSettings,
    store: Path,
    version: Version | None,
    authorization: str = "",
    limit: int = LARGE_FILE_STORE,
) -> str:
    """The configuration file of the local server.

    :param authorization: as ``accounts.accounts`` makes it; empty for NATS_AUTH=none.
    :param limit: most that JetStream's files may take, in bytes.
    :param version: of the server; the key ``sync_interval`` is known from 2.10 on.
    """
    sync = "  sync_interval: always\n" if settings.nats_sync == "always" else ""
    if version is not None and version < (2, 10, 0):
        sync = ""
    return (
        "# Made by ./run.sh start; changes are lost.\n"
        "host: 127.0.0.1\n"
        f"port: {settings.nats_port}\n"
        f'http: "127.0.0.1:{settings.nats_monitor_port}"\n'
        "max_payload: 8MB\n"
        "jetstream {\n"
        f"  store_dir: {json.dumps(str(store), ensure_ascii=False)}\n"
        f"  max_file_store: {limit}\n"
        f"{sync}"
        "}\n"
        f"{_mqtt(settings)}"
        f"{authorization}"
    )


def _mqtt(settings: LocalSettings) -> str:
    """The MQTT listener, which keeps its sessions in JetStream by the server's name."""
    if not settings.home_assistant:
        return ""
    return f"server_name: spindle\nmqtt {{\n  host: 127.0.0.1\n  port: {settings.mqtt_port}\n}}\n"


def configured_port(file: Path) -> int:
    """The port in a configuration that ``config`` made; 0 where there is none."""
    try:
        found = re.search(r"^port: (\d+)$", file.read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


@dataclass(frozen=True, slots=True)
class Broker:
    """What a running server says of itself on its monitoring port.

    :ivar fsync: ``always``, ``interval`` or ``unknown``.
    :ivar warning: why its version should be replaced, and that it asks nobody who they are; or
        empty.
    :ivar auth: ``users``, ``none`` or ``unknown``.
    """

    version: str
    fsync: str
    warning: str
    auth: str = "unknown"


UNKNOWN_BROKER = Broker("unknown", "unknown", "")
OPEN = "NATS_AUTH=none: whoever reaches NATS may do everything"


def broker(varz: Mapping[str, Any]) -> Broker:
    """What the answer of ``/varz`` says of the server."""
    version = str(varz.get("version", "unknown"))
    auth = "users" if varz.get("auth_required") else "none"
    warnings = (version_warning(version), OPEN if auth == "none" else "")
    return Broker(version, fsync_from_varz(varz), "; ".join(filter(None, warnings)), auth)


def nats_url(port: int) -> str:
    """Where the local server answers."""
    return str(Settings.model_fields["nats_url"].default).replace("4222", str(port))
