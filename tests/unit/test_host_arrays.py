"""Software arrays as the host source reads them: md, ZFS, btrfs; and what becomes an event."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from daemon.drives import Drives
from daemon.host import probe
from daemon.host.arrays import ArrayState, btrfs_errors, md_arrays, zfs_pools
from daemon.host.probe import FileSystem
from daemon.host.source import HostSource
from daemon.source import DriveSettings
from spindle.settings import load
from tests.unit.test_daemon_host import FakeProbe

NOW = 1_780_000_000 * 10**9
HEALTHY = """\
Personalities : [raid1] [raid6] [raid5] [raid4]
md0 : active raid1 sdb1[1] sda1[0]
      1046528 blocks super 1.2 [2/2] [UU]
      bitmap: 0/1 pages [0KB], 65536KB chunk

unused devices: <none>
"""
FAILED = HEALTHY.replace("sdb1[1]", "sdb1[1](F)").replace("[2/2] [UU]", "[2/1] [U_]")
REBUILD = """\
Personalities : [raid6]
md127 : active (auto-read-only) raid6 sdf[5] sde[4](S) sdd[3] sdc[2] sdb[1](F) sda[0]
      8790405120 blocks super 1.2 level 6, 512k chunk, algorithm 2 [4/3] [UU_U]
      [==>..................]  recovery = 12.6% (37043392/292945152) finish=127.5min

md1 : inactive sdx[1](S)
      1046528 blocks super 1.2

md2 : active raid1 sdz[1] sdy[0]
      1046528 blocks super 1.2 [2/2] [UU]
        resync=DELAYED
md3 : active raid0 sdq[1] sdp[0]
      2093056 blocks super 1.2 512k chunks

unused devices: <none>
"""


def test_a_rebuild_is_said_with_its_progress_and_its_members() -> None:
    big, inactive, waits, plain = md_arrays(REBUILD, {"md127": 128})
    assert big == ArrayState(
        "md127",
        "md raid6",
        {
            "FailedMembers": 1.0,
            "MismatchedSectors": 128.0,
            "MissingMembers": 1.0,
            "Degraded": 1.0,
            "RebuildProgress": 12.6,
        },
        "1 of 4 members missing",
        ("sdb",),
    )
    assert (inactive.metrics["Degraded"], inactive.trouble) == (1.0, "it is not running")
    assert (waits.metrics["Degraded"], waits.metrics["RebuildProgress"]) == (0.0, 0.0)
    assert plain.metrics == {"FailedMembers": 0.0}


@pytest.mark.parametrize("text", ["", "Personalities :\nunused devices: <none>\n", "\0" * 9, "md"])
def test_no_arrays_are_none(text: str) -> None:
    assert md_arrays(text) == []


def test_a_pool_is_read_with_its_leaves() -> None:
    leaf = {"state": "ONLINE", "read_errors": 0, "write_errors": "0", "checksum_errors": 3}
    mirror = {"vdevs": {"sda": leaf, "sdb": {**leaf, "state": "FAULTED", "read_errors": 7}}}
    pool = {
        "state": "DEGRADED",
        "vdevs": {"tank": {"vdevs": {"mirror-0": mirror}}},
        "scan_stats": {
            "function": "RESILVER",
            "state": "SCANNING",
            "to_examine": 4000,
            "issued": 1000,
        },
    }
    [tank] = zfs_pools({"pools": {"tank": pool}})
    assert (tank.trouble, tank.failed) == ("it is DEGRADED", ("sdb",))
    assert tank.metrics == {
        "Degraded": 1.0,
        "FailedMembers": 1.0,
        "FsReadErrors": 7.0,
        "FsWriteErrors": 0.0,
        "FsChecksumErrors": 6.0,
        "RebuildProgress": 25.0,
    }
    nonsense: object
    for nonsense in (None, [], {}, {"pools": 3}, {"pools": {"a": None}}):
        assert zfs_pools(nonsense) == []
    assert zfs_pools({"pools": {"a": {}}})[0].metrics["Degraded"] == 1.0


def test_btrfs_counts_its_errors() -> None:
    said = "write_errs 1\nread_errs 2\nflush_errs 0\ncorruption_errs 3\ngeneration_errs x\n"
    assert btrfs_errors(said) == {
        "FsWriteErrors": 1.0,
        "FsReadErrors": 2.0,
        "FsChecksumErrors": 3.0,
    }


def events(host: HostSource) -> list[tuple[str, str, int]]:
    said = [orjson.loads(each.payload) for each in host.read(NOW) if each.stream == "EVENTS"]
    return [(each["eventType"], each["deviceId"], each["criticality"]) for each in said]


def test_an_array_that_loses_a_member_and_a_file_system_that_goes_read_only_are_events_once() -> (
    None
):
    probe = FakeProbe()
    host = HostSource(load(DriveSettings), probe, "nas")
    probe.mdstat, probe.systems = HEALTHY, [FileSystem("sda1", 40.0, 7.0, False)]
    assert events(host) == []
    probe.mdstat, probe.systems = FAILED, [FileSystem("sda1", 40.0, 7.0, True)]
    assert events(host) == [("ArrayDegraded", "nas-md0", 8), ("FileSystemReadOnly", "nas-sda1", 9)]
    assert events(host) == []
    probe.mdstat, probe.systems = HEALTHY, [FileSystem("sda1", 40.0, 7.0, False)]
    assert events(host) == [("ArrayRestored", "nas-md0", 2), ("FileSystemWritable", "nas-sda1", 2)]
    other = HostSource(load(DriveSettings), probe, "nas")
    probe.mdstat, probe.systems = FAILED, [FileSystem("sr0", 100.0, None, True)]
    assert events(other) == [("ArrayDegraded", "nas-md0", 8)]  # one that never was writable is so


def test_of_a_pool_whose_zpool_has_no_json_the_kernel_says_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, state in (("tank", "DEGRADED\n"), ("rpool", "ONLINE\n")):
        (tmp_path / "kstat" / name).mkdir(parents=True)
        (tmp_path / "kstat" / name / "state").write_text(state)
    zpool = tmp_path / "zpool"  # OpenZFS 2.1 knows no -j
    zpool.write_text("#!/bin/sh\necho \"invalid option 'j'\" >&2\nexit 2\n")
    zpool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(probe, "KSTAT", tmp_path / "kstat")
    monkeypatch.setattr(probe, "ZFS", tmp_path)
    monkeypatch.setattr(probe, "MDSTAT", tmp_path / "none")
    found = probe.PsutilProbe(Drives(tmp_path / "sysfs")).arrays()
    assert [(pool.name, pool.metrics, pool.trouble) for pool in found] == [
        ("rpool", {"Degraded": 0.0}, ""),
        ("tank", {"Degraded": 1.0}, "it is DEGRADED"),
    ]
