"""Which stores there are, chosen by the scheme of STORE_URL; a driver is imported when it is used.

A new store is a folder beside this file and one entry in ``KINDS``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

from spindle.errors import InvalidSettings
from spindle.store.base import Store


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of store.

    :ivar schemes: of its URLs.
    :ivar form: how its URL is written, for people.
    :ivar names: what the URL must name: ``file``, ``host``, or nothing.
    :ivar driver: ``module:class``; the class is called with the settings, ``writing``, ``now_ns``.
    """

    schemes: tuple[str, ...]
    form: str
    names: str
    driver: str

    def written_well(self, url: str) -> bool:
        """Whether the URL names the file or host that this kind of store needs."""
        parts = urlsplit(url)
        if self.names == "file":
            return url.startswith(f"{parts.scheme}:///") and not url.endswith("/")
        return self.names != "host" or bool(parts.hostname)


DEFAULT_STORE = "sqlite:///.spindle/spindle.db"
KINDS = (
    Kind(("sqlite",), "sqlite:///FILE", "file", "spindle.store.sqlite.store:SqliteStore"),
    Kind(
        ("influxdb", "influxdb+http", "influxdb+https", "http", "https"),
        "influxdb://host:port/database",
        "host",
        "spindle.store.influxdb.store:InfluxStore",
    ),
)
ALLOWED = " or ".join(kind.form for kind in KINDS)


def kind_of(url: str) -> Kind:
    """The kind of store that a URL names.

    :raises ValueError: it names none; the text says what is allowed.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # one that is no number raises
    except ValueError:
        raise ValueError(f"expected {ALLOWED}") from None
    kind = next((kind for kind in KINDS if parts.scheme in kind.schemes), None)
    if kind is None or not kind.written_well(url):
        raise ValueError(f"expected {ALLOWED}")
    return kind


class StoreSettings(BaseModel):
    """The settings that choose a store, part of ``spindle.settings.Settings``."""

    store_url: str = Field(
        "",
        description=(
            "The store: sqlite:///FILE, or influxdb://[user:password@]host:port/database, "
            "behind a proxy influxdb://host:port/prefix/database "
            "(influxdb+https:// for TLS). Empty: InfluxDB at INFLUXDB_HOST if that is set, "
            f"else {DEFAULT_STORE}."
        ),
    )
    influxdb_host: str = Field(
        "",
        description="InfluxDB's address, such as http://127.0.0.1:8086, if STORE_URL is empty; a "
        "path in it is the prefix of a proxy.",
    )
    influxdb_token: SecretStr = Field(
        SecretStr(""), description="API token for InfluxDB 2.x or 3.x."
    )
    influxdb_tls_ca: str = Field(
        "", description="CA certificate (PEM) to verify InfluxDB by, instead of the system's."
    )
    influxdb_org: str = Field(
        "spindle", description="Organisation in InfluxDB 2.x: its name, or its id."
    )
    influxdb_bucket: str = Field(
        "spindle", description="Bucket (2.x) or database (1.x, 3.x); a STORE_URL with a path wins."
    )
    influxdb_init_username: str = Field(
        "admin", description="InfluxDB's first user; also the user for 1.x with authentication on."
    )
    influxdb_init_password: SecretStr = Field(
        SecretStr("MyStrongPassword888"),
        description="Password of INFLUXDB_INIT_USERNAME; in compose at least 8 characters.",
    )
    retention_hours: float = Field(
        168.0,
        ge=0,
        description="How long the store keeps readings, in hours; 0 keeps them for ever. In "
        "compose at least 1, else 0.",
    )
    store_timeout_seconds: float = Field(
        10.0, gt=0, description="How long one request to the store may take, in seconds."
    )

    @field_validator("store_url")
    @classmethod
    def _known_store(cls, value: str) -> str:
        if value:
            kind_of(value)
        return value

    @field_validator("influxdb_host")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if value and not _is_http(value if "://" in value else f"http://{value}"):
            raise ValueError("expected an address such as http://127.0.0.1:8086")
        return value

    @field_validator("influxdb_token")
    @classmethod
    def _fits_a_header(cls, value: SecretStr) -> SecretStr:
        if not re.fullmatch("[!-~]*", value.get_secret_value()):
            raise ValueError(
                "expected a token of ASCII letters, digits and signs; there is a line break, a "
                "space or a typographic quote in it"
            )
        return value

    @property
    def retention_is_set(self) -> bool:
        """Whether RETENTION_HOURS was set; only then an existing database's retention changes."""
        return "retention_hours" in self.model_fields_set

    @property
    def store(self) -> str:
        """The store's URL after all rules: STORE_URL, else INFLUXDB_HOST, else SQLite."""
        if self.store_url:
            return self.store_url
        if self.influxdb_host:
            host = (
                self.influxdb_host
                if "://" in self.influxdb_host
                else f"http://{self.influxdb_host}"
            )
            return f"{host.rstrip('/')}/{quote(self.influxdb_bucket, safe='')}"
        return DEFAULT_STORE


def _is_http(url: str) -> bool:
    try:
        kind_of(url)
    except ValueError:
        return False
    return urlsplit(url).scheme != "sqlite"


def open_store(
    settings: StoreSettings,
    *,
    writing: bool = False,
    now_ns: Callable[[], int | None] = time.time_ns,
) -> Store:
    """The store that the settings name; nothing connects yet.

    :param writing: True for the one process that writes to an SQLite file.
    :param now_ns: the time by which a point is too old to be stored; None from it: none is.
    :raises InvalidSettings: no store has such a URL.
    """
    try:
        module, name = kind_of(settings.store).driver.split(":")
    except ValueError as error:
        raise InvalidSettings([f"STORE_URL: {error}"]) from None
    driver = getattr(import_module(module), name)
    store: Store = driver(settings, writing=writing, now_ns=now_ns)
    return store
