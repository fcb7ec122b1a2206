"""What is known of each metric type: unit, plausible range, limits, and how it behaves.

A new metric is one line of ``METRICS``; everything else that depends on a metric (limits and their
hysteresis, recovery after an event, comparison with peers, the dashboard, docs/reference.md)
follows from its fields. A metric type that is not in the catalogue is stored and shown all the
same; it has no unit and no limits.

Ranges of the first four are the wire contract's (row 4). Limits: drive makers specify an
operating temperature up to 60 degC, and Backblaze and Google see failures rise above 45-50 degC
(Pinheiro et al., FAST '07); a disk that answers slower than 20 ms on average is saturated or
ailing (fail-slow studies: Gunawi et al., FAST '18); file systems slow down and operators act at
80-90 % full. PercentageUsed is a drive's own estimate of its wear: 100 where the endurance that its
maker promises is used up; it may go on, and count to 255 (NVM Express Base Specification 2.0, SMART
/ Health Information, byte 5; ATA device statistics, page 7). IOPs, bytes per second and utilisation
describe load, not illness: no limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["high", "low", "neither"]

#: Seconds of calm after which trouble of any metric is over, if nothing else is said: a link that
#: is lost every minute answers in time for half of it.
SETTLES_SECONDS = 60.0
#: The event of a drive that its host no longer sees; over as soon as it reports again.
DRIVE_GONE = "DriveGone"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric type.

    :ivar unit: of every number here, as shown to users.
    :ivar low: smallest plausible value.
    :ivar high: largest plausible value.
    :ivar least: smallest possible value; anything less comes from a broken sensor.
    :ivar most: largest possible value.
    :ivar no_value: the reading of a device that has no such value; None for none.
    :ivar bad: which side is bad; ``neither`` for pure load.
    :ivar warning: limit from which on a device is in warning, or None.
    :ivar critical: limit from which on it is critical, or None.
    :ivar enter_seconds: a limit counts when every reading of so long is past it; 0: at once.
    :ivar leave_seconds: it no longer counts when every reading of so long is safely well; 0: at
        once.
    :ivar leave_by: how far on the well side of a limit is safely well; None for ``leave_share``.
    :ivar leave_share: the same as a part of the limit.
    :ivar settles_seconds: calm after which trouble that an event reported is over.
    :ivar accumulates: it does not fall by itself: a full or worn device stays so.
    :ivar peer_factor: how many times the median of its peers is still normal, given load, slot and
        model; below 1 where less is worse; None for a metric that is not compared.
    :ivar material: a smaller change, though it may be no chance, is of no consequence; None for a
        5,000th part of the plausible range.
    :ivar smart: read from SMART, every quarter of an hour; shown apart on the dashboard.
    """

    name: str
    unit: str
    low: float
    high: float
    bad: Direction = "neither"
    warning: float | None = None
    critical: float | None = None
    enter_seconds: float = 0.0
    leave_seconds: float = 0.0
    leave_by: float | None = None
    leave_share: float = 0.05
    settles_seconds: float = SETTLES_SECONDS
    accumulates: bool = False
    peer_factor: float | None = None
    material: float | None = None
    smart: bool = False
    least: float = 0.0
    most: float = 1e15
    no_value: float | None = None

    def is_possible(self, value: float) -> bool:
        """Whether a working device can say this of itself."""
        return self.least <= value <= self.most and value != self.no_value

    def leave(self, limit: float, bad: Direction | None = None) -> float:
        """Where a value is safely on the well side of a limit.

        :param bad: which side is bad, where it is not the catalogue's.
        """
        by = abs(limit) * self.leave_share if self.leave_by is None else self.leave_by
        return limit + by if (bad or self.bad) == "low" else limit - by


