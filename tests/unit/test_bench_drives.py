"""``bench drives``: failures foretold are counted as they are told, by the rules of check-drive."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from benchmarks import drive_files, drives
from benchmarks.__main__ import app
from benchmarks.drives import Record, grown, results, worst
from benchmarks.series import drive_years
from daemon.replay.backblaze import Day
from reader.detection.findings import RANK
from reader.health import smart_evidence
from reader.health.smart import Drive, judge
from reader.health.smart_rules import Growth
from spindle.errors import InvalidInput
from spindle.store.base import Bucket, Latest
from spindle.timestamps import NS

DAY_NS = 86_400 * NS


def record(last: int, failed: bool, *worse: tuple[int, float]) -> Record:
    return Record(0, last, states=list(worse), hazards=list(worse), failed=failed)


def test_recall_and_precision_are_of_what_was_called_so_long_before() -> None:
    fleet = [
        record(100, True, (60, 3.5)),  # called 40 days before
        record(100, True, (50, 2.1), (95, 3.2)),  # 5 days before
        record(100, True),
        record(20, True, (0, 3.1)),  # was not there 30 days before its failure
        record(364, False, (10, 3.3)),
        *(record(364, False) for _ in range(95)),
    ]
    found = {(each.called, each.days): each for each in results(fleet)}
    now = found["critical", 0]
    assert (now.found, now.failed, now.false, now.well) == (3, 4, 1, 96)
    assert (now.recall, now.precision) == (0.75, 0.75)
    assert now.lead == (5.0, 20.0, 20.0)
    assert (found["critical", 7].found, found["critical", 30].found) == (2, 1)
    assert found["critical", 30].failed == 3
    assert found["warning or worse", 30].found == 2
    # With no false alarm allowed what is called has to be worse than every drive that was well.
    assert (found["0.1 % false alarms", 0].found, found["0.1 % false alarms", 0].false) == (1, 0)


def rows(folder: Path, cells: list[dict[str, object]]) -> list[drives.Result]:
    names = ["date", "serial_number", "model", "capacity_bytes", "failure"]
    names += [f"smart_{n}_{kind}" for n in (5, 9, 187, 197) for kind in ("normalized", "raw")]
    folder.mkdir(exist_ok=True)
    lines = [",".join(names)]
    lines += [",".join(str(each.get(name, "")) for name in names) for each in cells]
    (folder / "days.csv").write_text("\n".join(lines) + "\n")
    return drives.run(folder, lambda _: None)[0]


def days(serial: str, count: int, failed: bool, **raw: list[int]) -> list[dict[str, object]]:
    return [
        {
            "date": (date(2025, 1, 1) + timedelta(days=n)).isoformat(),
            "serial_number": serial,
            "model": "HGST HUH721212ALE604",
            "failure": int(failed and n == count - 1),
            **{
                f"smart_{name[1:]}_raw": values[min(n, len(values) - 1)]
                for name, values in raw.items()
            },
        }
        for n in range(count)
    ]


def test_files_with_few_columns_and_empty_cells_are_judged_by_what_they_have(
    tmp_path: Path,
) -> None:
    """As a public year has them: five attributes, no capacity, numbers as a table program wrote
    them."""
    lines = ["Date,serial_number,model,failure,smart_1_raw,smart_5_raw,smart_9_raw,smart_197_raw"]
    for n in range(40):
        when = date(2018, 1, 1) + timedelta(days=n)
        lines.append(f"{when} 00:00:00,WELL,ST4000DM000,0.0,118000000,,,")
        lines.append(f"{when} 00:00:00,ILL,ST4000DM000,{n // 39}.0,118000000.0,0.0,9000.0,{n}")
    (tmp_path / "year.csv").write_text("\n".join(lines) + "\n")
    found, fleet = drives.run(tmp_path, lambda _: None)
    assert (fleet.rows, fleet.skipped) == (80, 0)
    critical = next(each for each in found if (each.called, each.days) == ("critical", 0))
    assert (critical.found, critical.failed, critical.false, critical.well) == (0, 1, 0, 1)
    warning = next(each for each in found if each.called == "warning or worse" and each.days == 30)
    assert (warning.found, warning.false, warning.lead) == (1, 0, (38.0, 38.0, 38.0))


def test_change_counts_more_than_level(tmp_path: Path) -> None:
    """Ten reallocated sectors since for ever are no warning after a month, since yesterday they
    are critical."""
    old = days("OLD", 60, False, _5=[10], _197=[0])
    new = days("NEW", 60, True, _5=[0] * 50 + [10], _197=[0])
    found = {(each.called, each.days): each for each in rows(tmp_path / "a", old + new)}
    assert (found["critical", 7].found, found["critical", 7].false) == (1, 0)
    assert found["critical", 7].lead == (9.0, 9.0, 9.0)


def test_its_verdicts_are_those_of_the_pipeline_over_the_same_days() -> None:
    """Scores from the fast way are those of judge() and of smart_evidence.growth, row by row."""
    header = drive_years.HEADER
    day, head, fleet = Day(header), drive_files.Header(header), drives.Fleet()
    made = [each for each in drive_years.drives(400, 70, 40, 3) if any(each.counts.values())][:6]
    made += [each for each in drive_years.drives(400, 70, 40, 4) if each.fails_on][:6]
    told = 0
    for drive in made:
        past: dict[str, list[Bucket]] = {}
        worst = (-1.0, -1.0)
        for n in range(70):
            drive.live(n)
            row = drive.row((date(2025, 1, 1) + timedelta(days=n)).isoformat(), failed=False)
            fleet.take(day, head, row)
            values = day.metrics(row)
            growth: dict[str, Growth] = {}
            for name, value in values.items():
                newest = Latest("DiskUnit", name, "d", "", n * DAY_NS, value)
                history = [
                    each
                    for each in past.get(name, [])
                    if each.time_ns >= newest.time_ns - smart_evidence.HISTORY_NS
                ]
                if smart_evidence.to_look_up([newest]):
                    found = smart_evidence.growth(newest, history)
                    growth.update({} if found is None else {name: found})
                past.setdefault(name, []).append(
                    Bucket("DiskUnit", name, "d", "", n * DAY_NS, value, value, value, 1)
                )
            now = drives.judged(judge(values, Drive("ATA"), growth))
            worst = max(worst[0], now[0]), max(worst[1], now[1])
            seen = fleet.drives[drive.model, drive.serial]
            assert (seen.states[-1][1], seen.hazards[-1][1]) == pytest.approx(worst), n
        told += worst[0] >= 2
    assert told >= 4


def test_growth_is_that_of_the_stored_readings() -> None:
    dice = random.Random(7)
    value, changes, history = 0.0, [(0, 0.0)], []
    for at in range(1, 200):
        history.append(
            Bucket("DiskUnit", "PendingSectors", "d", "", (at - 1) * DAY_NS, value, value, value, 1)
        )
        if dice.random() < 0.1:
            value += dice.randint(-2, 9)
            changes.append((at, value))
        newest = Latest("DiskUnit", "PendingSectors", "d", "", at * DAY_NS, value)
        kept = [each for each in history if each.time_ns >= newest.time_ns - 31 * DAY_NS]
        assert grown(changes, 0, at) == smart_evidence.growth(newest, kept)
    assert grown([(5, 3.0)], 5, 5) == Growth(0, 0, 0)


def test_rows_that_cannot_be_used_are_counted_and_the_wrong_folder_is_a_sentence(
    tmp_path: Path,
) -> None:
    bad = days("D", 3, False, _5=[0], _197=[0])
    bad[1]["date"] = "yesterday"
    rows(tmp_path / "a", bad)
    _, fleet = drives.run(tmp_path / "a", lambda _: None)
    assert (fleet.rows, fleet.skipped) == (2, 1)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "data_Q1_2016.zip").touch()
    with pytest.raises(InvalidInput, match=r"no CSV files in it; archives .* have to be unpacked"):
        drives.run(tmp_path / "b", lambda _: None)
    (tmp_path / "b" / "x.csv").write_text("timestamp,value\n1,2\n")
    done = CliRunner().invoke(app, ["drives", str(tmp_path / "b")])
    assert done.exit_code == 2
    assert "expected Backblaze's daily files" in done.output


def test_archives_unpacked_on_any_system_are_read_in_the_order_of_their_days(
    tmp_path: Path,
) -> None:
    """Quarters in folders whose names are in no order, macOS's notes on files, a byte order mark;
    or one file that is named itself."""
    names = "date,serial_number,model,capacity_bytes,failure,smart_5_raw,smart_197_raw"
    notes = tmp_path / "__MACOSX" / "._2016-01-01.csv"
    notes.parent.mkdir()
    notes.write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    for folder, month, pending in (("Q2", 1, 0), ("Q1", 4, 50)):
        (tmp_path / folder).mkdir()
        for day in (1, 2):
            rows = f"2016-{month:02}-{day:02},S1,ST4000DM000,-1,{int(pending and day == 2)},0,"
            file = tmp_path / folder / f"2016-{month:02}-{day:02}.csv"
            file.write_text(f"\ufeff{names}\r\n{rows}{pending}\r\n", encoding="utf-8")
    _, fleet = drives.run(tmp_path, lambda _: None)
    (record,) = fleet.drives.values()
    assert (fleet.rows, fleet.skipped, record.failed) == (4, 0, True)
    assert record.last - record.first == 92
    assert [value for _, value in record.states] == [0, RANK["critical"]]
    _, alone = drives.run(tmp_path / "Q2" / "2016-01-01.csv", lambda _: None)
    assert alone.rows == 1


def test_flash_is_judged_as_flash_by_its_models_name(tmp_path: Path) -> None:
    """Crucial's MX500 says one pending sector and none again, for no reason."""
    made = [
        {**row, "model": model, "smart_197_normalized": 100}
        for model in ("CT250MX500SSD1", "ST4000DM000")
        for row in days(model, 40, False, _5=[20], _197=[0, 1, 0, 0])
    ]
    rows(tmp_path / "a", made)
    _, fleet = drives.run(tmp_path / "a", lambda _: None)
    flash, disk = fleet.drives.values()
    assert (worst(flash.hazards, flash.last), worst(flash.states, flash.last)) == (0, 0)
    assert worst(disk.hazards, disk.last) > 0.5


def test_a_year_is_made_and_its_table_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drives, "YEAR", 60)
    done = CliRunner().invoke(app, ["drives", str(tmp_path / "y"), "--make", "60", "--json"])
    assert done.exit_code == 0, done.output
    lines = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert [(line["called"], line["days_before"]) for line in lines][:2] == [
        ("critical", 0),
        ("critical", 7),
    ]
    assert len(lines) == 12
    assert {line["well"] for line in lines} == {59}
