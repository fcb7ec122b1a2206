"""Ledgers of several writers are added up, and the sum is checked."""

from __future__ import annotations

from typing import Any

from reader.questions.ledger import total


def report(
    received: int, stored: int, invalid: int, in_flight: int, pending: int = 5
) -> dict[str, Any]:
    ledger = {
        "received": received,
        "stored": stored,
        "duplicates": 1,
        "in_flight": in_flight,
        "dead_lettered": {"invalid": invalid},
        "pending": pending,
    }
    return {"writer": 1, "broker_fsync": "always", "streams": {"METRICS": ledger, "EVENTS": ledger}}


def test_two_writers_are_added_up_per_stream_and_over_all() -> None:
    data = total([report(10, 7, 1, 2), report(5, 5, 0, 0)])
    assert data["writers"] == 2
    assert (data["received"], data["stored"], data["dead_lettered"]) == (30, 24, 2)
    assert (data["in_flight"], data["pending"]) == (4, 10)
    assert data["adds_up"] is True
    metrics = next(row for row in data["streams"] if row["stream"] == "METRICS")
    assert metrics["dead_lettered_by_reason"] == {"invalid": 1}


def test_a_ledger_that_does_not_add_up_is_said() -> None:
    assert total([report(10, 7, 1, 1)])["adds_up"] is False


def test_without_a_writer_nothing_is_claimed() -> None:
    data = total([])
    assert (data["writers"], data["received"], data["adds_up"]) == (0, 0, False)
