"""Points and events as line protocol."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle.errors import BatchRefused
from spindle.store.base import EventRow, Series
from spindle.store.influxdb.lines import event_line, points_body

TEMP = Series("DiskUnit", "DiskTemp", "sda.1", "array-1")
LONE = Series("DiskUnit", "DiskTemp", "sda", "")
#: A string field of the specification: anything, with ``"`` and ``\\`` escaped.
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)


def event(**given: object) -> EventRow:
    fields: dict[str, object] = {
        "time_ns": 7,
        "event_id": "e-1",
        "source_device": "DiskUnit",
        "event_type": "DriveFailure",
        "device_id": "sda",
        "array_id": "array-1",
        "criticality": 9,
        "message": "it broke",
    }
    return EventRow(**{**fields, **given})  # type: ignore[arg-type]


def test_a_point_is_one_line_with_its_tags_sorted_by_name() -> None:
    assert points_body([(TEMP, 1_700_000_000_123_456_789, 41.25), (LONE, 1, 3.0)]) == (
        b"device_metrics,array_id=array-1,device_id=sda.1,metric_type=DiskTemp,"
        b"source_device=DiskUnit value=41.25 1700000000123456789\n"
        b"device_metrics,device_id=sda,metric_type=DiskTemp,source_device=DiskUnit value=3.0 1\n"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e300, "1e+300"), (-0.0, "-0.0"), (5, "5"), (0.1 + 0.2, "0.30000000000000004")],
)
def test_a_value_is_written_as_its_shortest_exact_decimal(value: float, text: str) -> None:
    assert points_body([(LONE, 1, value)]).split(b" ")[1] == f"value={text}".encode()


def test_a_value_of_numpy_is_written_as_a_number() -> None:
    numpy = pytest.importorskip("numpy")
    assert points_body([(LONE, 1, numpy.float64(0.5))]).endswith(b" value=0.5 1\n")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_no_digit_of_a_value_is_lost(value: float) -> None:
    text = points_body([(LONE, 1, value)]).split(b" ")[1].removeprefix(b"value=")
    assert float(text).hex() == value.hex()
    if abs(value) >= 1e-4 or value == 0:  # Python writes smaller ones otherwise: 1e-05, 0.00001
        assert text == repr(value).encode()


@given(
    st.lists(
        st.tuples(st.sampled_from([TEMP, LONE]), st.integers(0, 2**63 - 1), st.floats(1e-4, 1e300)),
        min_size=1,
    )
)
def test_many_lines_are_those_of_each_point(points: list[tuple[Series, int, float]]) -> None:
    assert points_body(points).decode().splitlines() == [
        f"{series.head}{value!r} {time_ns}" for series, time_ns, value in points
    ]


def test_an_event_is_one_line_with_an_integer_and_two_strings() -> None:
    assert event_line(event(), 7) == (
        "events,array_id=array-1,device_id=sda,event_type=DriveFailure,source_device=DiskUnit "
        'criticality=9i,event_id="e-1",event_message="it broke" 7'
    )
    assert "array_id" not in event_line(event(array_id=""), 7)


def test_an_event_written_later_than_it_happened_says_by_how_much() -> None:
    assert event_line(event(), 10).endswith(',event_message="it broke",time_shift_ns=3i 10')


@given(st.text(), st.text())
def test_no_text_ends_its_field(event_id: str, message: str) -> None:
    line = event_line(event(event_id=event_id, message=message), 7)
    strings = [re.sub(r"\\(.)", r"\1", raw, flags=re.DOTALL) for raw in QUOTED.findall(line)]
    assert strings == [event_id, message]
    assert QUOTED.sub("", line).endswith("criticality=9i,event_id=,event_message= 7")


@pytest.mark.parametrize("name", ["a\nb", "a\\", "", "\x00"])
def test_a_name_that_would_break_the_line_is_refused(name: str) -> None:
    with pytest.raises(BatchRefused):
        event_line(event(device_id=name), 7)


def test_a_name_with_separators_is_escaped() -> None:
    assert r"device_id=a\ b\,c\=d," in event_line(event(device_id="a b,c=d"), 7)
