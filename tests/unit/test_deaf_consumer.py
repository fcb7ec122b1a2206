"""A deaf consumer is noticed; a quiet or busy one is not mistaken for deaf."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spindle.bus.nats_server import fsync_from_varz, version_warning
from writer.deaf_consumer import DEAF_AFTER_SECONDS, ConsumerState, DeafConsumer

WELL = ConsumerState(
    last=100, messages=10, floor=90, delivered=100, pending=0, unacknowledged=10, asking=True
)
LATER = DEAF_AFTER_SECONDS + 1


def judged(*readings: ConsumerState) -> str | None:
    watch, verdict = DeafConsumer(), None
    for number, reading in enumerate(readings):
        verdict = watch.judge(reading, number * LATER)
    return verdict


def test_a_consumer_that_delivers_is_well() -> None:
    assert judged(WELL, replace(WELL, delivered=99, pending=1)) is None


def test_a_quiet_stream_is_well() -> None:
    empty = replace(WELL, messages=0, floor=100, unacknowledged=0)
    assert judged(empty, empty, empty) is None


def test_a_writer_without_room_is_not_deaf() -> None:
    full = replace(WELL, messages=50, pending=40, asking=False)
    assert judged(full, full, full) is None


@pytest.mark.parametrize(
    ("deaf", "reason"),
    [
        (replace(WELL, floor=101), "floor 101 is past"),
        (replace(WELL, delivered=120), "past the stream's end"),
        (
            replace(WELL, messages=50, pending=40),
            "40 messages wait and none was delivered for 21 s",
        ),
        (replace(WELL, messages=50), "40 messages are in the stream that it does not see"),
    ],
)
def test_a_deaf_consumer_is_noticed_with_its_reason(deaf: ConsumerState, reason: str) -> None:
    verdict = judged(deaf, deaf)
    assert verdict is not None
    assert reason in verdict


@pytest.mark.parametrize(
    ("version", "warned"),
    [
        ("2.9.10", True), ("2.11.17", True), ("2.12.15", True), ("2.13.0", True),
        ("2.14.0", True), ("2.14.5", True), ("2.14.6", False), ("2.15.0", True),
        ("2.15.1", False), ("2.16.0", False), ("3.0.0", False), ("v2.14.7-RC.1", False),
        ("strange", True),
    ],
)  # fmt: skip
def test_servers_older_than_the_repairs_are_warned_of(version: str, warned: bool) -> None:
    assert (version_warning(version) is not None) is warned


def test_the_sync_policy_is_read_from_the_monitoring_page() -> None:
    always = {"jetstream": {"config": {"sync_always": True, "sync_interval": 120_000_000_000}}}
    assert fsync_from_varz(always) == "always"
    assert fsync_from_varz({"jetstream": {"config": {"sync_interval": 1}}}) == "interval"
    assert fsync_from_varz({}) == "unknown"
    assert fsync_from_varz([]) == "unknown"
