"""The points that every measurement of the writer uses: 1,000 devices x 4 metrics."""

from __future__ import annotations

import random
from collections.abc import Iterator

import orjson

from spindle.timestamps import format_ns

DEVICES, ARRAYS = 1000, 84
METRICS = ("DiskTemp", "IOPs", "Latency", "CapacityUsed")
ENVELOPE = 500


def ticks(points: int, start_ns: int, step_ns: int, seed: int = 1) -> Iterator[list[bytes]]:
    """JSON objects of about 150 bytes, a list per tick, until there are ``points``.

    Every tick has one timestamp, as a daemon stamps it; no two points are alike.
    """
    rng = random.Random(seed)
    made, now_ns = 0, start_ns
    while made < points:
        stamp = format_ns(now_ns)
        tick = [_metric(device, name, stamp, rng) for device in range(DEVICES) for name in METRICS]
        yield tick[: points - made]
        made += len(tick)
        now_ns += step_ns


def _metric(device: int, name: str, stamp: str, rng: random.Random) -> bytes:
    return orjson.dumps(
        {
            "timestamp": stamp,
            "sourceDevice": "DiskUnit",
            "metricType": name,
            "value": round(rng.uniform(1.0, 90.0), 2),
            "deviceId": f"d{device:04d}",
        }
    )


def envelopes(points: list[bytes], size: int) -> list[bytes]:
    """Points as JSON arrays of ``size``."""
    return [
        b"[" + b",".join(points[low : low + size]) + b"]" for low in range(0, len(points), size)
    ]
