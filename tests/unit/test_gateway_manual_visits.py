"""What ``POST /save_summary`` takes and what it says otherwise."""

from __future__ import annotations

import json
import re

import pytest

from gateway.failures import Failed
from gateway.routes.manual_visits import KEY, checked_key, visit
from spindle import timestamps

LATEST = timestamps.parse("2026-02-01T00:00:00Z")
GOOD = {
    "vehicle_plate": "KA01AB1234",
    "entry_date_time": "2026-01-31T08:15:00Z",
    "exit_date_time": "2026-01-31T10:45:30Z",
}


def mistakes(**change: object) -> list[str]:
    given = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    with pytest.raises(Failed) as caught:
        visit(json.dumps(given).encode(), LATEST)
    assert caught.value.code == 422
    return list(caught.value.mistakes)


def test_a_visit_is_manual_and_its_duration_computed() -> None:
    parsed = visit(json.dumps(GOOD).encode(), LATEST)
    assert (parsed.status, parsed.duration_seconds) == ("manual", 9030)


def test_id_and_status_are_not_the_callers_to_choose() -> None:
    named = visit(json.dumps({**GOOD, "id": "mine", "status": "matched"}).encode(), LATEST)
    assert named.status == "manual"
    assert named.id != "mine"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"vehicle_plate": None}, "vehicle_plate: missing"),
        ({"vehicle_plate": "x" * 300}, "vehicle_plate: given 'xxx"),
        ({"vehicle_plate": 7}, "vehicle_plate: given 7"),
        ({"exit_date_time": "2026-01-31T08:00:00Z"}, "before the entry"),
        ({"entry_date_time": "2026-01-31T08:15:00"}, "RFC 3339 time with an offset"),
        ({"entry_date_time": 1769847300}, "RFC 3339 time with an offset"),
        ({"exit_date_time": "2027-01-31T08:15:00Z"}, "in the future"),
        ({"duration_seconds": 5}, "9030 s apart"),
        ({"lot": "a b"}, "lot: given 'a b'"),
    ],
)
def test_each_mistake_is_one_sentence(change: dict[str, object], said: str) -> None:
    (sentence,) = mistakes(**change)
    assert said in sentence


def test_all_mistakes_are_told_at_once() -> None:
    assert len(mistakes(vehicle_plate=None, entry_date_time="noon", exit_date_time="night")) == 3


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe"])
def test_what_is_no_json_object_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(Failed) as caught:
        visit(body, LATEST)
    assert caught.value.code == 422
    assert len(caught.value.mistakes) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "ä", "a\tb", "a\n"])
def test_an_idempotency_key_is_short_and_printable(key: str) -> None:
    with pytest.raises(Failed, match="Idempotency-Key"):
        checked_key(key)


def test_a_space_within_a_key_is_taken_as_the_api_document_says() -> None:
    assert checked_key("visit 17") == "visit 17"
    assert re.match(KEY, "visit 17")
