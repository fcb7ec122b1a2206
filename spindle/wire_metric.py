"""A ``DeviceMetric`` as the compiled decoder reads it: types only, names and times not checked.

The models are the contract; whoever uses this checks the rest, or asks the models.
"""

from __future__ import annotations

import msgspec


class PlainMetric(msgspec.Struct, rename="camel", gc=False):
    """The contract's keys; others are ignored."""

    timestamp: str
    source_device: str
    metric_type: str
    value: float
    device_id: str | None = None
    array_id: str | None = None
