"""Thresholds: the catalogue's, and a file's over them."""

from __future__ import annotations

from pathlib import Path

import pytest

from reader.health import verdict
from reader.health.evidence import Evidence, Rules
from reader.health.limits import Thresholds
from reader.health.limits_file import load
from reader.settings import ReaderSettings
from spindle.errors import InvalidSettings
from spindle.settings import load as load_settings
from spindle.store.base import Latest
from spindle.timestamps import NS

NOW = 1_800_000_000 * NS

GOOD = """
[metrics.DiskTemp]
warning = 50
leave_seconds = 60
[metrics.Wear]
unit = "%"
critical = 90
[metrics.Spare]
bad = "low"
warning = 20
critical = 10
[classes.CloudStorage.Latency]
warning = 200
critical = 1000
[classes.HostDisk]
interval_seconds = 600
[devices."disk.7".DiskTemp]
critical = false
[devices."disk.7"]
interval_seconds = 30
"""


def written(folder: Path, text: str) -> str:
    path = folder / "thresholds.toml"
    path.write_text(text)
    return str(path)


def test_the_most_exact_word_counts_and_what_is_not_said_stays_the_catalogues(
    tmp_path: Path,
) -> None:
    thresholds = load(written(tmp_path, GOOD))
    disk = thresholds.limits_of("DiskTemp", "DiskUnit", "disk-1")
    assert disk is not None
    assert disk.warning is not None
    assert disk.critical is not None
    assert (disk.warning.enter, disk.warning.leave, disk.critical.enter) == (50, 48, 60)
    assert (disk.warning.enter_seconds, disk.warning.leave_seconds) == (5, 60)
    seven = thresholds.limits_of("DiskTemp", "DiskUnit", "disk.7")
    assert seven is not None
    assert seven.critical is None
    assert seven.warning == disk.warning
    cloud = thresholds.limits_of("Latency", "CloudStorage", "x")
    assert cloud is not None
    assert cloud.critical is not None
    assert cloud.critical.enter == 1000
    assert thresholds.limits_of("Latency", "DiskUnit", "x") == Thresholds().limits_of(
        "Latency", "D", "x"
    )


def test_a_metric_that_the_catalogue_does_not_know_may_be_given_limits_and_a_bad_side(
    tmp_path: Path,
) -> None:
    thresholds = load(written(tmp_path, GOOD))
    spare = thresholds.limits_of("Spare", "DiskUnit", "x")
    assert spare is not None
    assert spare.critical is not None
    assert spare.reached(9, spare.critical.enter)
    assert not spare.reached(11, spare.critical.enter)
    assert spare.critical.leave == 10.5
    wear = thresholds.limits_of("Wear", "DiskUnit", "x")
    assert wear is not None
    assert (wear.unit, wear.bad) == ("%", "high")
    assert thresholds.limits_of("IOPs", "DiskUnit", "x") is None


def test_an_interval_may_be_set_for_a_class_and_a_device(tmp_path: Path) -> None:
    thresholds = load(written(tmp_path, GOOD))
    assert thresholds.interval("HostDisk", "sda") == 600
    assert thresholds.interval("HostDisk", "disk.7") == 30
    assert thresholds.interval("DiskUnit", "disk-1") is None


def test_an_array_may_have_limits_of_its_own_between_its_class_and_its_devices(
    tmp_path: Path,
) -> None:
    text = """
[classes.DiskUnit]
interval_seconds = 600
[classes.DiskUnit.DiskTemp]
warning = 50
[arrays.nas]
interval_seconds = 60
[arrays.nas.DiskTemp]
warning = 45
[devices.sda.DiskTemp]
critical = 58
"""
    thresholds = load(written(tmp_path, text))

    def warning(device: str, array: str) -> tuple[float, float]:
        found = thresholds.limits_of("DiskTemp", "DiskUnit", device, array)
        assert found is not None and found.warning is not None and found.critical is not None
        return found.warning.enter, found.critical.enter

    assert warning("sda", "nas") == (45, 58)
    assert warning("sdb", "nas") == (45, 60)
    assert warning("sda", "web") == (50, 58)  # another host's of that name
    assert warning("sdb", "web") == (50, 60)
    assert thresholds.interval("DiskUnit", "sda", "nas") == 60
    assert thresholds.interval("DiskUnit", "sda", "web") == 600
    with pytest.raises(InvalidSettings, match=r"arrays.nas.DiskTemp: critical 60 must not lie"):
        load(written(tmp_path, "[arrays.nas.DiskTemp]\nwarning = 70\n"))
    hot = [Latest("DiskUnit", "DiskTemp", "sdb", host, NOW, 47.0) for host in ("nas", "web")]
    units = verdict.judge(Evidence(hot), Rules(thresholds, 120 * NS, 900 * NS), NOW)
    assert {unit.array_id: unit.state for unit in units} == {"nas": "warning", "web": "ok"}


BAD = """
top = 1
[metrics.DiskTemp]
warning = "hot"
critcal = 70
[metrics.Latency]
warning = 500
[metrics.CapacityUsed]
leave_critical = 99
[metrics."a b"]
warning = 1
[classes.DiskUnit]
interval_seconds = -1
[classes.DiskUnit.DiskTemp]
enter_seconds = 1e9
[devices]
disk-1 = 7
[devices.disk-2]
interval = 60
[devices.disk-2."a b"]
warning = true
"""


def test_every_mistake_in_the_file_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings) as refused:
        load(written(tmp_path, BAD))
    told = "\n".join(refused.value.mistakes)
    for sentence in (
        "'top': expected tables metrics, classes, arrays or devices",
        "metrics.DiskTemp.warning: given 'hot', expected a number, or false for none",
        "metrics.DiskTemp.critcal: there is no such key, expected warning, critical",
        "metrics.Latency: critical 100 must not lie below warning 500",
        "metrics.CapacityUsed: leave_critical 99 must lie below critical 95",
        "given 'a b', expected 1 to 128 letters",
        "classes.DiskUnit.interval_seconds: given -1, expected seconds above 0",
        "classes.DiskUnit.DiskTemp.enter_seconds: given 1000000000.0, expected seconds",
        "devices.disk-1: given 7, expected a table",
        "devices.disk-2.interval: there is no such key, expected interval_seconds or the table of",
        "devices.disk-2.a b: given 'a b', expected 1 to 128 letters",
    ):
        assert sentence in told


def test_a_file_without_an_end_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="it is not TOML"):
        load("/dev/zero")


@pytest.mark.parametrize("text", ["no toml", "[metrics.DiskTemp]\nwarning = 70\n"])
def test_the_reader_does_not_start_with_a_file_that_makes_no_sense(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(InvalidSettings, match=r"READER_THRESHOLDS: given .*"):
        load_settings(ReaderSettings, reader_thresholds=written(tmp_path, text))
    with pytest.raises(InvalidSettings, match=r"READER_THRESHOLDS: .* it cannot be read"):
        load_settings(ReaderSettings, reader_thresholds=str(tmp_path / "none.toml"))
