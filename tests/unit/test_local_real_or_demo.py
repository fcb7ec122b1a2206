"""``start --real`` and ``--demo``: remembered in the home, and what follows for the services."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import real_or_demo
from local.layout import Home
from spindle.errors import InvalidInput

REAL = {"DAEMON_SOURCES": "host,smart", "READER_SIMULATED": "false"}


def test_real_drives_alone_are_remembered_until_the_demonstration_is_wanted_again(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path / "home")
    assert real_or_demo.derived(home, {}) == {}
    assert real_or_demo.remember(home, {}, real=True)
    assert real_or_demo.derived(home, {}) == REAL
    assert not real_or_demo.remember(home, {}, real=True)
    assert (
        real_or_demo.derived(home, REAL) == {}
    )  # once they are in the environment, nothing is left
    assert real_or_demo.remember(home, {}, real=False)
    assert real_or_demo.derived(home, {}) == {}


def test_of_the_sources_that_are_set_the_real_ones_stay(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    real_or_demo.remember(home, {}, real=True)
    given = {"DAEMON_SOURCES": "smart, simulator,host"}
    assert real_or_demo.derived(home, given)["DAEMON_SOURCES"] == "smart,host"
    assert real_or_demo.derived(home, {"DAEMON_SOURCES": "simulator"})["DAEMON_SOURCES"] == "host"


def test_sources_without_the_simulator_hide_what_it_left_unless_it_is_wanted(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path / "home")
    assert real_or_demo.derived(home, {"DAEMON_SOURCES": "host"}) == {"READER_SIMULATED": "false"}
    assert real_or_demo.derived(home, {"DAEMON_SOURCES": "host", "READER_SIMULATED": "true"}) == {}


def test_the_demonstration_is_refused_where_the_sources_leave_it_out(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="DAEMON_SOURCES=host leaves the simulated fleet out"):
        real_or_demo.remember(Home(tmp_path), {"DAEMON_SOURCES": "host"}, real=False)
