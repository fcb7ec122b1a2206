"""The facts of a drive in smartctl's output. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from daemon.smart import table
from daemon.smart.fields import at, number, text

_SPEED = {"Gb/s": 1e9, "Mb/s": 1e6}
#: Models of flash: by that word (in Intel's names too), by Micron's, Samsung's, Toshiba's and WD's.
_FLASH = re.compile(r"SSD|MTFD|\bMZ-?[A-Z0-9]{5}|\bTHNS|\bWDS\d")


def facts_of(output: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Fields of ``DeviceFacts`` but the identity's; None for what is not said."""
    kind = text(at(output, "device", "type")) or ""
    yield "model", text(output.get("model_name")) or text(output.get("scsi_model_name"))
    yield "family", text(output.get("model_family"))
    yield "serial", text(output.get("serial_number"))
    yield "firmware", text(output.get("firmware_version")) or text(output.get("scsi_revision"))
    yield "wwn", _wwn(output)
    capacity = number(at(output, "user_capacity", "bytes"))
    if capacity is None:
        capacity = number(output.get("nvme_total_capacity"))
    yield "capacity_bytes", _whole(capacity)
    rotation = _whole(number(output.get("rotation_rate")))
    protocol = text(at(output, "device", "protocol"))
    # A bridge may leave that out. Shingled disks take TRIM too, but say how fast they turn.
    solid = protocol == "NVMe" or at(output, "trim", "supported") is True
    guess = 0 if solid else rotation_of(text(output.get("model_name")) or "")
    yield "rotation_rpm", guess if rotation is None else rotation
    yield "protocol", protocol
    yield "interface_speed", speed_of(output)
    yield "path", text(at(output, "device", "name"))
    reason = text(at(output, "smart_status", "scsi", "ie_string"))
    failing = at(output, "smart_status", "passed") is False
    yield "failing", _at_threshold(output, "now") or (reason if failing else None)
    yield "failed_before", _at_threshold(output, "past")
    yield "member", kind.removeprefix("sat+") if "," in kind else None


def rotation_of(model: str) -> int | None:
    """0 where the model's name says that it is flash, else None."""
    return 0 if _FLASH.search(model) else None


def _at_threshold(output: Mapping[str, Any], when: str) -> str | None:
    """The attributes of damage that are at their maker's threshold now, or were in the past."""
    rows = at(output, "ata_smart_attributes", "table")
    found = [
        f"{at(row, 'id')} {text(at(row, 'name')) or ''} (value {at(row, 'value')}, "
        f"worst {at(row, 'worst')}, threshold {at(row, 'thresh')})"
        for row in (rows if isinstance(rows, list) else ())
        if failed_when(row) == when and number(at(row, "id")) not in table.TEMPERATURE_ATTRIBUTES
    ]
    return text(", ".join(found))


def failed_when(row: Any) -> str | None:
    """``now`` or ``past`` where an attribute is or was at its threshold.

    One that counts use is of the past: its maker plans for so much, and nothing is broken.
    """
    when = text(at(row, "when_failed"))
    of_use = number(at(row, "id")) in table.USE_ATTRIBUTES
    return "past" if when == "now" and of_use and at(row, "flags", "prefailure") is False else when


def _whole(value: float | None) -> int | None:
    return int(value) if value is not None and value >= 0 else None


def _wwn(output: Mapping[str, Any]) -> str | None:
    """``naa.`` of ATA and SCSI, ``eui.`` of an NVMe drive with one namespace."""
    naa, oui, own = (number(at(output, "wwn", key)) for key in ("naa", "oui", "id"))
    if naa is not None and oui is not None and own is not None:
        return f"naa.{int(naa) & 0xF:x}{int(oui) & 0xFFFFFF:06x}{int(own) & 0xFFFFFFFFF:09x}"
    unit = text(output.get("logical_unit_id")) or ""
    if re.fullmatch(r"0x[0-9a-fA-F]{16}|0x[0-9a-fA-F]{32}", unit):
        return f"naa.{unit[2:].lower()}"
    spaces = output.get("nvme_namespaces")
    if isinstance(spaces, list) and len(spaces) == 1:
        oui, own = (number(at(spaces[0], "eui64", key)) for key in ("oui", "ext_id"))
        if oui and own:
            return f"eui.{int(oui) & 0xFFFFFF:06x}{int(own) & 0xFFFFFFFFFF:010x}"
    return None


def speed_of(output: Mapping[str, Any]) -> float | None:
    """The speed of the interface, in bits per second."""
    for which in ("current", "max"):
        said = (text(at(output, "interface_speed", which, "string")) or "").split()
        if len(said) == 2 and said[1] in _SPEED and (value := number(said[0])) is not None:
            return value * _SPEED[said[1]]
    return None
