"""The machine this runs on: its block devices, file systems and drive temperatures."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from time import monotonic
from typing import Any
from uuid import uuid4

from daemon.drive_ids import valid_name
from daemon.host.arrays import ArrayState
from daemon.host.inventory import Inventory
from daemon.host.probe import FileSystem, Probe, PsutilProbe
from daemon.host.rates import Counters, rates, together
from daemon.messages import (
    ARRAY,
    DISK,
    Message,
    device_metrics,
    event_message,
    facts_message,
    metric_messages,
)
from daemon.source import DriveSettings, Source
from spindle.catalog import DRIVE_GONE
from spindle.models import DeviceFacts, DeviceMetric, Event


class HostSource(Source):
    """Per drive ReadBytes, WriteBytes, IOPs, Latency, Utilisation and DiskTemp, per file system
    CapacityUsed, InodesUsed and ReadOnly, all as ``DiskUnit`` on an ``arrayId`` that is the host's
    name.

    What each drive is as its facts, and an event where one is gone and where it is back. Per md
    array and ZFS pool, as ``StorageArray``, what ``daemon.host.arrays`` says; an event where one
    becomes degraded, and where a file system becomes read-only.

    A drive's ``deviceId`` is its own wherever it is plugged in (see ``daemon.drives``), else
    ``<host>-<name>``. Rates need two readings. A drive that vanishes is forgotten; one whose
    counters went backwards (wrapped, or came back as another drive) starts anew.
    """

    name = "host"
    about = "the drives and file systems of this machine"
    settings_type = DriveSettings

    def __init__(
        self, settings: DriveSettings, probe: Probe | None = None, hostname: str | None = None
    ) -> None:
        super().__init__(settings)
        self._probe = probe or PsutilProbe()
        self._host = valid_name(hostname or socket.gethostname())
        self._serials = settings.smart_serials
        self._inventory = Inventory(self._facts_of, self._probe.is_removable)
        self._before: Mapping[str, Counters] = {}  # at the last reading
        self._paths: dict[str, str] = {}  # further paths to a drive -> the name that it goes by
        self._wrong: dict[str, bool] = {}  # what was degraded or read-only at the last reading
        self._at = 0.0  # of the last reading, seconds of the monotonic clock

    def read(self, now_ns: int, at: float | None = None) -> list[Message]:
        """What the machine says now.

        :param at: the monotonic clock in seconds; given in tests only.
        """
        systems = self._probe.file_systems()
        values = list(self._said(monotonic() if at is None else at, systems))
        self.troubles = self._probe.stuck
        awaited = {name for name, _, _ in values if self._probe.is_awaited(name)}
        said: dict[str, dict[str, float]] = {}  # metric type -> value, by the drive's name
        for name, metric_type, value in values:
            if name not in awaited:
                said.setdefault(self._paths.get(name, name), {})[metric_type] = value
        ids = self._ids(said.keys() | self._before.keys())
        arrays = self._probe.arrays()
        metrics: list[DeviceMetric] = []
        for name, of_drive in said.items():
            metrics += device_metrics(self._unit(now_ns, DISK, ids[name]), of_drive)
        for array in arrays:
            metrics += device_metrics(
                self._unit(now_ns, ARRAY, self._array_id(array)), array.metrics
            )
        present = {ids[n]: n for n in self._before if not self._probe.is_awaited(n)}
        events = [
            *self._degraded(arrays, now_ns),
            *self._read_only(systems, ids, now_ns),
            *self._gone(present, now_ns),
        ]
        facts = self._facts(present, arrays, now_ns)
        return metric_messages(metrics, self.envelope_size) + events + facts

    def _gone(self, present: Mapping[str, str], now_ns: int) -> Iterator[Message]:
        """An event where a drive is gone, or back."""
        for device_id, gone, removable, said in self._inventory.update(present, now_ns):
            kind = DRIVE_GONE if gone else "DriveReturned"
            criticality = 2 if removable or not gone else 8
            yield self._event(now_ns, (DISK, device_id), kind, criticality, said)

    def _facts_of(self, name: str) -> Mapping[str, Any]:
        said = dict(self._probe.facts(name))
        if not self._serials:
            said.pop("serial", None)
        return said

    def _facts(
        self, present: Mapping[str, str], arrays: list[ArrayState], now_ns: int
    ) -> list[Message]:
        known = {(DISK, key): said for key, said in self._inventory.news(present, now_ns).items()}
        if known:
            known |= {(ARRAY, self._array_id(a)): {"model": a.kind, "path": a.path} for a in arrays}
        return [
            facts_message(DeviceFacts(**self._unit(now_ns, *unit), host=self._host, **said))
            for unit, said in known.items()
        ]

    def _unit(self, now_ns: int, kind: str, device_id: str) -> dict[str, Any]:
        """What all that is said of one device begins with."""
        return {
            "timestamp": now_ns,
            "source_device": kind,
            "device_id": device_id,
            "array_id": self._host,
        }

    def _array_id(self, array: ArrayState) -> str:
        return valid_name(f"{self._host}-{array.name}")

    def _degraded(self, arrays: list[ArrayState], now_ns: int) -> Iterator[Message]:
        """An event where an array becomes degraded (or is found so), or whole again."""
        for array in arrays:
            wrong, own = bool(array.metrics.get("Degraded")), self._array_id(array)
            if self._wrong.get(own, False) != wrong:
                said = f"{array.kind} {array.name} is degraded: {array.trouble}"
                if array.failed:
                    said += f"; failed: {', '.join(array.failed)}"
                if not wrong:
                    said = f"{array.kind} {array.name} has all its members again"
                kind = "ArrayDegraded" if wrong else "ArrayRestored"
                yield self._event(now_ns, (ARRAY, own), kind, 8 if wrong else 2, said)
            self._wrong[own] = wrong

    def _read_only(
        self, systems: list[FileSystem], ids: Mapping[str, str], now_ns: int
    ) -> Iterator[Message]:
        """An event where a file system that was writable no longer is, or is again."""
        for each in systems:
            key = f"file system {each.device}"
            if self._wrong.get(key, each.read_only) != each.read_only:
                kind = "FileSystemReadOnly" if each.read_only else "FileSystemWritable"
                said = f"the file system on {each.device} is "
                said += "read-only now" if each.read_only else "writable again"
                unit = (DISK, ids[each.device])
                yield self._event(now_ns, unit, kind, 9 if each.read_only else 2, said)
            self._wrong[key] = each.read_only

    def _event(
        self, now_ns: int, unit: tuple[str, str], kind: str, criticality: int, said: str
    ) -> Message:
        event = Event(
            **self._unit(now_ns, *unit),
            id=str(uuid4()),
            event_type=kind,
            criticality=criticality,
            event_message=said,
        )
        return event_message(event)

    def _ids(self, names: set[str]) -> dict[str, str]:
        """By name, the ``deviceId``; another drive that has the same one is called by its host."""
        ids: dict[str, str] = {}
        for name in sorted(names):
            own = self._probe.identify(name)
            ids[name] = self._own(name) if own is None or own in ids.values() else own
        return ids

    def _own(self, name: str) -> str:
        return valid_name(f"{self._host}-{name}")

    def _said(self, at: float, systems: list[FileSystem]) -> Iterator[tuple[str, str, float]]:
        counters = self._by_drive(self._probe.counters())
        before, self._before = self._before, counters
        seconds, self._at = at - self._at, at
        for device, after in counters.items():
            if device in before and seconds > 0:
                for metric_type, value in rates(before[device], after, seconds).items():
                    yield device, metric_type, value
        for file_system in systems:
            yield file_system.device, "CapacityUsed", file_system.used_percent
            if file_system.read_only or self._wrong.get(f"file system {file_system.device}"):
                yield file_system.device, "ReadOnly", float(file_system.read_only)
            if file_system.inodes_percent is not None:
                yield file_system.device, "InodesUsed", file_system.inodes_percent
        for device, counted in self._probe.errors().items():
            for metric_type, value in counted.items():
                yield device, metric_type, value
        for device, temperature in self._probe.temperatures().items():
            yield device, "DiskTemp", temperature

    def _by_drive(self, counters: Mapping[str, Counters]) -> Mapping[str, Counters]:
        """The counters with those of all paths to one drive (SAS has two) as one's."""
        found: dict[str, Counters] = {}
        leads: dict[str, str] = {}  # deviceId -> the name that the drive goes by
        self._paths = {}
        for name, counted in sorted(counters.items()):
            lead = leads.setdefault(self._probe.identify(name) or name, name)
            if lead != name and self._is_same(lead, name):
                self._paths[name] = lead
                found[lead] = together(found[lead], counted)
            else:
                found[name] = counted
        return found

    def _is_same(self, one: str, other: str) -> bool:
        """Whether two names are paths to one drive, and no name that was copied."""
        said = [self._probe.facts(name) for name in (one, other)]
        who = [(each.get("model"), each.get("serial")) for each in said]
        return who[0] == who[1] and all(who[0])
