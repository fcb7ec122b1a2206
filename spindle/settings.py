"""Environment (and ``.env``) -> typed settings; all mistakes reported at once.

``Settings`` holds what every service shares; each service adds its own in its ``settings.py``.
The description of a field is its manual: ``.env.example`` and ``docs/reference.md`` are made of it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from spindle.errors import InvalidSettings
from spindle.models import sentence_of
from spindle.store.registry import StoreSettings
from spindle.text import shown
from spindle.timestamps import NS

logging.getLogger("dotenv.main").setLevel(logging.ERROR)  #: ./run.sh names a bad line, once
_REPLICAS = (1, 3, 5)
_NATS_SCHEMES = ("nats", "tls", "ws", "wss")


class SecretFiles(PydanticBaseSettingsSource):
    """Secrets from files: ``NATS_PASSWORD_FILE`` names the one that holds ``NATS_PASSWORD``.

    A line break at its end is none of the secret.
    """

    def get_field_value(
        self,
        field: FieldInfo,  # noqa: ARG002 - pydantic's signature
        field_name: str,
    ) -> tuple[Any, str, bool]:
        """Not used: all fields are looked at in one go."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Field -> secret, of those whose file is named.

        :raises OSError: a file cannot be read, or is empty, or the secret is set itself too.
        """
        told = {**dotenv_values(".env"), **os.environ}
        given = {name.lower(): value for name, value in told.items() if value}
        return dict(secrets_of_files(self.settings_cls, given))


_LONGEST_SECRET = 65_536  # bytes


def secrets_of_files(
    kind: type[BaseSettings], given: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Field and secret, of each secret of a kind of settings whose file is named.

    :param given: what is set, by names in lower case.
    :raises OSError: a file cannot be read, or is empty, or the secret is set itself too.
    """
    for name, field in kind.model_fields.items():
        if field.annotation is not SecretStr or not (path := given.get(f"{name}_file")):
            continue
        if given.get(name):
            both = f"{name.upper()} is set too; a secret is set by itself or by a file"
            raise OSError(None, both, f"{name}_file".upper())
        yield name, _secret(f"{name}_file", path)


