"""What to do about a reason for which a device is not well, by the metric or the event it names."""

from __future__ import annotations

#: Metric or event -> one sentence. What is not here speaks for itself, or is no fault of the drive.
ADVICE = {
    "DiskTemp": "Check fans, airflow and the room; move load away if it keeps rising.",
    "Latency": "Compare it with its neighbours; if it alone is slow, plan its replacement.",
    "CapacityUsed": "Free space or extend the array before writes fail.",
    "InodesUsed": "Delete small files, or move them away, before writes fail.",
    "Degraded": "Replace the failed member, and let the array rebuild.",
    "PercentageUsed": "The drive's endurance is nearly used up: order a replacement.",
    "AvailableSpare": "Spare blocks run out: order a replacement.",
    "SmartFailing": "The drive predicts its own failure: back it up and replace it now.",
    "ReallocatedSectors": "Back up what it holds; replace it if the number keeps growing.",
    "PendingSectors": "Run a long self-test; replace the drive if sectors stay pending.",
    "OfflineUncorrectable": "Data is unreadable in places: restore it and replace the drive.",
    "CrcErrors": "Reseat or replace the cable; the drive itself may be well.",
    "DriveFailure": "Check that the array is redundant, then replace the drive.",
    "DriveGone": "Check power, cabling and the slot; the array may be degraded without it.",
    "UnauthorizedAccess": "Find out who it was; close the management network to that address.",
    "DataCorruption": "Run a scrub, and check the backups of what the device holds.",
}
#: Of a device that is silent.
UNKNOWN = "Check power, cabling and the daemon on its host."


def of(severity: str, metric_type: str | None, event_type: str | None) -> str:
    """What to do about a reason; empty where it is over, or nothing better is known than itself."""
    if severity == "ok":
        return ""
    known = ADVICE.get(metric_type or "") or ADVICE.get(event_type or "")
    return known or (UNKNOWN if severity == "unknown" else "")
