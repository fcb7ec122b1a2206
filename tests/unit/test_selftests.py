"""Self-tests: begun by hand on one drive, or each at its time, by a fake smartctl."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from typer.testing import CliRunner

from daemon.smart import selftests
from daemon.smart.selftest_cli import app
from daemon.smart.smartctl import Smartctl
from daemon.smart.source import SmartSettings
from spindle.errors import InvalidSettings
from spindle.settings import load
from spindle.timestamps import NS
from tests.unit.test_smart_reading import output
from tests.unit.test_smart_source import FakeSmartctl, fake

__all__ = ["fake"]
DAY_NS = 86_400 * NS


def drive(**more: Any) -> str:
    said = output("ata_once_at_threshold")
    said["ata_smart_data"] = {
        "self_test": {"polling_minutes": {"short": 2, "extended": 195}, **more}
    }
    return json.dumps(said)


def typed(fake: FakeSmartctl, monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str]:
    monkeypatch.setenv("SMART_COMMAND", str(fake.program))
    done = CliRunner().invoke(app, words)
    return done.exit_code, done.output.strip()


def begun(fake: FakeSmartctl) -> list[str]:
    """The self-tests that smartctl was told to begin."""
    file = fake.folder / "calls"
    calls = file.read_text().splitlines() if file.exists() else []
    return [call for call in calls if " -t " in call]


def test_a_self_test_begins_and_says_how_long_it_takes(
    fake: FakeSmartctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.says("/dev/sda", "sat", drive())
    code, said = typed(fake, monkeypatch, "short", "/dev/sda")
    assert (code, begun(fake)) == (0, ["--json -t short -d sat /dev/sda"])
    assert "a short self-test has begun; it takes about 2 min." in said
    own = said.partition(":")[0]
    code, said = typed(fake, monkeypatch, "long", own)  # by its device id
    assert (code, begun(fake)[1:]) == (0, ["--json -t long -d sat /dev/sda"])
    assert "it takes about 3 h" in said


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("quick", "/dev/sda"), 2, "given quick, expected short or long"),
        (("short", "/dev/sdz"), 2, "smartctl finds no drive /dev/sdz here; it finds"),
        (("short", "/dev/sdb"), 1, "is doing a self-test already: 40 % of it is left"),
        (("short", "/dev/sdc"), 1, "did not begin a self-test: Device open failed"),
    ],
)
def test_what_does_not_begin_is_a_sentence(
    fake: FakeSmartctl,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, str],
    code: int,
    sentence: str,
) -> None:
    fake.says("/dev/sda", "sat", drive())
    fake.says("/dev/sdb", "sat", drive(status={"value": 244, "remaining_percent": 40}))
    closed = json.loads(drive())
    closed["smartctl"] = {"exit_status": 2, "messages": [{"string": "Device open failed"}]}
    fake.says("/dev/sdc", "sat", json.dumps(closed))
    assert typed(fake, monkeypatch, *words)[0] == code
    assert sentence in typed(fake, monkeypatch, *words)[1]
    assert begun(fake) == [] or words[1] == "/dev/sdc"


def test_smartctl_that_is_missing_is_a_sentence(
    fake: FakeSmartctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMART_COMMAND", "no-such-smartctl")
    done = CliRunner().invoke(app, ["short", "/dev/sda"])
    assert done.exit_code == 1
    assert "there is no no-such-smartctl: install smartmontools" in done.output


def test_every_drive_has_its_own_time_and_is_tested_once_in_an_interval() -> None:
    names = [f"drive-{n}" for n in range(300)]
    days: Counter[int] = Counter()
    for day in range(100, 107):
        for hour in range(24):
            now = day * DAY_NS + hour * 3600 * NS
            for name in names:
                if selftests.due({"short": 7}, name, now - 3600 * NS, now):
                    days[day] += 1
    assert sum(days.values()) == len(names)
    assert max(days.values()) < 80  # of 43 a day on average
    everything = {"short": 1.0, "long": 1.0}
    assert selftests.due(everything, "d", 0, 5 * DAY_NS) == "long"
    assert selftests.due({}, "d", 0, 5 * DAY_NS) is None


def test_the_daemon_begins_what_is_due_and_nothing_by_default(
    fake: FakeSmartctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.says("/dev/sda", "sat", drive())
    now = [1_000 * DAY_NS]
    monkeypatch.setattr("daemon.smart.source.time.time_ns", lambda: now[0])
    plain, scheduled = fake.source(), fake.source(smart_selftests="short=1d")
    for source in (plain, scheduled):
        source.read(now[0])  # a start is no reason to test
    assert begun(fake) == []
    now[0] += DAY_NS
    for source in (plain, scheduled):
        source.read(now[0])
    assert begun(fake) == ["--json -t short -d sat /dev/sda"]


def test_a_person_may_wake_a_drive_for_a_test_and_is_told(
    fake: FakeSmartctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.says("/dev/sda", "sat", json.dumps(output("asleep")))
    # The fake would answer as a sleeping drive does where it is read.
    monkeypatch.setattr(Smartctl, "start_test", lambda *_: {"smartctl": {"exit_status": 0}})
    code, said = typed(fake, monkeypatch, "short", "/dev/sda")
    assert code == 0
    assert "and it was asleep: the test has woken it." in said


def test_a_sas_drive_that_tests_already_is_left_alone(
    fake: FakeSmartctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = output("sas_grown_defects") | {"scsi_self_test_0": {"result": {"value": 15}}}
    fake.says("/dev/sdb", "scsi", json.dumps(tests))
    code, said = typed(fake, monkeypatch, "long", "/dev/sdb")
    assert (code, begun(fake)) == (1, [])
    assert "is doing a self-test already" in said


def test_a_sleeping_drive_is_not_woken_for_a_test(
    fake: FakeSmartctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.says("/dev/sda", "sat", json.dumps(output("asleep")))
    now = [1_000 * DAY_NS]
    monkeypatch.setattr("daemon.smart.source.time.time_ns", lambda: now[0])
    source = fake.source(smart_selftests="short=1d")
    for _ in range(3):
        source.read(now[0])
        now[0] += DAY_NS
    assert begun(fake) == []


@pytest.mark.parametrize("given", ["daily", "short", "short=0d", "short=7", "quick=7d"])
def test_a_wrong_schedule_is_refused(given: str) -> None:
    with pytest.raises(InvalidSettings, match="short=7d,long=60d"):
        load(SmartSettings, smart_selftests=given)