def _secret(setting: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:  # which may have no end, as /dev/zero
            secret = file.read(_LONGEST_SECRET).decode(errors="replace").rstrip("\r\n")
        why = "" if secret else "it is empty; leave the setting out where there is no secret"
    except OSError as error:
        secret, why = "", str(error.strerror)
    if why:
        raise OSError(None, why, f"{setting.upper()}: {path}")
    return secret


class Settings(StoreSettings, BaseSettings):
    """What every service shares.

    :cvar REMOVED: former settings of this class, and what replaces each, in a few words.
    """

    REMOVED: ClassVar[Mapping[str, str]] = {
        "DEADLETTER_MAX_AGE_HOURS": "DEADLETTER_MAX_BYTES alone",
        "MAX_PAYLOAD_BYTES": "900000 bytes",
        "CLOCK_TOLERANCE_SECONDS": "300 seconds, always",
        "LOG_FORMAT": "for people on a terminal, JSON lines otherwise",
    }

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given, the environment, ``.env``, files of secrets; the first wins."""
        return init_settings, env_settings, dotenv_settings, SecretFiles(settings_cls)

    nats_url: str = Field(
        "nats://127.0.0.1:4222",
        description="Where NATS answers; several servers of a cluster separated by commas.",
    )
    nats_user: str = Field("", description="User name at NATS; empty for none.")
    nats_password: SecretStr = Field(SecretStr(""), description="Password of NATS_USER.")
    home_assistant: bool = Field(
        False,
        description="Let NATS listen for MQTT on this machine, and tell Home Assistant of each "
        "device's health.",
    )
    mqtt_port: int = Field(1883, ge=1, le=65535, description="Port of NATS's MQTT listener.")
    nats_creds: str = Field("", description="Path of a NATS credentials file (JWT and seed).")
    nats_tls_ca: str = Field(
        "", description="CA certificate (PEM) to verify NATS by; turns TLS on."
    )
    nats_tls_cert: str = Field("", description="Client certificate (PEM) shown to NATS.")
    nats_tls_key: str = Field("", description="Key (PEM) of NATS_TLS_CERT.")
    stream_replicas: int = Field(
        1, description="Copies of each stream in a NATS cluster (1, 3 or 5)."
    )
    metrics_stream_max_bytes: int = Field(
        4 * 2**30,
        ge=2**20,
        description="Most bytes that wait in the METRICS stream; a full one refuses new messages.",
    )
    events_stream_max_bytes: int = Field(
        2**30,
        ge=2**20,
        description="Most bytes that wait in the EVENTS stream; a full one refuses new messages.",
    )
    parking_stream_max_bytes: int = Field(
        128 * 2**20,
        ge=2**20,
        description="Most bytes in each of parking's streams and buckets; a full one refuses "
        "new messages.",
    )
    deadletter_max_bytes: int = Field(
        2**28, ge=2**20, description="Most bytes of dead letters kept; then the oldest go."
    )
    reader_watch_series: int = Field(
        4000,
        ge=1,
        le=1_000_000,
        description="Most series that one reader follows, at up to 0.1 MB of memory each and as "
        "much at NATS; more are left alone: the log, a metric and the answer of anomalies say so.",
    )
    nats_room_bytes: int = Field(
        0,
        ge=0,
        description="Most bytes that METRICS and EVENTS together may take; where their own "
        "settings add up to more, each is smaller in proportion. 0: no bound; without Docker "
        "./run.sh start sets it on a small disk.",
    )
    max_future_seconds: float = Field(
        3600.0,
        ge=0,
        description="How far ahead of this machine's clock a timestamp may lie, in seconds.",
    )
    http_host: str = Field(
        "127.0.0.1", description="Address on which each service's /healthz and /metrics listen."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severity that is logged."
    )

    @field_validator("nats_url")
    @classmethod
    def _names_servers(cls, value: str) -> str:
        urls = [url.strip() for url in value.split(",") if url.strip()]
        if not urls or not all(map(_names_a_server, urls)):
            raise ValueError("expected nats://host:port, or several of them separated by commas")
        return value

    @field_validator("stream_replicas")
    @classmethod
    def _can_agree(cls, value: int) -> int:
        if value not in _REPLICAS:  # an even number survives no more losses than one copy less
            raise ValueError("expected 1, 3 or 5")
        return value

    @field_validator(
        "nats_creds", "nats_tls_ca", "nats_tls_cert", "nats_tls_key", "influxdb_tls_ca"
    )
    @classmethod
    def _file_is_there(cls, value: str) -> str:
        if value and not Path(value).is_file():
            raise ValueError("expected the path of a file that exists")
        return value

    def latest_ns(self, now_ns: int) -> int:
        """The latest time that a message may carry at this moment, in nanoseconds."""
        return now_ns + int(self.max_future_seconds * NS)


def _names_a_server(url: str) -> bool:
    """Whether nats-py takes the address: scheme and port may be missing, a host may not."""
    try:
        parts = urlsplit(url if "://" in url else f"nats://{url}")
        host, _port = parts.hostname, parts.port  # a port that is no number raises
    except ValueError:
        return False
    return parts.scheme in _NATS_SCHEMES and bool(host) and " " not in url


_S = TypeVar("_S", bound=Settings)


def load(kind: type[_S], **given: Any) -> _S:
    """The settings of one service.

    :raises InvalidSettings: every mistake at once: setting, what was given, what is allowed.
    """
    try:
        return kind(**given)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise InvalidSettings([f".env: holds the byte 0x{byte:02x}, expected UTF-8"]) from None
    except OSError as error:
        raise InvalidSettings([f"{error.filename}: {error.strerror}"]) from None
    except ValidationError as error:
        raise InvalidSettings([_mistake(kind, dict(item)) for item in error.errors()]) from None


def removed_but_set(*kinds: type[Settings]) -> str:
    """A sentence that names former settings that are set all the same; empty where none is.

    The environment and ``.env`` are looked at; what cannot be read there is ``load``'s to say.
    """
    former = {
        name: instead
        for kind in kinds
        for base in kind.__mro__
        for name, instead in getattr(base, "REMOVED", {}).items()
    }
    names = {name.upper() for name in os.environ}
    with contextlib.suppress(OSError, UnicodeDecodeError):
        names |= {name.upper() for name in dotenv_values(".env", interpolate=False)}
    found = [f"{name} ({former[name]})" for name in sorted(former) if name in names]
    return f"settings that no longer exist are still set: {', '.join(found)}" if found else ""


def _public(value: object) -> object:
    """The value with the user and password of a URL replaced by dots."""
    return re.sub(r"//.*@", "//...@", value) if isinstance(value, str) else value


def _mistake(kind: type[Settings], item: dict[str, Any]) -> str:
    if not item["loc"]:  # of several at once, which the sentence names; the input is all of them
        return sentence_of(item)
    name = str(item["loc"][0])
    field = kind.model_fields.get(name.lower())
    secret = field is not None and field.annotation is SecretStr
    given = "" if secret or "input" not in item else f"given {shown(_public(item['input']))}, "
    return f"{name.upper()}: {given}{sentence_of(item)}"
