"""``./run.sh deadletters``: what a list says, and what is said of one letter."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from client.verbs import deadletters_cli
from spindle.bus.deadletters import DeadLetter


def _letter(number: int, payload: bytes) -> DeadLetter:
    return DeadLetter(
        number=number,
        time="2026-01-31T12:00:00Z",
        subject="events.metrics",
        kind="invalid",
        reason="not JSON",
        origin="METRICS 9",
        payload=payload,
        cut_from=None,
    )


def _answer(monkeypatch: pytest.MonkeyPatch, found: object, *words: str) -> Any:
    monkeypatch.setattr(deadletters_cli, "_run", lambda work: found)
    done = CliRunner().invoke(deadletters_cli.app, list(words))
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_list_shows_long_payloads_by_their_beginning_and_says_how_to_get_the_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    letters = [_letter(6, b"{"), _letter(7, b"x" * 900_000)]
    short, long = _answer(monkeypatch, (2, letters), "list", "--json")["letters"]
    assert (short["payload"], short["shortened"]) == ("{", None)
    assert long["payload"] == "x" * 200
    assert long["shortened"] == (
        "the first 200 of 900000 characters; all of it: ./run.sh deadletters show 7"
    )
    assert set(short) == set(long)


def test_one_letter_is_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    letter = _answer(monkeypatch, _letter(7, b"x" * 900_000), "show", "7", "--json")
    assert letter["payload"] == "x" * 900_000
