"""What is too old to be kept, and when the clock is not believed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from spindle.errors import BatchRefused
from spindle.store.influxdb.answers import meaning
from spindle.store.sqlite.schema import expired, safe_cutoff

HOUR = 3600 * 10**9
NOW = 1_769_860_800 * 10**9
WEEK = 168 * HOUR


@pytest.mark.parametrize(
    ("newest", "retention", "reckoned_from"),
    [
        pytest.param(NOW - HOUR, WEEK, NOW, id="readings come"),
        pytest.param(NOW + HOUR, WEEK, NOW, id="a device's clock is ahead"),
        pytest.param(None, WEEK, NOW, id="nothing is stored"),
        pytest.param(NOW - 24 * HOUR, WEEK, NOW, id="a day without readings"),
        pytest.param(NOW - 25 * HOUR, WEEK, NOW - 25 * HOUR, id="more than a day"),
        pytest.param(NOW - 720 * HOUR, WEEK, NOW - 720 * HOUR, id="a clock a month ahead"),
        pytest.param(NOW - 2 * HOUR, 2 * HOUR, NOW - 2 * HOUR, id="a short retention"),
    ],
)
def test_retention_is_reckoned_from_now_unless_the_newest_reading_is_far_behind(
    newest: int | None, retention: int, reckoned_from: int
) -> None:
    assert safe_cutoff(NOW, newest, retention) == reckoned_from - retention


def test_both_stores_call_what_is_too_old_expired() -> None:
    assert str(expired(1, NOW)).startswith("expired: 1970-01-01T00:00:00.000000001Z is older than")
    for said in (
        "partial write: points beyond retention policy dropped=1",
        "partial write: dropped 1 points outside retention policy of duration 168h0m0s",
    ):
        refusal = meaning(400, {}, f'{{"error":"{said}"}}'.encode(), datetime.now(UTC))
        assert isinstance(refusal, BatchRefused)
        assert str(refusal).startswith("expired: ")
    quoted = b'{"error":"unable to parse \'m,t=points beyond retention\': missing fields"}'
    assert not str(meaning(400, {}, quoted, datetime.now(UTC))).startswith("expired")
