"""What of a NATS message is told to whoever listens."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.http import stream
from gateway.routes import live
from spindle import timestamps

LATEST = timestamps.parse("2026-02-01T00:00:00Z")
EVENT = {
    "id": "e-1",
    "criticality": 9,
    "timestamp": "2026-01-31T12:00:00.123456789Z",
    "sourceDevice": "DiskUnit",
    "eventType": "DriveFailure",
}


def told(*events: Any) -> list[Any]:
    payload = json.dumps(events if len(events) > 1 else events[0]).encode()
    return [json.loads(data) for data in live.critical_events(payload, LATEST)]


def test_critical_events_are_told_and_lesser_ones_are_not() -> None:
    assert [event["id"] for event in told(EVENT)] == ["e-1"]
    assert told({**EVENT, "criticality": 7}) == []


def test_an_envelope_is_looked_through_and_what_breaks_the_contract_left_out() -> None:
    found = told(
        {**EVENT, "id": "a"}, {**EVENT, "id": "b", "timestamp": "yesterday"}, {**EVENT, "id": "c"}
    )
    assert [event["id"] for event in found] == ["a", "c"]
    assert found[0]["timestamp"] == EVENT["timestamp"]


def test_what_is_known_of_a_device_stands_beside_its_event() -> None:
    payload = json.dumps([EVENT, {**EVENT, "deviceId": "d", "arrayId": "a"}]).encode()

    def marks(*device: str | None) -> dict[str, Any]:
        return {"simulated": True} if device == ("DiskUnit", "d", "a") else {}

    first, second = (json.loads(e) for e in live.critical_events(payload, LATEST, marks))
    assert "simulated" not in first
    assert second["simulated"] is True
    assert second["timestamp"] == EVENT["timestamp"]


def test_a_visit_is_told_as_it_is_stored() -> None:
    visit = {
        "vehicle_plate": "KA01",
        "entry_date_time": "2026-01-31T08:00:00Z",
        "exit_date_time": "2026-01-31T09:00:00Z",
        "id": "v-1",
        "status": "matched",
    }
    (data,) = live.visits(json.dumps(visit).encode(), LATEST)
    assert json.loads(data)["duration_seconds"] == 3600


def test_a_change_of_health_is_told_as_it_came() -> None:
    assert list(live.health_changes(b'{"old":"ok","new":"critical"}', 0)) == [
        b'{"old":"ok","new":"critical"}'
    ]
    assert list(live.health_changes(b"[" * 100_000, 0)) == []


@given(st.binary(max_size=300))
def test_no_payload_at_all_can_break_the_stream(payload: bytes) -> None:
    """A frame is two lines and an empty one, whatever was sent."""
    for decode in (live.critical_events, live.visits, live.health_changes):
        for data in decode(payload, LATEST):
            assert stream.frame("visit", data).count(b"\n") == 3
