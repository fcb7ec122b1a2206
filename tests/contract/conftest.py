"""``store``: the same tests on every store that can be had here.

SQLite and a real influxd always; more from SPINDLE_TEST_STORES (STORE_URLs separated by commas,
with INFLUXDB_TOKEN and the like from the environment); with ``--containers`` also the InfluxDB
versions that ``tests/containers.py`` starts. Each test has a database of its own.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import urllib3

from spindle.settings import Settings, load
from spindle.store.base import Store
from spindle.store.registry import open_store
from tests import containers

HERE = ("sqlite", "influxd")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store_settings" not in metafunc.fixturenames:
        return
    named = [url.strip() for url in os.environ.get("SPINDLE_TEST_STORES", "").split(",")]
    started = containers.STORES if metafunc.config.getoption("--containers") else ()
    kinds = [*HERE, *(url for url in named if url), *started]
    metafunc.parametrize("store_settings", kinds, indirect=True, ids=[_shown(k) for k in kinds])


def _shown(kind: str) -> str:
    return kind.rsplit("@", 1)[-1]  # no password in a test's name


@pytest.fixture
def store_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings that name an empty store of this test's own, which is dropped at the end."""
    kind, database = str(request.param), f"spindle_{uuid4().hex[:12]}"
    given: dict[str, str] = {}
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path}/made/by/the/writer.db"
    elif kind == "influxd":
        url = f"influxdb://127.0.0.1:{request.getfixturevalue('influxd').port}/{database}"
    elif kind in containers.STORES:
        given = dict(request.getfixturevalue("store_containers")(kind))
        url = f"{given.pop('store_url')}/{database}"
    else:
        scheme, rest = kind.split("://", 1)
        url = f"{scheme}://{rest.split('/', 1)[0]}/{database}"
    settings = load(Settings, store_url=url, **given)
    yield settings
    if kind not in HERE:
        drop(settings)


@pytest.fixture
async def store(store_settings: Settings) -> AsyncIterator[Store]:
    """A prepared, empty store, open for writing."""
    store = open_store(store_settings, writing=True)
    try:
        await store.prepare()
        yield store
    finally:
        await store.close()


@pytest.fixture
async def reading(store_settings: Settings, store: Store) -> AsyncIterator[Store]:
    """The same store, as a service that only reads opens it."""
    other = open_store(store_settings)
    try:
        await other.prepare()
        yield other
    finally:
        await other.close()


def drop(settings: Settings) -> None:
    """Drop the database, whichever version: InfluxDB 3 Core holds no more than five."""
    from spindle.store.influxdb.http import Address

    address = Address.of(settings)
    name, token = address.database, address.bearer("Token")
    drop_database = {"q": f'DROP DATABASE "{name}"'}
    with urllib3.PoolManager() as http:
        http.request("POST", f"{address.base}/query", fields=drop_database, headers=address.basic())
        http.request(
            "DELETE",
            f"{address.base}/api/v3/configure/database?db={name}&hard_delete_at=now",
            headers=address.bearer("Bearer"),
        )
        found = http.request("GET", f"{address.base}/api/v2/buckets?name={name}", headers=token)
        for bucket in found.json().get("buckets", ()) if found.status == 200 else ():
            http.request("DELETE", f"{address.base}/api/v2/buckets/{bucket['id']}", headers=token)
