"""``anomaly_temperature``: the ratio of the latest to the first ``DiskTemp`` in a window.

Of a class of devices each unit is compared with itself, and the one that rose most is the answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field

from reader.answering.context import Answer, Query, QueryContext
from reader.answering.params import DeviceParams, Minutes, Number, several
from reader.lookups.known.newest_readings import AHEAD_NS
from spindle import catalog
from spindle.store.base import Bucket, DeviceKey

METRIC = "DiskTemp"
_RAW_UNITS = 50  # a class of more units is compared by buckets, not reading by reading
_MOST_ROWS = 100_000  # of one answer of the store


class TemperatureParams(DeviceParams):
    """Parameters of ``anomaly_temperature``."""

    needs_device: ClassVar[bool] = True

    threshold: Annotated[Number, Field(gt=0, le=1000)] = Field(
        1.3, description="ratio of latest to initial temperature from which it is an anomaly"
    )
    window_minutes: Minutes = Field(20.0, description="how far back, in minutes")


async def _anomaly_temperature(context: QueryContext, asked: TemperatureParams) -> Answer:
    which = asked.selection(METRIC)
    start, end = context.ago(asked.window_minutes * 60), context.now_ns + AHEAD_NS
    units = len(await context.store.latest(which, start))
    buckets: list[Bucket] = []
    if units <= _RAW_UNITS:
        buckets = await context.store.series(which, start, end, None, _MOST_ROWS)
    if units > _RAW_UNITS or len(buckets) == _MOST_ROWS:
        per_unit = max(2, min(60, _MOST_ROWS // max(1, units) - 1))
        every = max(1, (context.now_ns - start) // per_unit)
        buckets = await context.store.series(which, start, end, every, _MOST_ROWS)
    found = answer(asked.device, buckets, asked.threshold, asked.window_minutes)
    return Answer(found, several(asked, (bucket.device for bucket in buckets)))


@dataclass(frozen=True, slots=True)
class Rise:
    """One unit's temperatures in the window, in degC; ``ratio`` is None where it has no meaning."""

    unit: DeviceKey
    initial: float
    latest: float
    ratio: float | None


def rises(buckets: Iterable[Bucket]) -> list[Rise]:
    """Each unit with at least two buckets, the one that rose most first."""
    units: defaultdict[DeviceKey, list[Bucket]] = defaultdict(list)
    for bucket in buckets:
        units[bucket.device].append(bucket)
    risen = [_rise(key, unit) for key, unit in units.items() if len(unit) >= 2]
    # Where no ratio has a meaning, the hottest comes first.
    return sorted(risen, key=lambda r: (r.ratio is not None, r.ratio or 0, r.latest), reverse=True)


def _rise(key: DeviceKey, buckets: Sequence[Bucket]) -> Rise:
    first = min(buckets, key=lambda bucket: bucket.time_ns)
    last = max(buckets, key=lambda bucket: bucket.time_ns)
    ratio = last.mean / first.mean if first.mean > 0 else None
    return Rise(key, first.mean, last.mean, ratio)


def answer(
    device: str, buckets: Sequence[Bucket], threshold: float, window_minutes: float
) -> dict[str, Any]:
    """``{device, initial_temp, latest_temp, ratio, anomaly}``, with ``reason`` and counts.

    ``ratio`` has two digits, and ``anomaly`` goes by ``ratio_exact``.

    :param device: what was asked about, named in the answer when no unit can be.
    :param buckets: of ``DiskTemp`` in the window, raw or downsampled.
    """
    possible = [
        each for each in buckets if each.mean == 0 or catalog.is_possible(METRIC, each.mean)
    ]
    units = rises(possible)
    anomalous = sum(rise.ratio is not None and rise.ratio >= threshold for rise in units)
    counts = {"devices_compared": len(units), "devices_anomalous": anomalous}
    if not units:
        return {
            "device": device,
            "initial_temp": None,
            "latest_temp": None,
            "ratio": None,
            "ratio_exact": None,
            "anomaly": None,
            "reason": _too_little(device, possible, window_minutes, len(buckets) - len(possible)),
            "source_device": None,
            "array_id": None,
            **counts,
        }
    worst = units[0]
    return {
        "device": worst.unit.device_id,
        "initial_temp": worst.initial,
        "latest_temp": worst.latest,
        "ratio": None if worst.ratio is None else round(worst.ratio, 2),
        "ratio_exact": worst.ratio,
        "anomaly": None if worst.ratio is None else worst.ratio >= threshold,
        "reason": None if worst.ratio is not None else "no ratio: it began at or below 0 degC",
        "source_device": worst.unit.source_device,
        "array_id": worst.unit.array_id or None,
        **counts,
    }


def _too_little(
    device: str, buckets: Sequence[Bucket], window_minutes: float, impossible: int
) -> str:
    have = f"only one {METRIC} reading" if buckets else f"no {METRIC} reading"
    left_out = f", besides {impossible} that cannot be" if impossible else ""
    return f"{have} of {device} in the last {window_minutes:g} minutes{left_out}; two are needed"


_EXAMPLE_REPLY = """
{"status": "success", "data": {"device": "array1-disk3", "initial_temp": 32.63,
"latest_temp": 68.81, "ratio": 2.11, "ratio_exact": 2.1088, "anomaly": true,
"reason": null, "source_device": "DiskUnit", "array_id": "array1",
"devices_compared": 12, "devices_anomalous": 1}}
"""

QUESTIONS = (
    Query(
        name="anomaly_temperature",
        description="Has the temperature of a device, or of any in a class, risen too much?",
        params=TemperatureParams,
        reply="{device, initial_temp, latest_temp, ratio, ratio_exact, anomaly, reason, "
        "source_device, array_id, devices_compared, devices_anomalous}; nulls and a reason where "
        "there are too few readings; `note` where several units have the name",
        example={"source_device": "DiskUnit", "threshold": 1.3, "window_minutes": 20},
        example_reply=_EXAMPLE_REPLY,
        handler=_anomaly_temperature,
    ),
)
