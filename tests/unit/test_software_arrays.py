"""An array is judged by what it has lost and by what it can lose; a rebuild by its progress."""

from __future__ import annotations

from typing import Any

import pytest

from reader.health import summary, verdict
from reader.health.evidence import Evidence, Rules
from reader.health.limits import Thresholds
from spindle.models import DeviceFacts
from spindle.store.base import DeviceKey, Latest
from spindle.timestamps import NS

NOW = 1_800_000_000 * NS
RULES = Rules(Thresholds(), stale_ns=120 * NS, event_ns=900 * NS)


def drive(n: int) -> DeviceKey:
    return DeviceKey("DiskUnit", f"naa.5000c500a1b2c3d{n}", "store1")


def facts(kind: str, drives: int) -> dict[DeviceKey, DeviceFacts]:
    found: dict[DeviceKey, dict[str, Any]] = {
        DeviceKey("StorageArray", "store1-md0", "store1"): {"model": kind, "path": "/dev/md0"}
    }
    found |= {drive(n): {"array_role": f"md0 slot {n} (in_sync)"} for n in range(drives)}
    return {
        key: DeviceFacts(timestamp=NOW, host="store1", **key._asdict(), **said)
        for key, said in found.items()
    }


def array(
    kind: str,
    failing: int = 0,
    redundancy: dict[str, int] | None = None,
    said: dict[str, float] | None = None,
) -> dict[str, Any]:
    """The verdict on an array of six drives of which some say that they fail."""
    known = facts(kind, 6)
    readings = [
        Latest("DiskUnit", name, *drive(n)[1:], NOW - NS, value)
        for n in range(6)
        for name, value in (("SmartFailing", float(n < failing)), ("ReallocatedSectors", 0.0))
    ]
    readings += [
        Latest("StorageArray", name, "store1-md0", "store1", NOW - NS, value)
        for name, value in {"Degraded": 0.0, **(said or {})}.items()
    ]
    units = verdict.judge(Evidence(readings), RULES, NOW)
    rows: list[dict[str, Any]] = []
    for state in ("critical", "warning", "ok"):
        fleet = summary.of_fleet(units, state, 20, redundancy=redundancy or {}, facts=known.get)
        rows += [row for row in fleet["arrays"] if row["array_id"] == "store1-md0"]
    (found,) = rows
    own = summary.of_array("store1-md0", units, redundancy or {}, known.get, 24)
    assert own is not None
    assert own["array"] == {**found, "redundancy": own["array"]["redundancy"]}
    assert (own["health"], own["device"]) == (found["health"], "store1-md0")
    assert sum(own["counts"].values()) == 7  # its drives and itself
    return {**own["array"], **found}


@pytest.mark.parametrize(
    ("kind", "failing", "state"),
    [
        ("md raid6", 0, "ok"),
        ("md raid6", 1, "warning"),
        ("md raid6", 2, "critical"),
        ("md raid5", 1, "critical"),
        ("md raid1", 4, "warning"),  # six sides, of which five may go
        ("md raid1", 5, "critical"),
        ("md raid0", 1, "critical"),
    ],
)
def test_what_failing_members_mean_depends_on_what_the_array_can_lose(
    kind: str, failing: int, state: str
) -> None:
    row = array(kind, failing)
    assert row["health"] == state
    if failing:
        assert "says that it is failing" in row["message"]


def test_a_member_that_is_missing_counts_as_one_that_fails() -> None:
    missing = {"Degraded": 1.0, "MissingMembers": 1.0}
    row = array("md raid6", said=missing)
    assert (row["health"], row["message"]) == ("warning", "1 member lost; it can lose 1 more")
    assert array("md raid6", 1, said=missing)["health"] == "critical"
    assert array("md raid6", 1, said=missing)["message"].endswith("it can lose no more")


def test_a_rebuild_is_said_with_its_progress_and_is_over_when_it_is_said_no_more() -> None:
    rebuilding = {"Degraded": 1.0, "MissingMembers": 1.0, "RebuildProgress": 12.6}
    row = array("md raid6", said=rebuilding)
    assert row["health"] == "warning"
    assert row["message"] == (
        "1 member lost; it can lose 1 more; a rebuild is under way, 12.6 % done"
    )
    assert array("md raid6", said={"RebuildProgress": 40.0})["health"] == "ok"
    own = [
        Latest("StorageArray", "RebuildProgress", "store1-md0", "store1", NOW - 90 * NS, 99.0),
        Latest("StorageArray", "Degraded", "store1-md0", "store1", NOW - NS, 0.0),
    ]
    (unit,) = verdict.judge(Evidence(own), RULES, NOW)
    assert unit.reasons == ()


def test_a_pool_of_which_only_its_count_is_known_is_judged_by_the_setting() -> None:
    failed = {"Degraded": 1.0, "FailedMembers": 1.0}
    assert array("zpool", redundancy={"md0": 2}, said=failed)["health"] == "warning"
    assert array("zpool", redundancy={"store1-md0": 1}, said=failed)["health"] == "critical"
    assert array("zpool", said=failed)["health"] == "warning"  # its own word: degraded


def test_how_much_an_array_can_lose_is_said_of_it() -> None:
    assert array("md raid6")["redundancy"] == 2
    assert array("md raid1")["redundancy"] == 5
    assert array("zpool")["redundancy"] is None
