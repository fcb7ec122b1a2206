"""What one output of ``smartctl --json -x`` says: metrics, facts, and whether it was read. Pure.

smartctl 7.0 to 8.0 differ in what they say, and bridges leave out what they like: every key may be
missing, null, or of another type. Nothing here raises for that; what is not understood is left out.

The exit status is taken as smartctl(8) defines it. Bits 0 to 2 are about the command: the drive was
not opened, or did not answer all. Bits 3 to 7 are about the drive, which then was read: failing
(3), an attribute at its threshold now (4) or once in the past (5), errors in its error log (6),
failed self-tests (7).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from daemon.drive_ids import drive_id
from daemon.smart import table
from daemon.smart.attributes import MOST_COUNT, attributes_of
from daemon.smart.facts import facts_of, failed_when, speed_of
from daemon.smart.fields import (
    COLDEST,
    HOTTEST,
    MOST_HOURS,
    SWITCHED_OFF,
    at,
    gaps_of,
    number,
    status,
    text,
)
from daemon.smart.logs import logs_of

COMMAND_FAILED, NOT_OPENED = 0b1, 0b10
FAILING, AT_THRESHOLD, ONCE_AT_THRESHOLD = 1 << 3, 1 << 4, 1 << 5
NO_COUNT = 2**32 - 1  # or of more bits
FASTEST_DISK = 8 * 600e6  # bits per second, of one that turns, with two actuators
SPARE = {"AvailableSpare": "current", "AvailableSpareThreshold": "threshold"}
MAY_BE_ZERO = ("TempLifetimeMin", "TempLifetimeMax")
_ASLEEP = re.compile(r"in (\w+(?: \w+)?) mode", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one drive says of itself.

    :ivar metrics: metric type -> value in the catalogue's unit; empty where it was not read.
    :ivar facts: fields of ``DeviceFacts``, by name, without the identity's.
    :ivar device_id: its own; None where it has neither a WWN nor a serial number.
    :ivar path: what smartctl was told to open, with the type where that names a RAID member.
    :ivar asleep: the power mode that it was left in, or empty.
    :ivar trouble: why it was not read, or empty.
    :ivar gaps: what a whole output would have said.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    device_id: str | None = None
    path: str = ""
    asleep: str = ""
    trouble: str = ""
    gaps: Sequence[str] = ()


def read(output: object) -> Reading:
    """The reading in one decoded output."""
    if not isinstance(output, dict):
        return Reading(trouble="smartctl's output is no JSON object")
    facts = {name: value for name, value in facts_of(output) if value is not None}
    path = " ".join(filter(None, (facts.get("path"), facts.get("member"))))
    known = drive_id(*(str(facts.get(key, "")) for key in ("wwn", "model", "serial")))
    metrics = _metrics(output)
    asleep = _asleep(output)
    trouble = ""
    if not metrics and not asleep:
        trouble = _message(output) or "it says nothing that smartctl understands"
    return Reading(metrics, facts, known, path, asleep, trouble, gaps_of(output, metrics))


def _messages(output: Mapping[str, Any]) -> list[str]:
    found = at(output, "smartctl", "messages")
    texts = (text(at(each, "string")) for each in found) if isinstance(found, list) else ()
    return [each for each in texts if each]


def _message(output: Mapping[str, Any]) -> str:
    """Why smartctl could not read the drive, in its own words where it has any."""
    if at(output, "smart_support", "available") is False:
        return "it has no SMART"
    if at(output, "smart_support", "enabled") is False:
        return SWITCHED_OFF
    messages = _messages(output)
    if messages:
        return "; ".join(messages[-2:])
    if status(output) & (COMMAND_FAILED | NOT_OPENED):
        return f"smartctl could not open it (exit status {status(output)})"
    return ""


def _asleep(output: Mapping[str, Any]) -> str:
    """The power mode for which ``-n standby`` left the drive alone; empty if it was read."""
    if not status(output) & NOT_OPENED:
        return ""
    found = (_ASLEEP.search(message) for message in _messages(output))
    return next((match[1].lower() for match in found if match), "")


def _metrics(output: Mapping[str, Any]) -> dict[str, float]:
    """Every value that has a meaning; later ones win over earlier ones of the same name."""
    said: dict[str, float] = {**dict(_spare(output)), **dict(attributes_of(output))}
    for name, count in _said_elsewhere(output):
        said[name] = said.get(name) or count
    said.update(_statistics(output, table.STATISTICS))
    said.update(_traffic(output))
    for where, name in table.COMMON:
        _take(said, name, number(at(output, *where)))
    for key, (name, unit) in table.NVME.items():
        _take(said, name, number(at(output, "nvme_smart_health_information_log", key)), unit)
    _drop_reserved(said)
    for place, name, unit in table.SCSI:
        _take(said, name, number(at(output, *place)), unit)
    for spot, name in table.TEMPERATURES:
        value = number(at(output, *spot))
        # Bridges, and SAS drives, that know none say 0.
        if value is not None and COLDEST < value < HOTTEST and (value or name in MAY_BE_ZERO):
            said[name] = value
    if said.get("PowerOnHours", 0) > MOST_HOURS:
        del said["PowerOnHours"]
    speed = FASTEST_DISK if (number(output.get("rotation_rate")) or 0) > 0 else speed_of(output)
    _drop_impossible_traffic(said, speed)
    said.update(logs_of(output, said.get("PowerOnHours")))
    said.update(_warnings(output))
    return said


def _spare(output: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Spare blocks as smartctl sums them up.

    Of some SATA flash it takes the normalised attribute 5 for them, without a threshold: no spare.
    """
    found = (number(at(output, "spare_available", f"{key}_percent")) for key in SPARE.values())
    said = dict(zip(SPARE, found, strict=True))
    if None not in said.values():
        yield from ((name, value) for name, value in said.items() if value is not None)


