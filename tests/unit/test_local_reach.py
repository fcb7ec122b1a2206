"""Ports open to other machines want secrets that not everybody knows."""

from __future__ import annotations

import pytest

from local.docker.settings import check
from spindle.errors import InvalidInput

OWN = {
    "INFLUXDB_INIT_PASSWORD": "correct horse",
    "INFLUXDB_TOKEN": "battery",
    "GRAFANA_ADMIN_PASSWORD": "staple",
}


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.7", "::", "[::]", "127.example.org"])
def test_an_address_that_others_reach_wants_secrets_of_its_own(address: str) -> None:
    check(OWN | {"BIND_ADDRESS": address})
    for name, known in (
        ("INFLUXDB_INIT_PASSWORD", "MyStrongPassword888"),
        ("INFLUXDB_TOKEN", "spindle-loopback-token"),
        ("GRAFANA_ADMIN_PASSWORD", "admin"),
    ):
        for value in (known, ""):
            with pytest.raises(InvalidInput, match=f"while {name} has its default: set"):
                check(OWN | {"BIND_ADDRESS": address, name: value})
    with pytest.raises(InvalidInput, match="GRAFANA_ADMIN_PASSWORD have their default"):
        check({"BIND_ADDRESS": address})


@pytest.mark.parametrize("address", ["", "127.0.0.1", "127.0.0.2", "::1", "[::1]", "localhost"])
def test_on_this_machine_the_defaults_will_do(address: str) -> None:
    check({"BIND_ADDRESS": address})
