"""What ``top``, ``tap`` and ``plot`` show, and what a spreadsheet may take for a formula."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from client import answer_text
from client.terminal import fleet_rows, plot, tap
from client.terminal.fleet_rows import COLUMNS, Flow, Row
from client.terminal.plotted_series import PlottedSeries
from spindle.errors import InvalidInput


def _row(device: str, health: str = "ok", *, simulated: bool = False, temp: float = 30.0) -> Row:
    return Row(device, "DiskUnit", "a", health, "", simulated, {"DiskTemp": (temp, "degC")})


ROWS = [
    _row("c", "critical", simulated=True, temp=70.0),
    _row("b", temp=41.0),
    _row("a", "warning", temp=40.0),
]


def test_the_worst_come_first_and_real_ones_before_simulated() -> None:
    assert [row.device for row in fleet_rows.ordered(ROWS, None)] == ["a", "b", "c"]


def test_by_a_reading_the_largest_comes_first() -> None:
    at = COLUMNS.index("temp")
    assert [row.device for row in fleet_rows.ordered(ROWS, at)] == ["c", "b", "a"]
    assert [row.device for row in fleet_rows.ordered(ROWS, 0)] == ["a", "b", "c"]


def test_a_temperature_has_one_unit_in_a_cell_and_in_a_sentence() -> None:
    reason = {"message": "DiskTemp 68.8 degC, at or above 60 degC (critical)"}
    who = {"source_device": "DiskUnit", "array_id": "a"}
    fleet = {"devices": [{**who, "device": "d", "health": "critical", "reasons": [reason]}]}
    reading = {"DiskTemp": {"value": 68.8, "unit": "degC"}}
    (row,) = fleet_rows.joined(fleet, [{**who, "device_id": "d", "metrics": reading}])
    assert row.cell("DiskTemp") == "68.8 °C"
    assert row.reason == "DiskTemp 68.8 °C, at or above 60 °C (critical)"


def test_a_device_that_is_not_among_the_worst_listed_is_still_as_ill_as_it_is() -> None:
    devices = [
        {"source_device": "DiskUnit", "array_id": "a", "device_id": name, "metrics": {}} | more
        for name, more in (("d1", {"health": "warning"}), ("d2", {"health": "ok"}), ("d3", {}))
    ]
    rows = fleet_rows.joined({"devices": []}, devices)
    assert [(row.device, row.health) for row in rows] == [
        ("d1", "warning"), ("d2", "ok"), ("d3", "ok"),
    ]  # fmt: skip


def test_a_filter_wants_every_word() -> None:
    assert [row.device for row in fleet_rows.matching(ROWS, "simulated CRIT")] == ["c"]
    assert fleet_rows.matching(ROWS, "simulated warning") == []


def test_a_rate_is_told_only_of_the_same_writers() -> None:
    before, after = Flow(10.0, 100, 0, 0, True), Flow(12.0, 300, 7, 1, False)
    assert after.told(before) == "100 stored/s, 7 waiting, 1 dead letters, LEDGER DOES NOT ADD UP"
    assert "rate not known yet" in after.told(None)
    assert "rate not known yet" in Flow(13.0, 5, 0, 0, True).told(after)  # the writer is another


def test_the_flow_says_how_late_what_is_stored_is_and_how_long_the_rest_waits() -> None:
    before = Flow(10.0, 100, 0, 0, True)
    late = Flow(12.0, 300, 1234, 0, True, latency=2.5, oldest=190.0)
    assert late.told(before) == (
        "100 stored/s, 99 % within 2.50 s, 1,234 waiting for 3 min, 0 dead letters, ledger adds up"
    )
    dead = {"writers": 0, "stored": 0, "pending": 7, "dead_lettered": 0, "adds_up": False}
    flow = Flow.of({**dead, "streams": [], "oldest_seconds": 40.0}, 13.0)
    assert flow.told(late) == "NO WRITER ANSWERS, 7 waiting for 40 s"
    slow = [{}, {"latency_p99_seconds": 0.2}, {"latency_p99_seconds": 0.7}]
    assert Flow.of({**dead, "writers": 1, "streams": slow}, 13.0).latency == 0.7


def test_of_a_flood_one_row_in_so_many_is_shown_and_never_too_many_a_second() -> None:
    every_third = tap.Sampler(3)
    assert [every_third.takes(0.0) for _ in range(6)] == [True, False, False] * 2
    flood = tap.Sampler(1, at_most=5)
    assert sum(flood.takes(1.5) for _ in range(100)) == 5
    assert flood.takes(2.0)


def test_a_publishers_text_cannot_steer_the_terminal() -> None:
    shown = tap.line("events.event", {"eventType": "x\x1b[2J", "criticality": 9}, as_json=False)
    assert "\x1b" not in shown
    assert "(9)" in shown


def test_nested_values_are_columns_and_a_formula_is_none() -> None:
    text = answer_text.csv_of([{"a": "=1+1", "b": {"c": -1.5, "d": None}}, {"a": "x", "e": [1]}])
    assert text.splitlines() == ["a,b.c,b.d,e", "'=1+1,-1.5,,", "x,,,[1]"]
    assert answer_text.csv_of([]) == ""


@pytest.mark.parametrize("most", [1.7e308, 1e301])
def test_a_series_without_a_scale_is_a_sentence_and_no_picture(most: float, tmp_path: Path) -> None:
    times = [datetime(2026, 1, 31, 12, minute, tzinfo=UTC) for minute in range(3)]
    band = (times, [-most] * 3, [0.0] * 3, [most] * 3)
    series = PlottedSeries("title", "degC", band, [], [], ([], [], [], []), [])
    with pytest.raises(InvalidInput, match="cannot be drawn"):
        plot.as_text(series, 80, 20, colours=False)
    with pytest.raises(InvalidInput, match="cannot be drawn"):
        plot.as_file(series, tmp_path / "p.png")
