"""Answers about parking, computed."""

from __future__ import annotations

import pytest

from reader.questions import parking, parking_visits
from reader.questions.registry import QUERIES
from spindle.errors import InvalidQuery
from spindle.parking import Inside, key_of, plate_of
from spindle.store.base import VisitRow
from spindle.timestamps import NS

NOON = 1_800_000_000 * NS


def visit(entry: int | None, exit_: int, status: str = "matched") -> VisitRow:
    entry_ns = None if entry is None else NOON + entry * NS
    return VisitRow(NOON + exit_ * NS, f"v-{exit_}", "B-1", "main", status, entry_ns)


def test_occupancy_counts_those_who_left_since_and_those_still_inside() -> None:
    visits = [visit(-100, 15), visit(5, 25), visit(None, 12, "unmatched"), visit(20, 30, "manual")]
    inside = [Inside("B-2", NOON + 10 * NS, "e", None)]
    times = parking.step_times(NOON, NOON + 35 * NS, 10 * NS)
    assert [row["inside"] for row in parking.occupancy(visits, inside, times)] == [1, 3, 3, 1]
    assert parking.occupancy([], [], times)[0] == {"time": "2027-01-15T08:00:00Z", "inside": 0}


def test_steps_are_aligned_to_the_epoch_and_do_not_pass_the_end() -> None:
    assert list(parking.step_times(11, 29, 10)) == [20]
    assert list(parking.step_times(10, 30, 10)) == [10, 20, 30]


def test_a_summary_counts_visits_and_describes_stays() -> None:
    visits = [visit(-n, 0) for n in range(1, 101)] + [visit(None, 1, "unmatched")]
    found = parking_visits.summary(visits)
    assert (found["visits"], found["matched"], found["unmatched"], found["manual"]) == (
        101, 100, 1, 0,
    )  # fmt: skip
    assert found["mean_stay_seconds"] == found["median_stay_seconds"] == 50.5
    assert found["p95_stay_seconds"] == pytest.approx(95.05)


def test_a_summary_of_nothing_has_nulls_and_of_one_visit_its_stay() -> None:
    assert parking_visits.summary([])["p95_stay_seconds"] is None
    assert parking_visits.summary([])["visits"] == 0
    assert parking_visits.summary([visit(0, 7)])["p95_stay_seconds"] == 7


def test_who_came_last_is_listed_first() -> None:
    vehicles = [Inside("B-1", NOON, "e1", None), Inside("B-2", NOON + NS, "e2", "west")]
    assert parking.inside_rows(vehicles, NOON + 2 * NS) == [
        {
            "vehicle_plate": "B-2",
            "entry_date_time": "2027-01-15T08:00:01Z",
            "inside_seconds": 1.0,
            "lot": "west",
        },
        {
            "vehicle_plate": "B-1",
            "entry_date_time": "2027-01-15T08:00:00Z",
            "inside_seconds": 2.0,
            "lot": "main",
        },
    ]


def test_a_vehicle_that_is_not_inside_keeps_the_shape_of_the_answer() -> None:
    found = parking.vehicle("B-1", None, [visit(0, 7)], NOON)
    there = parking.vehicle("B-1", Inside("B-1", NOON, "e", None), [], NOON)
    assert found.keys() == there.keys()
    assert (found["inside"], there["inside"]) == (False, True)
    assert found["entry_date_time"] is None
    assert [row["id"] for row in found["visits"]] == ["v-7"]


@pytest.mark.parametrize(
    ("query", "params", "said"),
    [
        ("parking_vehicle", {}, "give vehicle_plate"),
        ("parking_vehicle", {"vehicle_plate": "x" * 33}, "1 to 32 printable characters"),
        ("parking_visits", {"status": "stolen"}, "one of matched, unmatched, manual"),
        ("parking_occupancy", {"every_seconds": 0}, "a number from 1 to"),
        ("parking_inside", {"limit": "many"}, "a whole number from 1 to 50000"),
    ],
)
def test_wrong_parameters_are_answered_with_what_is_allowed(
    query: str, params: dict[str, object], said: str
) -> None:
    from reader.answering.params import parse

    with pytest.raises(InvalidQuery, match=said):
        parse(query, QUERIES[query].params, params)


@pytest.mark.parametrize(
    "plate", ["B-XY1234", "B XY 12", "MÜ-é漢", "a.b", "..", "=41", "*>$", "/_-"]
)
def test_a_plate_and_its_key_are_each_others_image(plate: str) -> None:
    key = key_of(plate)
    assert plate_of(key) == plate
    assert all(c.isascii() and (c.isalnum() or c in "-_/=") for c in key)


def test_a_plain_plate_is_its_own_key() -> None:
    assert key_of("B-XY1234") == "B-XY1234"
