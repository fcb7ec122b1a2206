"""Where InfluxDB is, of the settings."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from spindle.errors import InvalidSettings
from spindle.settings import Settings, load
from spindle.store.influxdb.http import Address
from spindle.store.influxdb.versions.v1 import seconds_of


@pytest.mark.parametrize(
    ("url", "base", "database"),
    [
        ("influxdb://db.example:8087/readings", "http://db.example:8087", "readings"),
        ("influxdb://db.example", "http://db.example:8086", "bucket-of-the-settings"),
        ("influxdb+http://db.example/", "http://db.example:8086", "bucket-of-the-settings"),
        ("influxdb+https://db.example/x", "https://db.example:8086", "x"),
        ("http://db.example:80/x", "http://db.example:80", "x"),
        ("https://db.example/x%2Fy", "https://db.example:443", "x/y"),
        ("influxdb://[::1]:8086/x", "http://[::1]:8086", "x"),
        ("influxdb://proxy.example:80/influx/db", "http://proxy.example:80/influx", "db"),
        ("influxdb+https://h:443/a/b%20c/db/", "https://h:443/a/b%20c", "db"),
    ],
)
def test_the_url_names_server_and_database(url: str, base: str, database: str) -> None:
    address = Address.of(load(Settings, store_url=url, influxdb_bucket="bucket-of-the-settings"))
    assert (address.base, address.database) == (base, database)


def test_without_a_store_url_the_old_settings_name_them() -> None:
    address = Address.of(load(Settings, influxdb_host="influxdb:8086", influxdb_bucket="b"))
    assert (address.base, address.database) == ("http://influxdb:8086", "b")


@pytest.mark.fault("11")
def test_a_path_of_influxdb_host_is_a_prefix_and_no_database() -> None:
    address = Address.of(load(Settings, influxdb_host="http://proxy/influx/", influxdb_bucket="b"))
    assert (address.base, address.database) == ("http://proxy:8086/influx", "b")


@pytest.mark.parametrize("token", ["s3cret\n", "s3cr\u201cet", "s3c ret"])
@pytest.mark.fault("8")
def test_a_token_that_no_header_can_hold_is_one_sentence_without_it(token: str) -> None:
    with pytest.raises(InvalidSettings, match=r"^INFLUXDB_TOKEN: expected a token") as told:
        load(Settings, influxdb_token=token)
    assert "s3c" not in str(told.value)
    address = Address.of(load(Settings, store_url=f"influxdb://jo:{quote(token)}@h/db"))
    assert address.bearer("Token") == {}  # a password of 1.x


def test_user_and_password_of_the_url_win_and_may_stand_for_a_token() -> None:
    url = "influxdb://jo:p%40ss@h/x"
    address = Address.of(load(Settings, store_url=url))
    assert (address.user, address.password, address.token) == ("jo", "p@ss", "p@ss")
    address = Address.of(load(Settings, store_url=url, influxdb_token="t"))
    assert address.bearer("Bearer") == {"Authorization": "Bearer t"}
    address = Address.of(load(Settings, store_url="influxdb://h/x"))
    assert (address.user, address.token) == ("admin", "")
    assert address.bearer("Token") == {}
    assert address.basic() == {"Authorization": "Basic YWRtaW46TXlTdHJvbmdQYXNzd29yZDg4OA=="}


def test_an_address_never_shows_its_secrets() -> None:
    url = "influxdb://someone:secret-password@h/x"
    address = Address.of(load(Settings, store_url=url, influxdb_token="secret-token"))
    assert "secret" not in repr(address)
    assert "someone" not in repr(address)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("168h0m0s", 604_800), ("1h30m0s", 5400), ("30m0s", 1800), ("45s", 45)],
)
def test_a_duration_of_influxdb_is_read(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds
