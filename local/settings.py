"""Settings of running Spindle: here on this machine (``LocalSettings``) and in compose.

And what is set and is no setting: mostly one with a slip of the pen, which would do nothing.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import ClassVar, Literal

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import Field, SecretStr

from local import layout
from local.layout import ROOT
from local.services import SERVICES
from spindle.settings import Settings

_OF_USER = (
    "Password of user {} at NATS in compose: letters and digits, a letter first. Empty: the one "
    "that ./run.sh start made."
)


class LocalSettings(Settings):
    """What ``./run.sh`` needs to know; without Docker unless said otherwise."""

    REMOVED: ClassVar[Mapping[str, str]] = {
        "START_TIMEOUT_SECONDS": "./run.sh start waits 60 s, and 180 s for containers",
        "LOG_FILE_MAX_BYTES": "log files are rotated at 10 MB",
        "LOG_FILE_BACKUPS": "three rotated files are kept of each log",
    }

    spindle_mode: Literal["", "local", "docker"] = Field(
        "",
        description=(
            "local: processes on this machine; docker: compose. "
            "Empty: docker where a Docker engine answers, else local."
        ),
    )
    spindle_home: str = Field(
        layout.DEFAULT_HOME,
        min_length=1,
        description="Folder for the data, logs and pid files of what runs without Docker.",
    )
    nats_port: int = Field(
        layout.DEFAULT_NATS_PORT,
        ge=1,
        le=65535,
        description="Port of NATS; NATS_URL follows it unless set itself.",
    )
    nats_monitor_port: int = Field(
        8222, ge=1, le=65535, description="Port of NATS's monitoring pages."
    )
    nats_sync: Literal["always", "interval"] = Field(
        "always",
        description=(
            "When NATS syncs what it acknowledges to disk: always before the acknowledgement "
            "(survives a power cut), or at an interval of two minutes (faster)."
        ),
    )
    nats_auth: Literal["none", "users", "guest"] = Field(
        "users",
        description=(
            "users: each service signs in at NATS with a password and permissions of its own, "
            "which ./run.sh start makes; whoever shows no credentials is a guest, with very few, "
            "and only where NATS listens on this machine alone. guest: also elsewhere. none: "
            "whoever reaches NATS may do everything."
        ),
    )
    stop_timeout_seconds: int = Field(
        20, ge=1, description="Seconds that each service may take to drain before it is killed."
    )


class ComposeSettings(Settings):
    """What only docker-compose.yml reads."""

    bind_address: str = Field(
        "127.0.0.1", description="Address of this machine on which compose publishes every port."
    )
    influxdb_port: int = Field(8086, description="Port of InfluxDB in compose.")
    grafana_port: int = Field(3000, description="Port of Grafana in compose.")
    grafana_admin_user: str = Field("admin", description="Grafana's administrator.")
    grafana_admin_password: SecretStr = Field(
        SecretStr("admin"), description="Password of GRAFANA_ADMIN_USER."
    )
    prometheus_port: int = Field(9090, description="Port of Prometheus in compose.")
    nats_password_daemon: SecretStr = Field(SecretStr(""), description=_OF_USER.format("daemon"))
    nats_password_writer: SecretStr = Field(SecretStr(""), description=_OF_USER.format("writer"))
    nats_password_reader: SecretStr = Field(SecretStr(""), description=_OF_USER.format("reader"))
    nats_password_client: SecretStr = Field(SecretStr(""), description=_OF_USER.format("client"))
    nats_password_gateway: SecretStr = Field(SecretStr(""), description=_OF_USER.format("gateway"))
    nats_password_operator: SecretStr = Field(
        SecretStr(""), description=_OF_USER.format("operator (a person with all rights)")
    )
    prometheus_retention: str = Field(
        "30d", description="How long Prometheus keeps what it scraped."
    )


def setting(environment: Mapping[str, str], name: str) -> str:
    """A setting's value, else its default as it is written in ``.env``."""
    if value := environment.get(name):
        return value
    # A service's settings load much of it: the one that the name begins with comes first.
    services = sorted(SERVICES, key=lambda service: not name.lower().startswith(service.name))
    here: tuple[type[Settings], ...] = (LocalSettings, ComposeSettings)
    kinds = chain(here, (each.settings_type() for each in services))
    fields = (kind.model_fields.get(name.lower()) for kind in kinds)
    default = next(field for field in fields if field is not None).get_default()
    shown = default.get_secret_value() if isinstance(default, SecretStr) else default
    return str(shown).removesuffix(".0")


#: How like a setting a name must be, of 1: in the environment only a letter may differ.
_LIKE, _ALMOST_THE_SAME = 0.8, 0.96


def misspelt(file: Path) -> str:
    """Names that are set and are no setting, each with the nearest that is, and lines of the file
    that set nothing; empty for none.

    In ``.env`` these are names that begin as settings of a service do, or are like a setting. The
    environment is everybody's: Kubernetes makes GATEWAY_PORT there of the name of a service.
    """
    known = set(_known())
    written: set[str] = set()
    bad: list[str] = []
    with contextlib.suppress(OSError, UnicodeDecodeError):  # what reads the settings says so
        written = {name.upper() for name in dotenv_values(file, interpolate=False)} - known
        with file.open(encoding="utf-8") as lines:
            errors = (each.original.line for each in parse_stream(lines) if each.error)
            bad = [f"line {number} of .env is no NAME=VALUE" for number in errors]
    given = {name.upper() for name in os.environ} - known - written
    near = {name: _longer(name, known) or _like(name, known, _LIKE) for name in written}
    near |= {name: like for name in given if (like := _like(name, known, _ALMOST_THE_SAME))}
    ours = (*(f"{service.name}_".upper() for service in SERVICES), "SPINDLE_")
    names = (
        f"{name} is no setting{f', did you mean {meant}?' if meant else ''}"
        for name, meant in sorted(near.items())
        if meant or name.startswith(ours)
    )
    return "; ".join([*bad, *names])


def _longer(name: str, known: set[str]) -> str:
    """The setting that has all words of the name and more, as GATEWAY_HTTP_PORT of GATEWAY_PORT."""
    words = set(name.split("_"))
    found = sorted(each for each in known if words < set(each.split("_")))
    return found[0] if len(words) > 1 and found else ""


def _like(name: str, known: set[str], likeness: float) -> str:
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=likeness)), "")


def _known() -> Iterator[str]:
    """Settings, also those that are gone, of which is told elsewhere, and compose's variables."""
    services = (each.settings_type() for each in SERVICES)
    kinds: list[type[Settings]] = [LocalSettings, ComposeSettings, *services]
    for kind in kinds:
        for name, field in kind.model_fields.items():
            yield name.upper()
            if field.annotation is SecretStr:
                yield f"{name}_file".upper()
        for base in kind.__mro__:
            yield from getattr(base, "REMOVED", ())
    yield "SPINDLE_VENV"
    yield from re.findall(r"[A-Z]+_[A-Z_]+", (ROOT / "docker-compose.yml").read_text())
