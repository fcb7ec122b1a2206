"""A reading that no working sensor gives is neither ill nor well: it is said to be broken."""

from __future__ import annotations

import pytest

from reader.detection import anomaly
from reader.detection.explanation import ALARM
from reader.health import verdict
from reader.health.evidence import Evidence, Rules, Unit
from reader.health.limits import Thresholds
from spindle.store.base import Bucket, Latest
from spindle.timestamps import NS

NOW = 1_800_000_000 * NS
RULES = Rules(Thresholds(), 120 * NS, 900 * NS)


def judged(metric_type: str, value: float) -> Unit:
    evidence = Evidence(readings=[Latest("DiskUnit", metric_type, "sda", "", NOW, value)])
    (unit,) = verdict.judge(evidence, RULES, NOW)
    return unit


@pytest.mark.parametrize(
    ("metric_type", "value"),
    [
        *(("DiskTemp", value) for value in (-273.15, -128.0, -87.0, 0.0, 255.0)),
        *(("Latency", -3.0), ("IOPs", -500.0), ("CapacityUsed", 250.0), ("IOPs", 9e307)),
        *(("PendingSectors", 9e307), ("MediaErrors", 1e16), ("ReallocatedSectors", -1.0)),
    ],
)
@pytest.mark.fault("13")
def test_what_cannot_be_is_a_warning_that_names_what_can(metric_type: str, value: float) -> None:
    unit = judged(metric_type, value)
    assert unit.state == "warning"
    (reason,) = unit.reasons
    assert reason.message.startswith(f"{metric_type} {value:.4g}")
    assert "cannot be" in reason.message
    assert reason.value == value


@pytest.mark.parametrize(
    ("metric_type", "value"),
    [("DiskTemp", -20.0), ("DiskTemp", 22.0), ("IOPs", 0.0), ("CapacityUsed", 0.0), ("Mine", -5.0)],
)
def test_what_is_rare_or_unknown_is_taken_as_it_is(metric_type: str, value: float) -> None:
    assert judged(metric_type, value).state == "ok"


def test_a_hot_disk_whose_sensor_fails_later_is_not_called_well() -> None:
    assert judged("DiskTemp", 75.0).state == "critical"
    assert judged("DiskTemp", -128.0).state == "warning"


def test_readings_that_cannot_be_are_no_anomaly_and_no_example() -> None:
    """Every tenth reading of a sensor is -128; the rest says what is usual."""

    def bucket(n: int) -> Bucket:
        value = -128.0 if n % 10 == 0 else 35.0 + n % 3
        return Bucket("DiskUnit", "DiskTemp", "sda", "", NOW + n * 60 * NS, value, value, value, 1)

    assert not anomaly.of_series(map(bucket, range(1000)), ALARM).anomalies


@pytest.mark.parametrize("values", [[255.0] * 60 + [40.0], [255.0, 40.0] * 40])
def test_no_heat_is_left_behind_by_what_cannot_be(values: list[float]) -> None:
    """A sensor's 255 degC are no critical temperature once it says 40 again."""
    start = NOW - (len(values) - 1) * NS
    buckets = [
        Bucket("DiskUnit", "DiskTemp", "sda", "", start + n * NS, v, v, v, 1)
        for n, v in enumerate(values)
    ]
    newest = Latest("DiskUnit", "DiskTemp", "sda", "", NOW, values[-1])
    evidence = Evidence([newest], buckets={newest.device: {"DiskTemp": buckets}})
    (unit,) = verdict.judge(evidence, RULES, NOW)
    assert (unit.state, unit.reasons) == ("ok", ())
