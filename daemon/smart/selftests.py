"""Self-tests of drives: what is known of one, how it begins, and which are due by a schedule.

A self-test goes on inside the drive while it works; its result is in the next SMART readings
(``SelfTestFailed``, ``SelfTestAge``).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import Any

from daemon.smart.fields import at, number, text
from daemon.smart.smartctl import Device, Smartctl
from spindle.timestamps import NS

KINDS = ("short", "long")
_EVERY = re.compile(r"(short|long)=([0-9]{1,4})d")


def schedule(given: str) -> dict[str, float]:
    """Days between two self-tests of a drive by kind, from ``short=7d,long=60d``.

    :raises ValueError: it is something else.
    """
    found = {}
    for part in filter(None, (each.strip() for each in given.split(","))):
        match = _EVERY.fullmatch(part)
        if match is None or not int(match[2]):
            raise ValueError("expected days by kind, such as short=7d,long=60d, or nothing")
        found[match[1]] = float(match[2])
    return found


def minutes(output: Any, kind: str) -> float | None:
    """How long a self-test of the drive takes, by its own word; None where it gives none."""
    name = "extended" if kind == "long" else "short"
    said = number(at(output, "ata_smart_data", "self_test", "polling_minutes", name))
    if said is None and kind == "long":
        seconds = number(at(output, "scsi_extended_self_test_seconds"))
        said = None if seconds is None else seconds / 60
    return said


def running(output: Any) -> str | None:
    """What is left of the self-test that the drive is doing, in words; None where it does none."""
    status = number(at(output, "ata_smart_data", "self_test", "status", "value"))
    if status is not None and int(status) >> 4 == 15:
        left = number(at(output, "ata_smart_data", "self_test", "status", "remaining_percent"))
        return "it has just begun" if left is None else f"{left:.0f} % of it is left"
    if number(at(output, "nvme_self_test_log", "current_self_test_operation", "value")):
        done = number(at(output, "nvme_self_test_log", "current_self_test_completion_percent"))
        return "it has just begun" if done is None else f"{100 - done:.0f} % of it is left"
    if number(at(output, "scsi_self_test_0", "result", "value")) == 15:
        return "it has begun"
    return None


def start(smartctl: Smartctl, device: Device, kind: str) -> None:
    """Begin a self-test.

    :raises OSError: smartctl could not be run, or the drive did not take it.
    """
    output = smartctl.start_test(device, kind)
    status = number(at(output, "smartctl", "exit_status"))
    if status is None or int(status) & 0b111:
        said = at(output, "smartctl", "messages")
        why = [text(at(each, "string")) for each in said] if isinstance(said, list) else []
        reason = "; ".join(filter(None, why)) or f"smartctl's exit status is {status}"
        raise OSError(f"{device.label} did not begin a self-test: {reason}")


def is_due(device_id: str, every_ns: int, before_ns: int, now_ns: int) -> bool:
    """Whether the time of a drive's next self-test came after ``before_ns``.

    Each drive has a time of its own within the interval, so that not all test at once.
    """
    phase = every_ns * zlib.crc32(device_id.encode()) // 2**32
    return (now_ns - phase) // every_ns != (before_ns - phase) // every_ns


def due(every_days: Mapping[str, float], device_id: str, before_ns: int, now_ns: int) -> str | None:
    """Which self-test of a drive is due, the long one where both are."""
    for kind in reversed(KINDS):
        days = every_days.get(kind)
        if days and is_due(device_id, int(days * 86_400 * NS), before_ns, now_ns):
            return kind
    return None
