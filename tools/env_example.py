"""``.env.example`` from the settings: ``##`` explains, ``#NAME=default`` shows the default."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from local.services import SERVICES
from local.settings import ComposeSettings, LocalSettings
from spindle.settings import Settings

_HEAD = """\
## Every setting of Spindle. Copy this file to .env (./run.sh init does) and change what you like.
## A line that begins with a single # shows a default; take the # away to change the value.
## The environment wins over .env. `./run.sh restart` applies changes.
## A password or token may be in a file: NATS_PASSWORD_FILE=/run/secrets/nats, and so for each.
"""
_WIDTH = 97


def env_example() -> str:
    """The whole file."""
    sections = [("Shared by every service", list(fields_of(Settings)))]
    for service in SERVICES:
        fields = fields_of(service.settings_type())
        sections.append((f"{service.name}", fields))
    sections.append(("./run.sh", fields_of(LocalSettings)))
    sections.append(("docker-compose.yml", fields_of(ComposeSettings)))
    return "\n".join([_HEAD, *(_section(title, fields) for title, fields in sections)])


def fields_of(kind: type[Settings]) -> list[tuple[str, FieldInfo]]:
    """A class's own settings, without those it shares with all."""
    shared = set() if kind is Settings else set(Settings.model_fields)
    return [(name, field) for name, field in kind.model_fields.items() if name not in shared]


def _section(title: str, fields: list[tuple[str, FieldInfo]]) -> str:
    return "\n".join([f"## ===== {title} =====\n", *(_entry(*field) for field in fields)])


def _entry(name: str, field: FieldInfo) -> str:
    text = textwrap.fill(
        field.description or "", _WIDTH, initial_indent="## ", subsequent_indent="## "
    )
    return f"{text}\n#{name.upper()}={shown(field.get_default(call_default_factory=True))}\n"


def shown(value: Any) -> str:
    """A default as it is written in the environment."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ",".join(shown(each) for each in value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dict):
        return json.dumps(value)
    return "" if value is None else str(value)
