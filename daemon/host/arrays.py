"""What Linux's software arrays say of themselves: md, ZFS, btrfs. Pure.

Sources: the kernel's md.rst and drivers/md/md.c for ``/proc/mdstat``; zpool-status(8) of OpenZFS
2.3 for its JSON; btrfs-device(8) for its statistics.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_ARRAY = re.compile(r"(md\w+) : (active|inactive)(?: \((?:auto-)?read-only\))? ?(.*)")
_MEMBER = re.compile(r"([^\s\[]+)\[\d+\]((?:\([A-Z]\))*)")
_WANTED = re.compile(r"\[(\d+)/(\d+)\] \[[U_]+\]")
_PROGRESS = re.compile(r"(recovery|resync|reshape|check|repair)\s*=\s*(PENDING|DELAYED|[\d.]+)")
_REBUILDS = ("recovery", "resync", "reshape")


@dataclass(slots=True)
class ArrayState:
    """One array.

    :ivar kind: ``md raid6``, ``zpool`` and so on, for people.
    :ivar metrics: of the array, by metric type.
    :ivar trouble: what is wrong with it in a few words, or empty.
    :ivar failed: members that are known to have failed.
    """

    name: str
    kind: str
    metrics: dict[str, float] = field(default_factory=dict)
    trouble: str = ""
    failed: tuple[str, ...] = ()

    @property
    def path(self) -> str | None:
        """What the host calls it; a pool is no block device."""
        return f"/dev/{self.name}" if self.kind.startswith("md") else None


def md_arrays(mdstat: str, mismatches: Mapping[str, int] | None = None) -> list[ArrayState]:
    """The arrays of ``/proc/mdstat``.

    :param mismatches: by array, sectors that the last check found to differ (``mismatch_cnt``).
    """
    found: list[ArrayState] = []
    for line in mdstat.splitlines():
        head = _ARRAY.match(line)
        if head:
            found.append(_md_array(head[1], head[2], head[3], (mismatches or {}).get(head[1])))
        elif found and line.startswith(" "):
            _more_of_md(found[-1], line)
    return found


def _md_array(name: str, state: str, rest: str, mismatches: int | None) -> ArrayState:
    level = rest.split(" ", 1)[0] if rest.startswith(("raid", "linear")) else ""
    members = _MEMBER.findall(rest)
    failed = tuple(member for member, flags in members if "(F)" in flags)
    array = ArrayState(name, f"md {level}".strip(), failed=failed)
    array.metrics["FailedMembers"] = float(len(failed))
    if state == "inactive":
        array.trouble = "it is not running"
        array.metrics["Degraded"] = 1.0
    if mismatches is not None:
        array.metrics["MismatchedSectors"] = float(mismatches)
    return array


def _more_of_md(array: ArrayState, line: str) -> None:
    wanted = _WANTED.search(line)
    if wanted:
        missing = int(wanted[1]) - int(wanted[2])
        array.metrics["MissingMembers"] = float(missing)
        array.metrics["Degraded"] = float(missing > 0)
        if missing:
            array.trouble = f"{missing} of {wanted[1]} members missing"
    progress = _PROGRESS.search(line)
    if progress and progress[1] in _REBUILDS:
        waits = progress[2] in ("PENDING", "DELAYED")
        array.metrics["RebuildProgress"] = 0.0 if waits else float(progress[2])


def zfs_pools(status: object) -> list[ArrayState]:
    """The pools of ``zpool status -j --json-int``; what is not understood is left out."""
    pools = status.get("pools") if isinstance(status, Mapping) else None
    named = pools.items() if isinstance(pools, Mapping) else ()
    return [_pool(str(name), pool) for name, pool in named if isinstance(pool, Mapping)]


def pool_state(name: str, state: str) -> ArrayState:
    """A pool of which the kernel says its state alone."""
    array = ArrayState(name, "zpool", {"Degraded": float(state != "ONLINE")})
    if state != "ONLINE":
        array.trouble = f"it is {state or 'in an unknown state'}"
    return array


def _pool(name: str, pool: Mapping[str, Any]) -> ArrayState:
    leaves = list(_leaves(pool.get("vdevs")))
    state = str(pool.get("state", ""))
    failed = tuple(who for who, leaf in leaves if str(leaf.get("state", "ONLINE")) != "ONLINE")
    array = pool_state(name, state)
    array.failed = failed
    array.metrics["FailedMembers"] = float(len(failed))
    for key, metric in (
        ("read_errors", "FsReadErrors"),
        ("write_errors", "FsWriteErrors"),
        ("checksum_errors", "FsChecksumErrors"),
    ):
        array.metrics[metric] = float(sum(_whole(leaf.get(key)) for _, leaf in leaves))
    scan = pool.get("scan_stats")
    if isinstance(scan, Mapping) and scan.get("function") == "RESILVER":
        todo, done = _whole(scan.get("to_examine")), _whole(scan.get("issued"))
        if scan.get("state") == "SCANNING" and todo:
            array.metrics["RebuildProgress"] = round(min(100.0, 100 * done / todo), 1)
    return array


def _leaves(vdevs: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, vdev in vdevs.items() if isinstance(vdevs, Mapping) else ():
        if isinstance(vdev, Mapping) and vdev.get("vdevs"):
            yield from _leaves(vdev["vdevs"])
        elif isinstance(vdev, Mapping):
            yield str(name), vdev


def _whole(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        return 0


#: What ``btrfs device stats`` and sysfs's ``error_stats`` call each counter.
_BTRFS = {
    "write_errs": "FsWriteErrors",
    "read_errs": "FsReadErrors",
    "corruption_errs": "FsChecksumErrors",
}


def btrfs_errors(error_stats: str) -> dict[str, float]:
    """Of one device, ``/sys/fs/btrfs/<uuid>/devinfo/<n>/error_stats``, by metric type."""
    pairs = (line.split() for line in error_stats.splitlines())
    return {
        _BTRFS[pair[0]]: float(pair[1])
        for pair in pairs
        if len(pair) == 2 and pair[0] in _BTRFS and pair[1].isdigit()
    }
