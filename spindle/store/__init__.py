"""Where readings are kept: one protocol, two stores, chosen by URL."""

from __future__ import annotations

from urllib.parse import urlsplit

from spindle.settings import Settings
from spindle.store.base import Store

__all__ = ["Store", "open_store"]


def open_store(settings: Settings, *, writing: bool = False) -> Store:
    """The store that the settings name; nothing connects yet.

    :param writing: True for the one process that writes to an SQLite file.
    """
    if urlsplit(settings.store).scheme == "sqlite":
        from spindle.store.sqlite.store import SqliteStore  # noqa: PLC0415 - its driver only

        return SqliteStore(settings, writing=writing)
    from spindle.store.influxdb.store import InfluxStore  # noqa: PLC0415 - its driver only

    return InfluxStore(settings)
