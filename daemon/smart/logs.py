"""What the logs in one output of smartctl say: errors and self-tests. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from daemon.smart.fields import MOST_HOURS, at, number, status, text, version

SELF_TEST_FAILED = 1 << 7  # of the exit status
LOG_HOURS = 65_536  # from where on hours in ATA logs begin anew
RECENT_HOURS = 720  # 30 days of power
SCSI_SELF_TESTS = 20  # in the log of SPC-5
_UNREADABLE = re.compile(r"\bUNC\b")


def logs_of(output: Mapping[str, Any], hours: float | None) -> Iterator[tuple[str, float]]:
    """Entries of the error log; result and age of the last self-test."""
    for kind in ("extended", "summary"):
        count = number(at(output, "ata_smart_error_log", kind, "count"))
        if count is not None and count >= 0:
            yield "ErrorLogEntries", count
            if hours is not None:
                rows = at(output, "ata_smart_error_log", kind, "table")
                yield "RecentReadFailures", float(_recent(rows, hours) if count else 0)
            break
    failed, tested_at = _self_test(output)
    if failed is not None:
        yield "SelfTestFailed", float(failed)
        if hours is not None and tested_at is not None and 0 <= tested_at <= hours:
            wraps = LOG_HOURS if "ata_smart_self_test_log" in output else MOST_HOURS
            yield "SelfTestAge", (hours - tested_at) % wraps


def _recent(rows: Any, hours: float) -> int:
    """Reads of the last ``RECENT_HOURS`` in the error log that no correction saved.

    Not sectors that were not found (IDNF): a host that asks beyond the end is told that, too.
    """
    return sum(
        at_hours is not None and (hours - at_hours) % LOG_HOURS <= RECENT_HOURS
        for row in (rows if isinstance(rows, list) else ())
        if _UNREADABLE.search(text(at(row, "error_description")) or "")
        for at_hours in (number(at(row, "lifetime_hours")),)
    )


def _self_test(output: Mapping[str, Any]) -> tuple[bool | None, float | None]:
    """Whether a self-test failed, and hours of life at which it ran.

    As smartctl sees it: a failure is outdated once a long test passes, not by a short one.
    """
    passed_at: list[float | None] = []
    for failed, is_long, hours in _self_tests(output):
        if failed:
            return True, hours
        passed_at.append(hours)
        if is_long:
            break
    if passed_at:
        return False, passed_at[0]
    unlisted = at(output, "ata_smart_data", "self_test", "status", "passed") is False
    if unlisted or status(output) & SELF_TEST_FAILED:
        return True, None  # before 7.3 smartctl lists no self-tests of SCSI drives
    return None, None


def _self_tests(output: Mapping[str, Any]) -> Iterator[tuple[bool, bool, float | None]]:
    """Each that came to an end: whether it failed, was a long one, hours of life; newest first."""
    rows = at(output, "ata_smart_self_test_log", "extended", "table") or at(
        output, "ata_smart_self_test_log", "standard", "table"
    )
    for row in rows if isinstance(rows, list) else ():
        result = number(at(row, "status", "value"))
        if result is not None and int(result) >> 4 not in (1, 2, 15):  # aborted, or under way
            passed = at(row, "status", "passed")
            failed = passed is False if isinstance(passed, bool) else int(result) >> 4 != 0
            is_long = int(number(at(row, "type", "value")) or 0) & 0x7F == 2
            yield failed, is_long, number(at(row, "lifetime_hours"))
    rows = at(output, "nvme_self_test_log", "table")
    # smartctl 7.4 misreads this log (smartmontools#217).
    for row in rows if isinstance(rows, list) and version(output) >= (7, 5) else ():
        result = number(at(row, "self_test_result", "value"))
        if result in (0, 5, 6, 7):
            is_long = number(at(row, "self_test_code", "value")) == 2
            yield result != 0, is_long, number(at(row, "power_on_hours"))
    for place in range(SCSI_SELF_TESTS):
        row = output.get(f"scsi_self_test_{place}")
        result = number(at(row, "result", "value"))
        if result is not None and (result == 0 or 3 <= result <= 7):
            is_long = number(at(row, "code", "value")) in (2, 6)  # in the background, or not
            yield result != 0, is_long, number(at(row, "power_on_time", "hours"))
