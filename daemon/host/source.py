"""The machine this runs on: its block devices, file systems and drive temperatures."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from time import monotonic

from daemon.drives import valid_name
from daemon.host.probe import Probe, PsutilProbe
from daemon.host.rates import Counters, rates
from daemon.messages import DISK, Message, metric_messages
from daemon.source import Source, SourceSettings
from spindle.models import DeviceMetric


class HostSource(Source):
    """Per drive ReadBytes, WriteBytes, IOPs, Latency, Utilisation and DiskTemp, per file system
    CapacityUsed, all as ``DiskUnit`` on an ``arrayId`` that is the host's name.

    A drive's ``deviceId`` is its own wherever it is plugged in (see ``daemon.drives``), else
    ``<host>-<name>``. Rates need two readings. A drive that vanishes is forgotten; one whose
    counters went backwards (wrapped, or came back as another drive) starts anew.
    """

    name = "host"
    about = "the drives and file systems of this machine"

    def __init__(
        self, settings: SourceSettings, probe: Probe | None = None, hostname: str | None = None
    ) -> None:
        super().__init__(settings)
        self._probe = probe or PsutilProbe()
        self._host = valid_name(hostname or socket.gethostname())
        self._before: Mapping[str, Counters] = {}  # at the last reading
        self._at = 0.0  # of the last reading, seconds of the monotonic clock

    def read(self, now_ns: int, at: float | None = None) -> list[Message]:
        """What the machine says now.

        :param at: the monotonic clock in seconds; given in tests only.
        """
        said = list(self._said(monotonic() if at is None else at))
        self.troubles = self._probe.stuck
        ids = self._ids({name for name, _, _ in said})
        metrics = [
            DeviceMetric(
                timestamp=now_ns,
                source_device=DISK,
                device_id=ids[name],
                array_id=self._host,
                metric_type=metric_type,
                value=value,
            )
            for name, metric_type, value in said
        ]
        return metric_messages(metrics, self.envelope_size)

    def _ids(self, names: set[str]) -> dict[str, str]:
        """By name, the ``deviceId``; the second path to one drive is called by its host."""
        ids: dict[str, str] = {}
        for name in sorted(names):
            own = self._probe.identify(name)
            if own is None or own in ids.values():
                own = valid_name(f"{self._host}-{name}")
            ids[name] = own
        return ids

    def _said(self, at: float) -> Iterator[tuple[str, str, float]]:
        counters = self._probe.counters()
        before, self._before = self._before, counters
        seconds, self._at = at - self._at, at
        for device, after in counters.items():
            if device in before and seconds > 0:
                for metric_type, value in rates(before[device], after, seconds).items():
                    yield device, metric_type, value
        for file_system in self._probe.file_systems():
            yield file_system.device, "CapacityUsed", file_system.used_percent
        for device, temperature in self._probe.temperatures().items():
            yield device, "DiskTemp", temperature
