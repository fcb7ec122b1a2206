"""What a drive is, by what Linux shows without root: fields of ``DeviceFacts``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from daemon.drives import Drives, text_of

_SECTOR = 512  # bytes, of what sysfs calls a drive's size, whatever the drive's own sectors are


def facts_of(drives: Drives, name: str) -> dict[str, Any]:
    """The facts of a drive; what is not known is left out."""
    return {field: value for field, value in _facts(drives, name) if value not in (None, "")}


def is_removable(drives: Drives, name: str) -> bool:
    """Whether it is made to be taken away: a stick, a card, a drive on USB."""
    drive = drives.folder(name)
    return text_of(drive / "removable") == "1" or "/usb" in str(drive.resolve())


def _facts(drives: Drives, name: str) -> Iterator[tuple[str, Any]]:
    drive, who, udev = drives.folder(name), drives.who(name), drives.udev(name)
    yield "model", text_of(drive / "device/model") or who.model.replace("_", " ")
    yield "serial", who.serial
    yield "wwn", who.wwn if who.wwn.startswith(("naa.", "eui.")) else ""
    yield "firmware", text_of(drive / "device/firmware_rev") or text_of(drive / "device/rev")
    yield "capacity_bytes", _bytes(text_of(drive / "size"))
    yield "rotation_rpm", _rotation(udev.get("ID_ATA_ROTATION_RATE_RPM"), drive)
    yield "protocol", _protocol(name, text_of(drive / "device/vendor"), udev)
    yield "path", f"/dev/{name}"
    yield "slot", next((path.name.partition(":")[2] for path in _enclosures(drive)), "")
    yield "array_role", ", ".join(_roles(drives, name))


def _bytes(sectors: str) -> int | None:
    return int(sectors) * _SECTOR if sectors.isdigit() and int(sectors) else None


def _rotation(by_udev: str | None, drive: Path) -> int | None:
    if by_udev is not None and by_udev.isdigit():
        return int(by_udev)
    # 1 says that it turns, not how fast, and a virtual disk says it too.
    return 0 if text_of(drive / "queue/rotational") == "0" else None


def _protocol(name: str, vendor: str, udev: Mapping[str, str]) -> str | None:
    if name.startswith("nvme"):
        return "NVMe"
    if vendor == "ATA" or udev.get("ID_BUS") == "ata":
        return "ATA"
    # What is neither on USB nor virtual and has a vendor speaks SCSI itself.
    return "SCSI" if udev.get("ID_BUS") == "scsi" else None


def _enclosures(drive: Path) -> list[Path]:
    return sorted(drive.glob("device/enclosure_device:*"))


def _roles(drives: Drives, name: str) -> Iterator[str]:
    """Its places in md arrays, and those of its partitions."""
    parts = [name, *(path.parent.name for path in drives.folder(name).glob(f"{name}*/partition"))]
    for part in sorted(parts):
        for member in sorted(drives.folder("").glob(f"md*/md/dev-{part}")):
            place, state = text_of(member / "slot"), text_of(member / "state")
            slot = f" slot {place}" if place.isdigit() else ""
            yield f"{member.parent.parent.name}{slot}" + (f" ({state})" if state else "")