# A sensor's noise and a cooling disk's last degrees are 2 degC; a queue has drained at a quarter
# below the limit; of the capacity 1 %. A disk's temperature does not come back within a minute, so
# 20 s of calm are enough. Peers: 1.3 is half the way, nearly, to the least that is called fail-slow
# (1.5 times); load is shared less evenly than latency is, so only half the peers' IOPs is few. How
# full a device is may differ for good. A drive says its temperature in whole degrees, and nobody
# would act on less than one. Possible: no disk is made for less than -40 degC, and
# solder softens at 180 degC; 0 is what a sensor says that is not there, -128 and 255 a broken one.
METRICS = {
    metric.name: metric
    for metric in (
        Metric("DiskTemp", "degC", 25.0, 60.0, "high", 55.0, 60.0, enter_seconds=5.0,
               leave_seconds=20.0, leave_by=2.0, settles_seconds=20.0, peer_factor=1.3,
               material=1.0, least=-40.0, most=150.0, no_value=0.0),
        Metric("IOPs", "/s", 100.0, 1000.0, peer_factor=1 / 2),
        Metric("Latency", "ms", 0.5, 10.5, "high", 20.0, 100.0, enter_seconds=10.0,
               leave_seconds=20.0, leave_share=0.25, peer_factor=1.3),
        Metric("CapacityUsed", "%", 10.0, 95.0, "high", 90.0, 95.0, leave_by=1.0,
               accumulates=True, most=101.0),
        Metric("PercentageUsed", "%", 0.0, 255.0, "high", 90.0, 100.0, accumulates=True),
        Metric("ReadBytes", "B/s", 0.0, 1e11),
        Metric("WriteBytes", "B/s", 0.0, 1e11),
        Metric("Utilisation", "%", 0.0, 100.0),
        # Of file systems and software arrays; a change for the worse is an event, too.
        Metric("InodesUsed", "%", 0.0, 100.0, "high", 90.0, 95.0, leave_by=1.0,
               accumulates=True),
        Metric("ReadOnly", "", 0.0, 1.0, "high"),
        Metric("Degraded", "", 0.0, 1.0, "high", 1.0),
        Metric("MissingMembers", "", 0.0, 1000.0, "high"),
        Metric("FailedMembers", "", 0.0, 1000.0, "high"),
        Metric("RebuildProgress", "%", 0.0, 100.0),
        Metric("MismatchedSectors", "", 0.0, 1e12, "high"),
        Metric("FsReadErrors", "", 0.0, 1e12, "high"),
        Metric("FsWriteErrors", "", 0.0, 1e12, "high"),
        Metric("FsChecksumErrors", "", 0.0, 1e12, "high"),
        # What drives say of themselves (SMART). No limits here: what such a number means depends on
        # the drive, on its other numbers, and on whether it grows.
        Metric("TempTrip", "degC", 40.0, 120.0, smart=True),
        Metric("TempLifetimeMin", "degC", -40.0, 60.0, smart=True, least=-60.0),
        Metric("TempLifetimeMax", "degC", 0.0, 100.0, smart=True, least=-60.0),
        Metric("PowerOnHours", "h", 0.0, 200000.0, smart=True),
        Metric("PowerCycles", "", 0.0, 1000000.0, smart=True),
        Metric("StartStops", "", 0.0, 1000000.0, smart=True),
        Metric("LoadCycles", "", 0.0, 10000000.0, smart=True),
        Metric("Asleep", "", 0.0, 1.0, smart=True),
        Metric("SmartGaps", "", 0.0, 100.0, smart=True),
        Metric("ReallocatedSectors", "", 0.0, 100000.0, "high", smart=True),
        Metric("ReallocationEvents", "", 0.0, 100000.0, "high", smart=True),
        Metric("PendingSectors", "", 0.0, 100000.0, "high", smart=True),
        Metric("OfflineUncorrectable", "", 0.0, 100000.0, "high", smart=True),
        Metric("ReportedUncorrectable", "", 0.0, 100000.0, "high", smart=True),
        Metric("CommandTimeouts", "", 0.0, 65535.0, "high", smart=True),
        Metric("CrcErrors", "", 0.0, 1000000.0, "high", smart=True),
        Metric("EndToEndErrors", "", 0.0, 100000.0, "high", smart=True),
        Metric("SpinRetries", "", 0.0, 100000.0, "high", smart=True),
        Metric("ReadErrors", "", 0.0, 65535.0, "high", smart=True),
        Metric("SeekErrors", "", 0.0, 65535.0, "high", smart=True),
        Metric("ProgramFails", "", 0.0, 1000000.0, "high", smart=True),
        Metric("EraseFails", "", 0.0, 1000000.0, "high", smart=True),
        Metric("UnsafeShutdowns", "", 0.0, 1000000.0, smart=True),
        Metric("HeliumLevel", "%", 0.0, 100.0, "low", smart=True),
        Metric("MediaErrors", "", 0.0, 1000000.0, "high", smart=True),
        Metric("ErrorLogEntries", "", 0.0, 1000000.0, "high", smart=True),
        Metric("RecentReadFailures", "", 0.0, 100.0, "high", smart=True),
        Metric("AvailableSpare", "%", 0.0, 100.0, "low", smart=True),
        Metric("AvailableSpareThreshold", "%", 0.0, 100.0, smart=True),
        Metric("WarningTempTime", "min", 0.0, 10000000.0, "high", smart=True),
        Metric("CriticalTempTime", "min", 0.0, 10000000.0, "high", smart=True),
        Metric("SpareBelowThreshold", "", 0.0, 1.0, "high", smart=True),
        Metric("TemperatureOutOfRange", "", 0.0, 1.0, "high", smart=True),
        Metric("ReliabilityDegraded", "", 0.0, 1.0, "high", smart=True),
        Metric("MediaReadOnly", "", 0.0, 1.0, "high", smart=True),
        Metric("BackupFailed", "", 0.0, 1.0, "high", smart=True),
        Metric("PersistentMemoryUnreliable", "", 0.0, 1.0, "high", smart=True),
        Metric("GrownDefects", "", 0.0, 100000.0, "high", smart=True),
        Metric("UncorrectedReads", "", 0.0, 1000000.0, "high", smart=True),
        Metric("UncorrectedWrites", "", 0.0, 1000000.0, "high", smart=True),
        Metric("UncorrectedVerifies", "", 0.0, 1000000.0, "high", smart=True),
        Metric("LifetimeRead", "B", 0.0, 1e+18, smart=True, most=1e20),
        Metric("LifetimeWritten", "B", 0.0, 1e+18, smart=True, most=1e20),
        Metric("SmartFailing", "", 0.0, 1.0, "high", smart=True),
        Metric("AttributesFailing", "", 0.0, 30.0, "high", smart=True),
        Metric("AttributesFailedBefore", "", 0.0, 30.0, smart=True),
        Metric("SelfTestFailed", "", 0.0, 1.0, "high", smart=True),
        Metric("SelfTestAge", "h", 0.0, 200000.0, smart=True),
        # What the reader makes of all the others.
        Metric("Health", "", 0.0, 3.0),
        Metric("Score", "", 0.0, 100.0),
    )
}  # fmt: skip

#: Verdicts on a device, not readings of it: a silent one has them too. ``Health`` is 0 ok,
#: 1 unknown, 2 warning, 3 critical.
HEALTH, SCORE = "Health", "Score"
VERDICTS = (HEALTH, SCORE)


def metric(name: str) -> Metric | None:
    """The catalogue's entry, or None for a metric type that is accepted but not known."""
    return METRICS.get(name)


def is_possible(name: str, value: float) -> bool:
    """False for a value that no working device says; of an unknown metric anything is possible."""
    known = METRICS.get(name)
    return known is None or known.is_possible(value)


def is_smart(name: str) -> bool:
    """Whether the metric comes from SMART, which is read every quarter of an hour."""
    known = METRICS.get(name)
    return known is not None and known.smart


def unit(name: str) -> str:
    """The metric's unit as shown to users; empty where the catalogue does not know the metric."""
    known = METRICS.get(name)
    return known.unit if known else ""