def _said_elsewhere(output: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """What the statistics and the log of pending defects say beside the attributes."""
    pending = number(at(output, "ata_pending_defects_log", "count"))
    found = [*_statistics(output, table.STATISTICS_ELSE), ("PendingSectors", pending)]
    yield from ((name, each) for name, each in found if each is not None and 0 <= each < MOST_COUNT)


def _drop_reserved(said: dict[str, float]) -> None:
    """Leave out what firmware writes where it has nothing to say of spare blocks and endurance."""
    if said.get("AvailableSpareThreshold", 0) > 100:
        del said["AvailableSpareThreshold"]
        if said.get("PercentageUsed") == 255:
            del said["PercentageUsed"]
    elif said.get("AvailableSpare") == 0 == said.get("AvailableSpareThreshold"):
        del said["AvailableSpare"]


def _drop_impossible_traffic(said: dict[str, float], speed: float | None) -> None:
    """Leave out more bytes than could have been carried in the drive's life.

    :param speed: of the interface, bits per second; a disk that turns is slower than that.
    """
    seconds = 3600 * (said.get("PowerOnHours", 0) + 1)
    for name in ("LifetimeRead", "LifetimeWritten"):
        if speed is not None and said.get(name, 0) > seconds * speed / 8:
            del said[name]


def _take(said: dict[str, float], name: str, value: float | None, unit: float = 1) -> None:
    """Note a value; a counter of which every bit is set says that there is none."""
    if value is not None and value >= 0 and not (unit == 1 and value >= NO_COUNT):
        said[name] = value * unit


def _traffic(output: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    sector = number(output.get("logical_block_size")) or 512
    for name, value in _statistics(output, table.STATISTICS_SECTORS):
        yield name, value * sector


def _statistics(
    output: Mapping[str, Any], wanted: Mapping[tuple[int, int], str]
) -> Iterator[tuple[str, float]]:
    """Those of the ATA device statistics that are wanted, by page and offset."""
    pages = at(output, "ata_device_statistics", "pages")
    for page in pages if isinstance(pages, list) else ():
        rows = at(page, "table")
        for row in rows if isinstance(rows, list) else ():
            value = number(at(row, "value"))
            if value is None or value < 0 or at(row, "flags", "valid") is False:
                continue
            place = (int(number(at(page, "number")) or 0), int(number(at(row, "offset")) or 0))
            if place in wanted:
                yield wanted[place], value


def _warnings(output: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """1 for what the drive says is wrong now, 0 for what it says is not."""
    bits = number(at(output, "nvme_smart_health_information_log", "critical_warning"))
    if bits is not None and bits >= 0:
        for place, name in enumerate(table.NVME_WARNINGS):
            yield name, float(int(bits) >> place & 1)
    passed = at(output, "smart_status", "passed")
    hot = _is_only_hot(output)
    if (status(output) & FAILING or passed is False) and not hot:
        yield "SmartFailing", 1.0
    elif passed is True:
        yield "SmartFailing", 0.0
    has_table = isinstance(at(output, "ata_smart_attributes", "table"), list)
    at_threshold = status(output) & (AT_THRESHOLD | ONCE_AT_THRESHOLD)
    if has_table or (at_threshold and at(output, "device", "protocol") == "ATA"):
        now, is_hot = _when_failed(output, "now", AT_THRESHOLD)
        yield "AttributesFailing", float(now)
        yield "AttributesFailedBefore", float(_when_failed(output, "past", ONCE_AT_THRESHOLD)[0])
        hot = hot or is_hot
    if hot:
        yield "TemperatureOutOfRange", 1.0


def _is_only_hot(output: Mapping[str, Any]) -> bool:
    """SCSI's warning of its temperature (SPC-5, 0Bh/01h) fails the overall health too."""
    sense = [number(at(output, "smart_status", "scsi", key)) for key in ("asc", "ascq")]
    return sense == [0x0B, 0x01]


def _when_failed(output: Mapping[str, Any], when: str, bit: int) -> tuple[int, bool]:
    """Attributes at their threshold, and whether a temperature is.

    Temperatures are not counted: they are no damage. A count of use that has come to its end is one
    of the past, as in smartctl's bit 5. At least one where the exit status says so and no
    temperature explains it.
    """
    rows = at(output, "ata_smart_attributes", "table")
    failed = [row for row in rows if at(row, "when_failed")] if isinstance(rows, list) else []
    temperatures = [row for row in failed if number(at(row, "id")) in table.TEMPERATURE_ATTRIBUTES]
    damaged = sum(failed_when(row) == when and row not in temperatures for row in failed)
    hot = any(at(row, "when_failed") == when for row in temperatures)
    explained = hot or (when == "past" and bool(temperatures))  # bit 5 is set for those of now too
    return damaged or int(bool(status(output) & bit) and not explained), hot
