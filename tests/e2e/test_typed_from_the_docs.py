"""Every command of the README and of the pages by task, typed as it stands there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.layout import ROOT
from tests.e2e.test_run_local import Checkout, _checkout

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "tasks").glob("*.md"))]
#: They take files, or what was stored of a certain device; tests of their own give them such. So
#: do those that name a <device>.
WITH_FILES = ("replay", "export")
pytestmark = pytest.mark.timeout(400)  # each command is a process, and some start the pipeline


def commands(page: Path) -> list[list[str]]:
    """The words of each command that stands on a line of its own, without what is said of it."""
    lines = re.findall(r"^ {4,}\./run\.sh (\S.*?)(?: {2,}.*)?$", page.read_text(), re.MULTILINE)
    typed = [shlex.split(line) for line in lines]
    named = [words for words in typed if not any(word.startswith("<") for word in words)]
    return [words for words in named if words[0] not in WITH_FILES]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    found = _checkout(tmp_path_factory.mktemp("typed"))
    yield found
    found.end()


@pytest.mark.xdist_group("typed")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_a_page_does_what_it_is_for(checkout: Checkout, page: Path) -> None:
    # Another page may have left the simulated fleet out; some speak of its devices.
    assert checkout.run("start", "--demo").returncode == 0
    for words in commands(page):
        done = checkout.run(*words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        if words == ["stop"]:  # what a page says after it is for a pipeline that runs
            assert checkout.run("start").returncode == 0


def test_the_readme_has_commands_to_type() -> None:
    typed = [words[:2] for words in commands(ROOT / "README.md")]
    assert ["query", "fleet_health"] in typed
    assert ["start", "--real"] in typed


def test_real_drives_alone_are_all_that_answers_know_at_once_and_the_rest_comes_back(
    checkout: Checkout,
) -> None:
    assert checkout.run("start", "--demo").returncode == 0
    assert checkout.query("fleet_health")["simulated"]["devices_known"] == 14
    assert checkout.run("start", "--real").returncode == 0
    assert "simulated" not in checkout.query("fleet_health")
    assert all("simulated" not in row for row in checkout.query("devices"))
    assert checkout.query("alerts_critical", "since_minutes=60") == []
    assert checkout.run("start", "--demo").returncode == 0
    assert checkout.query("fleet_health")["simulated"]["devices_known"] == 14
