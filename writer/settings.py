"""The writer's settings."""

from __future__ import annotations

from pydantic import Field

from spindle.settings import Settings


class WriterSettings(Settings):
    """What only the writer needs."""

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
    writer_batch_points: int = Field(
        0,
        ge=0,
        le=200_000,
        description=(
            "Most points written to the store at once; "
            "0: what suits it, 20000 for InfluxDB and 50000 for SQLite."
        ),
    )
    writer_linger_seconds: float = Field(
        0.1, ge=0, le=60, description="Longest a point waits for others to share its write."
    )
    writer_connections: int = Field(
        0, ge=0, le=16, description="Writes to the store under way at once; 0: what suits it."
    )
    writer_held_bytes: int = Field(
        24 * 2**20,
        ge=2**20,
        description="Most bytes of messages taken from NATS and not yet stored.",
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
    parking_remember_hours: float = Field(
        24.0,
        ge=1,
        le=8760,
        description="How long passages that are over are remembered, so that a repeat is "
        "recognised.",
    )
    writer_drain_seconds: float = Field(
        10.0, ge=0, description="How long a stopping writer goes on storing what it holds."
    )
