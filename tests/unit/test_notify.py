"""Who is told what, and when: the messages, the quiet hours, one outbox."""

from __future__ import annotations

import asyncio
import time as clocks
from dataclasses import replace
from datetime import datetime, time
from typing import Any

import orjson
import pytest

from client.notify import message as messages
from client.notify import notifier as outboxes
from client.notify import quiet_hours
from client.notify.addresses import addresses
from client.notify.message import Change, Message
from client.notify.notifier import Outbox
from client.notify.quiet_hours import QuietHours
from spindle import advice, catalog
from spindle.catalog import DRIVE_GONE
from tests.waiting import until

HOT = Change("disk-3", "DiskUnit", "array1", "ok", "critical", "DiskTemp 68 °C", False, False, "t")
WELL = replace(HOT, old="critical", new="ok", why="")


@pytest.mark.parametrize(("url", "named"), [("zzz", "it is"), ("nope://x", "nope:// is")])
def test_an_address_that_is_none_is_named_without_its_secrets(url: str, named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named} no address"):
        addresses([url])


def test_a_change_is_read_and_nonsense_is_none() -> None:
    said = {
        "device": "disk-3", "source_device": "DiskUnit", "array_id": "array1", "time": "t",
        "old_state": "ok", "new_state": "critical", "simulated": False,
        "reasons": [{"severity": "critical", "message": "DiskTemp 68 degC"}],
    }  # fmt: skip
    assert messages.read(orjson.dumps(said)) == HOT
    for payload in (b"", b"[]", b"{}", orjson.dumps({**said, "new_state": "dead"})):
        assert messages.read(payload) is None


@pytest.mark.parametrize(
    ("old", "new", "least", "told"),
    [
        ("ok", "critical", "warning", True),
        ("warning", "critical", "critical", True),
        ("ok", "warning", "critical", False),
        ("critical", "warning", "warning", False),  # better, and not over
        ("critical", "ok", "critical", True),
        ("warning", "ok", "critical", False),  # nobody was told that it was ill
        ("ok", "unknown", "warning", False),  # what is not known yet is no alarm
    ],
)
def test_worse_is_told_and_its_end_and_nothing_between(
    old: str, new: str, least: str, told: bool
) -> None:
    assert replace(HOT, old=old, new=new).is_told(least) is told


def test_what_is_well_by_acknowledging_is_not_told_and_what_is_worse_beside_it_is() -> None:
    assert not replace(WELL, acknowledged=True).is_told("warning")
    assert replace(HOT, acknowledged=True).is_told("critical")


def test_one_device_is_named_in_the_title_and_many_are_counted() -> None:
    one = messages.of_changes([HOT], "http://page/")
    assert (one.title, one.kind) == ("array1/disk-3: critical", "failure")
    assert one.body.splitlines() == [
        "array1/disk-3: critical. DiskTemp 68 °C.",
        "http://page/#/device/DiskUnit/disk-3/array1",
    ]
    many = [replace(HOT, device=f"disk-{n}", simulated=n == 0) for n in range(12)]
    told = messages.of_changes(messages.latest(many), "")
    assert told.title == "12 devices: 12 critical"
    assert told.body.splitlines()[-1] == "and 2 more"
    assert messages.of_changes([WELL], "").title == "array1/disk-3: well again"


def test_a_message_fits_on_a_phone_and_says_since_when_why_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    clocks.tzset()
    reason = {
        "severity": "critical",
        "message": "PendingSectors 8",
        "metric_type": "PendingSectors",
    }
    name = "wwn-0x" + "5000c500" * 20
    said = {
        "device": name, "source_device": "DiskUnit", "array_id": "nas", "reasons": [reason],
        "old_state": "ok", "new_state": "critical", "time": "2026-07-28T12:05:06.123456789Z",
    }  # fmt: skip
    try:
        change = messages.read(orjson.dumps(said))
        assert change is not None
        told = messages.of_changes([change], "https://me.example/spindle/")
    finally:
        monkeypatch.undo()
        clocks.tzset()
    first, *others = told.body.splitlines()
    assert len(told.title) <= 60
    assert told.title.endswith("5000c500: critical")
    assert first.endswith(": critical since 28 Jul 14:05 CEST. PendingSectors 8.")
    assert others == [
        f"What to do: {advice.ADVICE['PendingSectors']}",
        f"https://me.example/spindle/#/device/DiskUnit/{name}/nas",
    ]
    well = messages.of_changes([replace(change, old="critical", new="ok", why="")], "")
    assert "What to do" not in well.body


