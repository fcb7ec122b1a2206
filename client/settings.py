"""The client's settings; the descriptions are the manual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, field_validator

from client.notify.settings import NotifySettings
from spindle import subjects


class ClientSettings(NotifySettings):
    """What the client needs beyond the shared settings."""

    REMOVED: ClassVar[Mapping[str, str]] = {
        "CLIENT_PARKING_MAX_BYTES": "100 MB, always",
        "CLIENT_PARKING_BACKUPS": "10 renamed files, always",
        "CLIENT_REQUEST_TIMEOUT_SECONDS": "10 seconds, always",
        "CLIENT_WINDOW_MINUTES": "60 minutes, always",
        "CLIENT_LOG_BACKUPS": "5 renamed files, always",
    }

    nats_subject_request: str = Field(
        subjects.READER_QUERY, description="Subject on which the client asks the reader."
    )
    client_poll_seconds: float = Field(
        5.0, gt=0, description="How often the client asks for critical events, in seconds."
    )
    client_min_criticality: int = Field(
        8, ge=1, le=10, description="Least criticality of the events that the client writes down."
    )
    client_output: str = Field(
        "client_output.log", description="File that summaries of critical events are appended to."
    )
    client_log_max_bytes: int = Field(
        10_000_000,
        ge=0,
        description="Size in bytes at which CLIENT_OUTPUT is renamed and begun anew, 0 for never; "
        "five renamed files are kept, CLIENT_OUTPUT.1 is the newest.",
    )
    client_parking_output: str = Field(
        "parking_summary.csv",
        min_length=1,
        description="CSV file that parking visits are appended to, each once.",
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
