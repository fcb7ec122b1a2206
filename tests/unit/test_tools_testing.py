"""What ``./run.sh test`` hands to pytest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.testing import plan, run, strangers


def test_a_folder_that_does_not_exist_is_named_with_those_that_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["integrations"]) == 2
    said = capsys.readouterr().err
    assert "no tests integrations; folders: chaos, contract, e2e, integration" in said


def test_files_options_and_what_stands_behind_them_are_no_strangers() -> None:
    here = str(Path(__file__))
    words = ["unit", "-k", "anything", "-x", "--containers", f"{here}::test_alone", "-n", "0"]
    assert strangers(words) == []
    assert strangers(["--containers", "wat"]) == ["wat"]


def test_alone_it_runs_every_folder_in_its_short_form() -> None:
    made = plan([])
    assert {*made.arguments[:6]} == {
        f"tests/{folder}"
        for folder in ("unit", "contract", "integration", "e2e", "chaos", "simulation")
    }
    assert made.environment == {}


def test_two_processes_share_whole_folders_unless_the_user_wants_one() -> None:
    assert "--numprocesses" in plan([]).arguments
    assert "--numprocesses" in plan(["integration"]).arguments
    for words in (
        ["unit", "--pdb"],
        ["-n", "0"],
        ["-n4"],
        ["tests/unit"],
        ["chaos"],
        ["unit", "-s"],
    ):
        assert "--numprocesses" not in plan(words).arguments


def test_a_folder_is_run_alone_and_the_rest_goes_to_pytest() -> None:
    made = plan(["unit", "-k", "replace", "-x"]).arguments
    assert (made[0], made[-3:]) == ("tests/unit", ["-k", "replace", "-x"])
    assert plan(["tests/unit/test_bus.py"]).arguments == ["tests/unit/test_bus.py"]


def test_chaos_and_simulation_asked_for_by_name_run_in_their_long_form() -> None:
    assert plan(["chaos"]).environment == {"SPINDLE_TEST_LONG": "1"}
    assert plan(["simulation"]).environment == {"SPINDLE_SEEDS": "100000"}
    assert plan(["unit"]).environment == {}
    assert {"tests/chaos", "tests/unit", "--faults", "10"} <= {*plan(["chaos"]).arguments}


def test_containers_are_for_the_contract_and_integration_tests() -> None:
    arguments = plan(["--containers", "-x"]).arguments
    assert arguments == ["tests/contract", "tests/integration", "--containers", "-x"]
