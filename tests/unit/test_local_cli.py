"""``python -m local``: what is answered when nothing runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from functools import partial

import pytest

from client.verbs import asking
from local import cli, quick_query
from local.bootstrap import COMPLETING
from spindle import bus
from spindle.errors import SpindleError
from tests.servers import ROOT, free_port


@pytest.mark.parametrize("words", [["query", "devices"], ["deadletters", "list"]])
def test_a_question_that_nobody_can_answer_is_told_so_at_once(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """NATS would be waited for otherwise."""
    port = free_port()
    for name, value in (("NATS_PORT", str(port)), ("NATS_URL", ""), ("SPINDLE_MODE", "local")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["local", *words])
    began = time.monotonic()
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 69
    assert time.monotonic() - began < 5  # of the ten that a question waits
    said = capsys.readouterr().err
    assert said == f"nobody is there to answer at port {port}; ./run.sh start starts Spindle\n"


def test_a_monitoring_plug_in_says_unknown_when_nobody_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    for name, value in (("NATS_PORT", str(port)), ("NATS_URL", ""), ("SPINDLE_MODE", "local")):
        monkeypatch.setenv(name, value)
    words = ["health", "--format", "nagios", "--wait", "1"]
    monkeypatch.setattr(sys, "argv", ["local", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 3
    assert capsys.readouterr().out.startswith("UNKNOWN: NATS does not answer at")


@pytest.mark.parametrize("verb", ["query", "deadletters", "inject", "health", "notify-test"])
def test_help_stands_under_the_name_that_was_typed(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["local", verb, "--help"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    assert f"Usage: ./run.sh {verb}" in capsys.readouterr().out


ASKED = """
import sys
import {module}
print(*sorted({heavy} & sys.modules.keys()))
"""


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        (
            "local.quick_query",
            {"aiohttp", "apprise", "local.cli", "numpy", "prometheus_client", "psutil", "pydantic"}
            | {"pydantic_settings", "rich", "sqlite3", "supervisor", "typer", "urllib3"},
        ),
        ("client.__main__", {"apprise", "client.main", "numpy", "sqlite3", "supervisor"}),
        ("daemon.registry", {"numpy"}),  # status asks it for the sources' settings
    ],
)
def test_a_question_loads_nothing_of_what_the_other_commands_need(
    module: str, heavy: set[str]
) -> None:
    """Half a second of CPU time, else, for each question from a script."""
    command = [sys.executable, "-c", ASKED.format(module=module, heavy=heavy)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ([], ("", {}, "table")),
        (["devices"], ("devices", {}, "table")),
        (["--csv", "series", "device_id=a=b"], ("series", {"device_id": "a=b"}, "csv")),
        (["devices", "--json"], ("devices", {}, "json")),
        (["devices", "--wide"], ("devices", {}, "wide")),
    ],
)
def test_a_plain_question_is_asked_without_the_other_commands(
    words: list[str], asked: tuple[str, dict[str, str], str]
) -> None:
    assert quick_query.asked(words) == asked


def test_a_verb_of_the_client_goes_on_as_its_command_by_the_way_that_was_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("NATS_URL", "NATS_USER", "NATS_PASSWORD"):
        monkeypatch.setenv(name, "")  # put back afterwards
    there = asking.Way(f"nats://127.0.0.1:{free_port()}", "client", bus.Password("known"))
    monkeypatch.setattr(quick_query, "way", lambda: there)
    monkeypatch.setattr(sys, "argv", ["local", "health", "--format", "nagios", "--wait", "0"])
    with pytest.raises(SystemExit) as ended:
        quick_query.main()
    assert ended.value.code == 3
    said = capsys.readouterr().out
    assert said.startswith(f"UNKNOWN: NATS does not answer at {there.nats_url}")
    assert (os.environ["NATS_USER"], os.environ["NATS_PASSWORD"]) == ("client", "known")


@pytest.mark.parametrize(
    "words",
    [
        *("--help", "-h", "devices --json --csv", "--wait 3 devices"),
        *("devices x", "devices a=1 a=2", "devices --jso", "-- devices"),
    ],
)
def test_any_other_form_is_left_to_the_command_line(words: str) -> None:
    with pytest.raises(SpindleError):
        quick_query.asked(words.split())


@pytest.mark.parametrize(
    "setting", ["NATS_URL", "NATS_USER", "NATS_TLS_CA", "NATS_AUTH", "NATS_SUBJECT_REQUEST"]
)
def test_a_setting_of_nats_is_left_to_what_checks_settings(
    setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(setting, "anything")
    with pytest.raises(quick_query.Unusual):
        quick_query.way()


@pytest.mark.parametrize(
    ("module", "verb"),
    [
        ("reader.export", "export"),
        ("writer.migrate", "migrate"),
        ("daemon.replay", "replay"),
        ("daemon.smart.selftest_cli", "selftest"),
    ],
)
def test_a_program_that_a_verb_goes_on_as_explains_itself_under_the_name_that_was_typed(
    module: str, verb: str
) -> None:
    command = [sys.executable, "-m", module, "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"Usage: ./run.sh {verb} " in done.stdout
    assert f"./run.sh {verb} " in done.stdout.split("\n", 1)[1]  # an example


@pytest.mark.parametrize(
    ("shell", "asking"),
    [
        ("bash", {"COMP_WORDS": "./run.sh deadl", "COMP_CWORD": "1"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "./run.sh deadl"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "./run.sh deadl",
                  "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ],
)  # fmt: skip
def test_a_shell_that_completes_asks_this_checkout_wherever_it_is(
    shell: str, asking: dict[str, str]
) -> None:
    """Bash calls what was typed; the others would look on PATH, where run.sh is not."""
    run = partial(subprocess.run, capture_output=True, text=True, check=True, cwd=ROOT, timeout=60)
    tools = [sys.executable, "-m", "tools"]
    script = run([*tools, "completion", shell]).stdout
    called = re.findall(r"complete_zsh (\S+?)\)|\(commandline -cp\) (\S+?)[)\"]", script)
    if shell == "bash":
        assert "$1" in script
    assert {name for names in called for name in names if name} <= {str(ROOT / "run.sh")}
    assert bool(called) == (shell != "bash")
    asking = {**os.environ, COMPLETING: f"complete_{shell}", **asking}
    answered = run(tools, env=asking)  # as run.sh goes on where a shell asks
    assert "deadletters" in answered.stdout
