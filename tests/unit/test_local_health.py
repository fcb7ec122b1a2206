"""What ``status`` says of a service."""

from __future__ import annotations

from local.processes.status import page, row
from local.processes.supervisor import ProcessState


def _state(state: str) -> ProcessState:
    return ProcessState("writer", state, pid=7, since=1_767_323_045)


def test_a_healthy_service_is_ok_since_its_start() -> None:
    made = row(_state("RUNNING"), {"status": "ok", "parts": {"nats": "ok"}})
    assert (made.state, made.health, made.since) == ("running", "ok", "2026-01-02T03:04:05Z")
    assert made.healthy


def test_every_failing_part_is_named_with_its_reason() -> None:
    answer = {"status": "failing", "parts": {"nats": "away", "stream": "ok", "store": "refuses"}}
    assert row(_state("RUNNING"), answer).health == "nats: away; store: refuses"


def test_a_service_that_keeps_ending_says_where_to_look() -> None:
    assert "its log says why" in row(_state("BACKOFF"), None).health


def test_a_service_that_does_not_answer_is_not_healthy() -> None:
    assert not row(_state("RUNNING"), None).healthy
    assert not row(_state("STOPPED"), None).healthy
    assert not row(_state("RUNNING"), {"status": "unavailable", "error": "no JetStream"}).healthy


def test_a_service_bound_to_every_address_is_asked_at_loopback() -> None:
    assert page("writer", "0.0.0.0", 1) == "http://127.0.0.1:1/healthz"
    assert page("writer", "::1", 1) == "http://[::1]:1/healthz"
    assert page("writer", "10.0.0.1", 1) == "http://10.0.0.1:1/healthz"
