"""The client's settings; the descriptions are the manual."""

from __future__ import annotations

from pydantic import Field, field_validator

from spindle import subjects
from spindle.settings import Settings


class ClientSettings(Settings):
    """What the client needs beyond the shared settings."""

    nats_subject_request: str = Field(
        subjects.READER_QUERY, description="Subject on which the client asks the reader."
    )
    client_poll_seconds: float = Field(
        5.0, gt=0, description="How often the client asks for critical events, in seconds."
    )
    client_min_criticality: int = Field(
        8, ge=1, le=10, description="Least criticality of the events that the client writes down."
    )
    client_window_minutes: float = Field(
        60.0,
        ge=15,
        description="How far back each poll looks at least, in minutes: an event that is stored "
        "later than that after it happened is not written down.",
    )
    client_output: str = Field(
        "client_output.log", description="File that summaries of critical events are appended to."
    )
    client_log_max_bytes: int = Field(
        10_000_000,
        ge=0,
        description="Size at which CLIENT_OUTPUT is renamed and a new one begun; 0 for never.",
    )
    client_log_backups: int = Field(
        5, ge=1, le=1000, description="How many renamed files are kept: CLIENT_OUTPUT.1 is newest."
    )
    client_parking_output: str = Field(
        "parking_summary.csv",
        min_length=1,
        description="CSV file that parking visits are appended to, each once.",
    )
    client_parking_max_bytes: int = Field(
        100_000_000,
        ge=0,
        description="Size at which CLIENT_PARKING_OUTPUT is renamed and a new one begun, with "
        "its header; 0 for never.",
    )
    client_parking_backups: int = Field(
        10,
        ge=1,
        le=1000,
        description="How many renamed files are kept: CLIENT_PARKING_OUTPUT.1 is newest.",
    )
    client_request_timeout_seconds: float = Field(
        10.0, gt=0, description="How long the client waits for an answer of the reader, in seconds."
    )
    client_http_port: int = Field(
        9104, ge=1, le=65535, description="Port of the client's /healthz and /metrics."
    )

    @field_validator("nats_subject_request")
    @classmethod
    def _one_subject(cls, value: str) -> str:
        tokens = value.split(".")
        if not all(tokens) or any(c.isspace() or c in "*>" for c in value):
            raise ValueError("expected a subject without wildcards, such as reader.query")
        return value
