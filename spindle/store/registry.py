"""Which stores there are, chosen by the scheme of STORE_URL; a driver is imported when it is used.

A new store is a folder beside this file and one entry in ``KINDS``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol
from urllib.parse import urlsplit

from spindle.errors import InvalidSettings
from spindle.store.base import Store


class StoreSettings(Protocol):
    """The settings that every store takes: part of ``spindle.settings.Settings``."""

    @property
    def store(self) -> str:
        """The store's URL."""

    @property
    def store_timeout_seconds(self) -> float:
        """How long one request may take."""

    @property
    def retention_hours(self) -> float:
        """How long readings are kept; 0 for ever."""

    @property
    def retention_is_set(self) -> bool:
        """Whether RETENTION_HOURS was set, rather than left at its default."""


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


def open_store(
    settings: StoreSettings,
    *,
    writing: bool = False,
    now_ns: Callable[[], int | None] = time.time_ns,
) -> Store:
    """The store that the settings name; nothing connects yet.

    :param settings: ``spindle.settings.Settings``, which checks its URL by ``kind_of``.
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
