"""The writer's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from spindle.settings import Settings


class WriterSettings(Settings):
    """The settings of the writer beyond the shared ones."""

    REMOVED: ClassVar[Mapping[str, str]] = {
        "WRITER_BATCH_POINTS": "each store says what suits it",
        "WRITER_CONNECTIONS": "each store says what suits it",
        "WRITER_LINGER_SECONDS": "0.1 s",
        "WRITER_HELD_BYTES": "24 MiB",
        "WRITER_DRAIN_SECONDS": "10 s",
        "PARKING_REMEMBER_HOURS": "24 h",
    }

    writer_http_port: int = Field(
        9102, ge=1, le=65535, description="Port of the writer's /healthz and /metrics."
    )
    nats_monitor_url: str = Field(
        "",
        description=(
            "NATS's monitoring address, where broker_fsync is read; "
            "empty: port 8222 on the host of NATS_URL."
        ),
    )
    parking_reorder_seconds: float = Field(
        10.0,
        ge=0,
        le=3600,
        description="How long an exit waits for an entry that is delivered after it; then it is "
        "unmatched.",
    )
    parking_settle_seconds: float = Field(
        0.0,
        ge=0,
        le=3600,
        description="How long a visit waits for passages of the same vehicle that belong in "
        "between; 0 publishes it at once.",
    )
    parking_max_stay_hours: float = Field(
        720.0,
        gt=0,
        le=87_600,
        description="Longest stay; an entry without an exit for so long becomes a dead letter.",
    )