def test_advice_is_about_what_a_reason_may_name() -> None:
    own = {DRIVE_GONE, "DriveFailure", "UnauthorizedAccess", "DataCorruption"}
    assert advice.ADVICE.keys() - own <= catalog.METRICS.keys()
    assert advice.of("unknown", None, None) == advice.UNKNOWN
    assert advice.of("ok", "DiskTemp", None) == advice.of("warning", "Other", None) == ""


def test_several_changes_of_a_device_are_told_as_one_and_what_has_gone_is_told_too() -> None:
    assert messages.latest([HOT, WELL]) == [WELL]
    worse = replace(HOT, old="critical", new="warning")
    (change,) = messages.latest([replace(HOT, old="warning"), worse, replace(WELL, old="warning")])
    assert (change.old, change.new) == ("warning", "ok")


@pytest.mark.parametrize(
    ("hours", "at", "quiet"),
    [
        ("22:00-07:00", time(23), True),
        ("22:00-07:00", time(6, 59), True),
        ("22:00-07:00", time(7), False),
        ("12:00-13:00", time(12, 30), True),
        ("12:00-13:00", time(11, 59), False),
    ],
)
def test_quiet_hours_may_pass_midnight(hours: str, at: time, quiet: bool) -> None:
    parsed = QuietHours.parse(hours)
    assert parsed is not None
    assert parsed.contain(datetime.combine(datetime(2026, 11, 28), at)) is quiet


def test_the_digest_counts_devices_and_names_the_real_ones_that_are_not_well() -> None:
    well: dict[str, Any] = {"counts": {"ok": 1, "critical": 0}, "devices_known": 1, "devices": []}
    assert messages.digest(well, "").title == "Today: 1 device: all well"
    reasons = [{"message": "DiskTemp 68 degC"}]
    hot = {"device": "disk-3", "health": "critical", "reasons": reasons}
    sick = well | {
        "counts": {"ok": 1, "critical": 1},
        "devices_known": 2,
        "devices": [hot, hot | {"simulated": True}],
        "simulated": {"devices_known": 14},
    }
    told = messages.digest(sick, "http://page")
    assert told.title == "Today: 2 devices: 1 critical"
    assert told.body.splitlines() == [
        "disk-3: critical. DiskTemp 68 °C", "and 14 simulated", "http://page/#/fleet",
    ]  # fmt: skip


def test_the_digest_is_due_once_a_day() -> None:
    morning = datetime(2026, 11, 28, 8, 30)
    assert quiet_hours.next_at(time(8, 30), datetime(2026, 11, 28, 8, 29)) == morning
    assert quiet_hours.next_at(time(8, 30), morning) == datetime(2026, 11, 29, 8, 30)


class Address:
    """Takes messages, unless it is down."""

    name = "json://somewhere"

    def __init__(self) -> None:
        self.down = False
        self.got: list[Message] = []

    def send(self, message: Message) -> str:
        if self.down:
            return "connection refused"
        self.got.append(message)
        return ""


async def test_what_waits_while_an_address_is_down_is_one_message_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outboxes, "LONGEST_PAUSE_SECONDS", 0.02)
    address: Any = Address()
    said: list[str] = []

    async def wait(_: float) -> bool:
        await asyncio.sleep(0.02)
        return True

    outbox = Outbox(address, lambda _, error: said.append(error), wait)
    running = asyncio.create_task(outbox.run(lambda changes: messages.of_changes(changes, "")))
    address.down = True
    outbox.add([HOT])
    await until(lambda: "connection refused" in said)
    outbox.add([replace(HOT, device="disk-4")])
    outbox.add_message(Message("digest", "", "info"))
    await asyncio.sleep(0.05)
    address.down = False
    await outbox.emptied()
    assert [each.title for each in address.got] == ["2 devices: 2 critical", "digest"]
    assert said[-1] == ""
    running.cancel()
