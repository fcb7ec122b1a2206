"""``python -m local``: what is answered when nothing runs."""

from __future__ import annotations

import sys
import time

import pytest

from local import cli
from tests.servers import free_port


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


@pytest.mark.parametrize("verb", ["query", "deadletters", "inject"])
def test_help_stands_under_the_name_that_was_typed(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["local", verb, "--help"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    assert f"Usage: ./run.sh {verb}" in capsys.readouterr().out
