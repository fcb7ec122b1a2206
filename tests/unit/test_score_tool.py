"""``score``: the detector over CSV files."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from reader.detection.detector import Detector
from reader.detection.scoring import scores
from spindle.errors import InvalidInput
from tools import score
from tools.score import app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def write(path: Path, rows: int = 400, head: str = "timestamp,value") -> list[float]:
    rng = random.Random(4)
    values = [rng.gauss(5, 1) for _ in range(rows)]
    lines = [
        f"2026-01-{1 + i // 1440:02} {i // 60 % 24:02}:{i % 60:02}:00,{v}"
        for i, v in enumerate(values)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([head, *lines]) + "\n")
    return values


def test_every_row_is_written_in_order_with_its_own_text_and_the_score_in_full(
    tmp_path: Path,
) -> None:
    values = write(tmp_path / "in.csv")
    assert run(tmp_path / "in.csv", "-o", tmp_path / "out.csv").exit_code == 0
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    before = list(csv.reader((tmp_path / "in.csv").read_text().splitlines()))
    assert rows[0] == ["timestamp", "value", "anomaly_score"]
    assert [row[:2] for row in rows[1:]] == before[1:]
    update = Detector().update
    found = [update(1_767_225_600.0 + 60 * i, value) for i, value in enumerate(values)]
    assert [float(row[2]) for row in rows[1:]] == found


def test_without_an_output_the_result_goes_to_stdout(tmp_path: Path) -> None:
    write(tmp_path / "in.csv", rows=3)
    result = run(tmp_path / "in.csv")
    assert result.stdout.splitlines()[0] == "timestamp,value,anomaly_score"
    assert len(result.stdout.splitlines()) == 4


def test_a_folder_is_mirrored(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a" / "one.csv")
    write(tmp_path / "in" / "two.csv")
    assert run(tmp_path / "in", "-o", tmp_path / "out").exit_code == 0
    made = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.csv"))
    assert made == ["a/one.csv", "two.csv"]


def test_a_bad_file_of_a_folder_costs_one_sentence_and_the_others_are_done(tmp_path: Path) -> None:
    write(tmp_path / "in" / "good.csv")
    (tmp_path / "in" / "bad.csv").write_text("when,what\n1,2\n")
    result = run(tmp_path / "in", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert (tmp_path / "out" / "good.csv").exists()
    assert result.stderr.strip().endswith("bad.csv has no column timestamp and no column value.")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty; it needs the columns timestamp and value."),
        ("timestamp,value\n", "has a header but no rows."),
        ("timestamp,speed\n1,2\n", "has no column value."),
        ("timestamp,value\n2026-01-01,1\nyesterday,1\n", "line 3: 'yesterday,1' is not"),
        ("timestamp,value\n2026-01-01,much\n", "line 2: '2026-01-01,much' is not"),
        ("timestamp,value\n2026-01-01\n", "line 2: too few columns (1)."),
        ("timestamp,value\n1e300,1\n", "line 2: '1e300,1' is not"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    result = run(tmp_path / "bad.csv", "-o", tmp_path / "out.csv")
    assert result.exit_code == 1
    assert sentence in result.stderr and len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out.csv").exists()


def test_binary_and_absent_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_bytes(b"\xff\xfe\x00\x81")
    assert "is not UTF-8 text." in run(tmp_path / "bad.csv").stderr
    assert "There is no file" in run(tmp_path / "none.csv").stderr
    assert "a line is longer than 900,000 characters." in run(Path("/dev/zero")).stderr


def test_an_empty_value_is_a_missing_reading_and_scores_0(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("timestamp,value\n0,1\n60,\n")
    assert run(tmp_path / "in.csv").stdout.splitlines()[2] == "60,,0.0"


def test_times_may_carry_offsets_or_be_seconds_and_other_columns_are_ignored(
    tmp_path: Path,
) -> None:
    (tmp_path / "in.csv").write_text(
        "device,Timestamp,Value\na,2026-01-01T00:00:00Z,1\nb,1767225660.5,2\n"
    )
    result = run(tmp_path / "in.csv")
    assert result.stdout.splitlines()[1:] == ["2026-01-01T00:00:00Z,1,0.0", "1767225660.5,2,0.0"]


def test_the_input_is_never_overwritten(tmp_path: Path) -> None:
    write(tmp_path / "in" / "in.csv")
    before = (tmp_path / "in" / "in.csv").read_bytes()
    assert run(tmp_path / "in" / "in.csv", "-o", tmp_path / "in").exit_code == 1
    assert run(tmp_path / "in", "-o", tmp_path / "in" / "results").exit_code == 1
    assert run(tmp_path / "in").exit_code == 1
    assert (tmp_path / "in" / "in.csv").read_bytes() == before


def test_a_plot_is_a_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="--plot needs matplotlib: pip install matplotlib")
    write(tmp_path / "in.csv")
    result = run(tmp_path / "in.csv", "-o", tmp_path / "out.csv", "--plot", tmp_path / "p.png")
    assert result.exit_code == 0
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert "one file" in run(tmp_path, "-o", tmp_path / "o", "--plot", "p.png").stderr


def test_a_plot_overwrites_neither_the_input_nor_the_result(tmp_path: Path) -> None:
    write(tmp_path / "in.csv")
    before = (tmp_path / "in.csv").read_bytes()
    (tmp_path / "same.csv").hardlink_to(tmp_path / "in.csv")
    for plot, said in (
        ("in.csv", "would overwrite the input"),
        ("same.csv", "would overwrite the input"),
        ("out.csv", "would overwrite the result"),
        (".", "is a folder"),
    ):
        out = tmp_path / "out.csv"
        result = run(tmp_path / "in.csv", "-o", out, "--plot", tmp_path / plot)
        assert (result.exit_code, out.exists()) == (1, False)
        assert said in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
    assert (tmp_path / "in.csv").read_bytes() == before
    assert run(tmp_path / "in.csv", "-o", tmp_path / "same.csv").exit_code == 1


def test_the_state_stays_high_while_what_is_unusual_lasts(tmp_path: Path) -> None:
    values = [50 + n * 7 % 11 + (200 if n >= 3900 else 0) for n in range(4000)]
    rows = "".join(f"{60 * n},{value}\n" for n, value in enumerate(values))
    (tmp_path / "in.csv").write_text(f"timestamp,value\n{rows}")

    def last(view: str) -> float:
        shown = run(tmp_path / "in.csv", "--view", view).stdout.splitlines()
        assert shown[0] == "timestamp,value,anomaly_score"
        return float(shown[-1].split(",")[2])

    assert last("score") < 0.5 < last("state")


def test_rows_in_any_order_are_scored_by_their_time_and_kept_in_theirs() -> None:
    times = [float(n) for n in range(500)]
    values = [50.0 if n == 400 else n % 7 for n in range(500)]
    straight = scores(times, values)
    backwards = scores(times[::-1], values[::-1])
    assert max(straight) > 0
    assert backwards == straight[::-1]


def test_another_separator_than_a_comma_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("timestamp;value\n1;2\n")
    with pytest.raises(InvalidInput, match="separated by semicolons, expected commas"):
        score.read(file)
