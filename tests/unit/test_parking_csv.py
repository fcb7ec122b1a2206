"""parking_summary.csv: each visit once, whatever happens in between."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from client import answer_text
from client.files import parking_csv
from client.files.append_file import AppendFile
from client.files.parking_csv import ParkingCsv
from spindle import timestamps
from spindle.errors import InUse
from spindle.models import ParkingSummary
from spindle.timestamps import NS

NOON = 1_800_000_000 * NS


def visit(number: int, plate: str = "B-XY1234", stay_ns: int = 3600 * NS) -> ParkingSummary:
    return ParkingSummary(
        id=f"v-{number}",
        vehicle_plate=plate,
        entry_date_time=NOON - stay_ns,
        exit_date_time=NOON + number,
        status="matched",
    )


def unmatched(number: int) -> ParkingSummary:
    return ParkingSummary(
        id=f"u-{number}", vehicle_plate="GHOST", exit_date_time=NOON + number, status="unmatched"
    )


class Crash(Exception):
    """The process ends here."""


@pytest.fixture
def output(tmp_path: Path) -> Iterator[ParkingCsv]:
    found = ParkingCsv(tmp_path / "visits.csv", 0, 3)
    found.open()
    yield found
    found.close()


def rows(folder: Path) -> list[list[str]]:
    """Every row of the file and its predecessors, oldest first; each file begins with a header."""
    found: list[list[str]] = []
    paths = [folder / f"visits.csv.{n}" for n in range(50, 0, -1)] + [folder / "visits.csv"]
    for path in paths:
        if path.exists():
            with path.open(newline="") as file:
                header, *more = list(csv.reader(file))
            assert tuple(header) == parking_csv.HEADER
            found += more
    return found


def test_the_file_has_a_header_once_and_a_row_per_visit(output: ParkingCsv, tmp_path: Path) -> None:
    output.write([visit(0), visit(1, stay_ns=90_500_000_000)])
    output.write([unmatched(2)])
    assert (tmp_path / "visits.csv").read_text() == (
        "vehicle_plate,entry_date_time,exit_date_time,duration_seconds,status\n"
        "B-XY1234,2027-01-15T07:00:00Z,2027-01-15T08:00:00Z,3600,matched\n"
        "B-XY1234,2027-01-15T07:58:29.5Z,2027-01-15T08:00:00.000000001Z,90.500000001,matched\n"
        "GHOST,,2027-01-15T08:00:00.000000002Z,,unmatched\n"
    )


def test_what_would_break_a_row_is_quoted(output: ParkingCsv, tmp_path: Path) -> None:
    plates = ['a,b "c"', "é 漢"]
    output.write([visit(n, plate) for n, plate in enumerate(plates)])
    assert [row[0] for row in rows(tmp_path)] == plates
    assert '"a,b ""c""",' in (tmp_path / "visits.csv").read_text()


@given(plate=st.sampled_from("=+-@'\t\r\n\uff1d\uff0b\uff0d\uff20B ").flatmap(
    lambda first: st.text(max_size=9).map(lambda rest: first + rest)
))  # fmt: skip
def test_no_cell_is_a_formula_and_each_can_be_read_back(plate: str) -> None:
    cell = answer_text.harmless(plate)
    assert cell[0] not in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
    assert cell.removeprefix("'") == plate


@pytest.mark.fault("16")
def test_a_plate_that_is_a_formula_stands_in_the_file_as_text(
    output: ParkingCsv, tmp_path: Path
) -> None:
    output.write([visit(0, '=HYPERLINK("http://x")'), visit(1, "'"), visit(2, "B-1")])
    assert [row[0] for row in rows(tmp_path)] == ['\'=HYPERLINK("http://x")', "''", "B-1"]


def test_no_visit_is_written_twice_neither_at_once_nor_after_a_restart(tmp_path: Path) -> None:
    for _ in range(3):
        output = ParkingCsv(tmp_path / "visits.csv", 0, 3)
        output.open()
        output.write([visit(0), visit(1), visit(0)])
        assert output.write([visit(1), visit(0)]) == 0
        output.close()
    assert len(rows(tmp_path)) == 2


