"""Which block devices are drives, who and what a drive is, by what Linux shows without root."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar, NamedTuple

from daemon.drive_ids import WWN, drive_id, is_drive

SYSFS = Path("/sys/block")
UDEV = Path("/run/udev/data")
_SECTOR = 512  # bytes, of what sysfs calls a drive's size, whatever the drive's own sectors are


class Who(NamedTuple):
    """Who a drive is, as far as sysfs and udev know; empty where they do not."""

    wwn: str
    model: str
    serial: str


#: So long a drive without a name waits for what smartctl will say of it when the daemon starts.
LEARN_SECONDS = 30.0


class Drives:
    """The drives of this machine as sysfs and udev show them.

    Behind some USB bridges they do not know who a drive is, while smartctl does: what the source
    ``smart`` learns so is known to every source of this process, as long as the disk stays in.
    """

    _learnt: ClassVar[dict[tuple[Path, str, str], str]] = {}  # sysfs, name, diskseq -> deviceId
    _waits: ClassVar[dict[Path, float]] = {}  # until when, by the monotonic clock

    def __init__(self, sysfs: Path = SYSFS, udev: Path = UDEV) -> None:
        self._sysfs = sysfs
        self._udev = udev

    def whole(self, names: list[str]) -> list[str]:
        """The given names that are whole drives, as far as sysfs tells them apart."""
        drives = sorted(name for name in names if is_drive(name))
        real = [name for name in drives if (self._sysfs / name / "device").exists()]
        there = [name for name in drives if (self._sysfs / name).exists()]
        return real or there or drives

    def names(self) -> list[str]:
        """The names of all whole drives of this machine."""
        found = self._sysfs.iterdir() if self._sysfs.is_dir() else ()
        return self.whole([path.name for path in found])

    def folder(self, name: str) -> Path:
        """The folder of a drive in sysfs."""
        return self._sysfs / name

    def identify(self, name: str) -> str | None:
        """The id of a drive, or of a partition as ``<id of its drive>-part<number>``.

        None for a device without an id of its own.
        """
        if (self._sysfs / name).is_dir():
            return self._identify(name) if is_drive(name) else None
        if "/" in name:
            return None
        for folder in self._sysfs.glob(f"*/{glob.escape(name)}"):
            drive, number = self.identify(folder.parent.name), text_of(folder / "partition")
            return f"{drive}-part{number}" if drive and number else None
        return None

    def instance(self, name: str) -> str:
        """Changes whenever another disk, or the same one anew, is called ``name``."""
        return f"{self.identify(name)}/{self._diskseq(name)}"

    def wait(self) -> None:
        """Have drives without a name of their own wait for ``learn``, ``LEARN_SECONDS`` at most."""
        self._waits[self._sysfs] = monotonic() + LEARN_SECONDS

    def learn(self, ids: Mapping[str, str]) -> None:
        """Take what smartctl says who drives are, by their names here; nobody waits any more."""
        for name, own in ids.items():
            if diskseq := self._diskseq(name):  # else the next disk of that name would have it
                self._learnt[self._sysfs, name, diskseq] = own
        self._waits.pop(self._sysfs, None)

    def is_awaited(self, name: str) -> bool:
        """Whether it is not known yet who a drive, or the drive of a partition, is."""
        return monotonic() < self._waits.get(self._sysfs, 0.0) and self.identify(name) is None

    def _diskseq(self, name: str) -> str:
        return text_of(self._sysfs / name / "diskseq")

    def _identify(self, name: str) -> str | None:
        who = self.who(name)
        found = drive_id(who.wwn, who.model, who.serial)
        return found or self._learnt.get((self._sysfs, name, self._diskseq(name)))

    def who(self, name: str) -> Who:
        """What sysfs and udev know of a drive; the drive itself is not asked."""
        drive = self._sysfs / name
        known = self.udev(name)
        wwn = text_of(drive / "wwid") or text_of(drive / "device/wwid")  # NVMe; SCSI and SATA
        if WWN.fullmatch(wwn.lower()) is None:
            wwn = known.get("ID_WWN", "").replace("0x", "naa.", 1)
        model = text_of(drive / "device/model") or text_of(
            drive / "device/name"
        )  # the latter: eMMC
        serial = text_of(drive / "device/serial") or _page_80(drive / "device/vpd_pg80")
        return Who(
            wwn, known.get("ID_MODEL", "") or model, known.get("ID_SERIAL_SHORT", "") or serial
        )

    def udev(self, name: str) -> Mapping[str, str]:
        """The properties of a block device in udev's database."""
        number = text_of(self._sysfs / name / "dev")
        lines = text_of(self._udev / f"b{number}").splitlines() if number else []
        pairs = (line[2:].partition("=") for line in lines if line.startswith("E:"))
        return {key: value for key, _, value in pairs}


def text_of(path: Path) -> str:
    """The content of a small file; empty where it is missing or cannot be read."""
    try:
        return path.read_text(errors="replace").strip("\0 \n\t")
    except OSError:
        return ""


def _page_80(path: Path) -> str:
    """A SCSI drive's serial number: page 80 of its vital product data, after a head of 4 bytes."""
    try:
        return path.read_bytes()[4:].decode("ascii", "ignore").strip("\0 ")
    except OSError:
        return ""


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
