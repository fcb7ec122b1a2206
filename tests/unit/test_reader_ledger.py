"""Ledgers of several writers are added up, and the sum is checked."""

from __future__ import annotations

from typing import Any

import pytest

from reader.lookups.waiting import Held, held_of
from reader.questions.ledger import total


def report(
    received: int, stored: int, invalid: int, in_flight: int, **latency: float
) -> dict[str, Any]:
    ledger = {
        "received": received,
        "stored": stored,
        "duplicates": 1,
        "in_flight": in_flight,
        "dead_lettered": {"invalid": invalid},
        **latency,
    }
    return {"writer": 1, "broker_fsync": "always", "streams": {"METRICS": ledger, "EVENTS": ledger}}


def test_two_writers_are_added_up_per_stream_and_over_all() -> None:
    data = total([report(10, 7, 1, 2), report(5, 5, 0, 0)], {"METRICS": {"pending": 10}})
    assert data["writers"] == 2
    assert (data["received"], data["stored"], data["dead_lettered"]) == (30, 24, 2)
    assert (data["in_flight"], data["pending"]) == (4, 10)
    assert data["adds_up"] is True
    metrics = next(row for row in data["streams"] if row["stream"] == "METRICS")
    assert metrics["dead_lettered_by_reason"] == {"invalid": 1}


def test_a_ledger_that_does_not_add_up_is_said() -> None:
    assert total([report(10, 7, 1, 1)], {})["adds_up"] is False


def test_without_a_writer_nothing_is_claimed() -> None:
    data = total([], {})
    assert (data["writers"], data["received"], data["adds_up"]) == (0, 0, False)
    assert data["oldest_seconds"] is None


def test_without_a_writer_what_waits_at_nats_is_told_all_the_same() -> None:
    queues = {
        "METRICS": {"pending": 7, "oldest_seconds": 40.0},
        "EVENTS": {"pending": 0, "oldest_seconds": 0.0},
        "PARKING_SUMMARIES": {},  # NATS did not answer
    }
    data = total([], queues)
    assert (data["pending"], data["oldest_seconds"], data["streams"]) == (7, 40.0, [])


def test_the_latency_is_that_of_the_slowest_writer_that_stored_something() -> None:
    slow = report(5, 5, 0, 0, latency_p50_seconds=0.1, latency_p99_seconds=3.0)
    quick = report(5, 5, 0, 0, latency_p50_seconds=0.2, latency_p99_seconds=0.3)
    (events, metrics) = total([slow, quick, report(0, 0, 0, 0)], {})["streams"]
    assert (metrics["latency_p50_seconds"], metrics["latency_p99_seconds"]) == (0.2, 3.0)
    assert events == metrics | {"stream": "EVENTS"}
    assert "latency_p50_seconds" not in total([report(5, 5, 0, 0)], {})["streams"][0]


@pytest.mark.parametrize(
    ("retention", "messages", "more", "age"),
    [
        ("workqueue", 3, {}, 65.25),
        ("interest", 0, {}, 0.0),
        ("limits", 3, {}, None),  # keeps what was dealt with: its oldest message waits for nobody
        ("workqueue", 3, {"ts": None}, None),  # a NATS before 2.10
    ],
)
def test_the_oldest_message_is_as_old_as_nats_itself_says(
    retention: str, messages: int, more: dict[str, Any], age: float | None
) -> None:
    first = "2026-01-31T12:00:00.75Z" if messages else "0001-01-01T00:00:00Z"
    state = {"messages": messages, "bytes": 300, "first_ts": first}
    info = {"state": state, "config": {"retention": retention, "max_bytes": -1}}
    said = info | {"ts": "2026-01-31T12:01:06Z"} | more
    assert held_of({name: value for name, value in said.items() if value}) == Held(
        messages, 300, 0, age
    )