def test_the_file_is_rotated_by_size_each_with_its_header(tmp_path: Path) -> None:
    output = ParkingCsv(tmp_path / "visits.csv", 300, 50)
    output.open()
    for n in range(20):
        output.write([visit(n)])
    assert output.write([visit(n) for n in range(20)]) == 0
    output.close()
    assert (tmp_path / "visits.csv.2").exists()
    assert (tmp_path / "visits.csv").stat().st_size <= 300
    assert len(rows(tmp_path)) == 20


def test_a_second_client_on_the_same_file_is_refused(output: ParkingCsv, tmp_path: Path) -> None:
    with pytest.raises(InUse, match="another client writes to"):
        ParkingCsv(tmp_path / "visits.csv", 0, 3).open()


def test_a_file_whose_last_line_somebody_left_open_keeps_that_line(
    output: ParkingCsv, tmp_path: Path
) -> None:
    (tmp_path / "visits.csv").write_text(",".join(parking_csv.HEADER) + "\nOLD,,x,,manual")
    output.write([visit(0)])
    assert [row[0] for row in rows(tmp_path)] == ["OLD", "B-XY1234"]


def test_a_disk_that_fills_up_leaves_no_part_of_a_row(
    output: ParkingCsv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output.write([visit(0)])

    def full(_: int) -> None:
        with (tmp_path / "visits.csv").open("r+b") as file:
            file.truncate((tmp_path / "visits.csv").stat().st_size - 9)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        output.write([visit(1), visit(2)])
    monkeypatch.undo()
    assert output.write([visit(1), visit(2)]) == 2
    assert len(rows(tmp_path)) == 3


def test_a_state_that_is_no_database_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "visits.csv.state").write_bytes(b"nonsense" * 1000)
    with pytest.raises(OSError, match=r"visits\.csv\.state: file is not a database"):
        ParkingCsv(tmp_path / "visits.csv", 0, 3).open()


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    batches=st.lists(st.lists(st.integers(0, 15), min_size=1, max_size=5), min_size=1, max_size=8),
    crashes=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 60)), max_size=6),
    rotating=st.booleans(),
)
def test_killed_at_any_point_each_visit_is_there_once(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[list[int]],
    crashes: list[tuple[int, int]],
    rotating: bool,
) -> None:
    """NATS delivers again whatever was not acknowledged, and some of what was."""
    folder = tmp_path_factory.mktemp("csv")
    most = 250 if rotating else 0
    plan = list(crashes)
    for batch in batches:
        done = False
        while not done:
            output = ParkingCsv(folder / "visits.csv", most, 50)
            output.open()
            point, torn = plan.pop() if plan else (None, 0)
            with pytest.MonkeyPatch.context() as patch:
                if point is not None:
                    crash_at(patch, folder / "visits.csv", point, torn)
                try:
                    output.write([visit(number) for number in batch])
                    done = True
                except Crash:
                    pass
            output.close()
    expected = sorted({number for batch in batches for number in batch})
    ends = sorted(timestamps.parse(row[2]) - NOON for row in rows(folder))
    assert ends == expected


def crash_at(patch: pytest.MonkeyPatch, path: Path, point: int, torn: int) -> None:
    """End the process before or after one of the steps of an append, some bytes short."""
    steps: list[tuple[str, bool]] = [
        ("rotate", False),
        ("rotate", True),
        ("_remember", False),
        ("_remember", True),
    ]

    def fsync(_: int) -> None:
        size = path.stat().st_size
        if point == 4:
            os.truncate(path, max(0, size - torn))
        raise Crash

    if point >= len(steps):
        patch.setattr(os, "fsync", fsync)
        return
    name, after = steps[point]
    where: type[AppendFile | ParkingCsv] = AppendFile if name == "rotate" else ParkingCsv
    original: Callable[..., None] = getattr(where, name)

    def crashing(*arguments: object) -> None:
        if after:
            original(*arguments)
        raise Crash

    static = name == "_remember"
    patch.setattr(where, name, staticmethod(crashing) if static else crashing)
