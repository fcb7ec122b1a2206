"""Waiting for services ends when they are healthy, or when somebody stops them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import pytest

from local.processes import progress
from local.processes.pipeline import Pipeline
from local.processes.supervisor import Control, ProcessState


class Running:
    """A supervisord and a pipeline of one service that nothing answers for."""

    names = ("writer",)

    def __init__(self, states: Mapping[str, ProcessState]) -> None:
        self._states = states

    def states(self) -> Mapping[str, ProcessState]:
        return self._states

    def pages(self) -> dict[str, str]:
        return {"writer": "http://127.0.0.1:1/healthz"}


def wait(state: str, since: int) -> str:
    """The health of the service at the end."""
    running = Running({"writer": ProcessState("writer", state, 0, since)} if state else {})
    rows = progress.until_healthy(
        cast(Pipeline, running), cast(Control, running), ["writer"], seconds=0.0
    )
    return rows["writer"].health


@pytest.mark.parametrize(("state", "since"), [("STOPPING", 7), ("STOPPED", 7), ("", 0)])
def test_what_another_command_stops_is_not_waited_for(state: str, since: int) -> None:
    with pytest.raises(progress.Stopped, match="stopped it meanwhile"):
        wait(state, since)


def test_what_supervisord_has_not_started_yet_is_waited_for() -> None:
    assert wait("STOPPED", 0) == "-"
    assert wait("STARTING", 7) == "does not answer yet"
