"""A port that cannot be had is named with its setting, and with who holds it."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from local.processes import ports
from local.processes.ports import Port, mistakes, taken
from tests.servers import free_port


def test_a_taken_port_is_named_with_its_setting_and_its_holder() -> None:
    """Here this very process holds it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        number = held.getsockname()[1]
        (sentence,) = taken([Port("WRITER_HTTP_PORT", "127.0.0.1", number)])
    assert str(number) in sentence
    assert "set WRITER_HTTP_PORT" in sentence
    assert f"(pid {os.getpid()})" in sentence


def test_a_free_port_is_no_mistake() -> None:
    """Nothing is said of it."""
    assert taken([Port("NATS_PORT", "127.0.0.1", free_port())]) == []


@pytest.mark.parametrize("ends", [True, False])
def test_a_port_whose_process_is_about_to_end_is_waited_for(
    ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is not to be seen any more, and its socket closes a moment later, or does not."""
    monkeypatch.setattr(ports, "_holder", lambda _: "")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = Port("NATS_PORT", "127.0.0.1", held.getsockname()[1])
        closing = threading.Timer(0.2, held.close)
        if ends:
            closing.start()
        assert len(taken([port])) == (0 if ends else 1)


def test_two_settings_with_one_port_are_a_mistake() -> None:
    """Both are named."""
    ports = [Port("NATS_PORT", "127.0.0.1", 1), Port("READER_HTTP_PORT", "127.0.0.1", 1)]
    (sentence,) = mistakes(ports)
    assert "NATS_PORT and READER_HTTP_PORT are both 1" in sentence
