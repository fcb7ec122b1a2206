"""The daemon's settings: its own and those that its sources bring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, field_validator

from daemon.registry import SOURCES, EverySourcesSettings
from spindle.text import shown

_CHOICE = f"expected one or more of {', '.join(SOURCES)}, separated by commas"
_ABOUT = ", ".join(f"{source.name} ({source.about})" for source in SOURCES.values())


class DaemonSettings(EverySourcesSettings):
    """What is read, how often, and how much is kept while NATS is away."""

    REMOVED: ClassVar[Mapping[str, str]] = {
        "DAEMON_BACKLOG_POINTS": "DAEMON_BACKLOG_BYTES alone bounds the backlog",
        "DAEMON_ACK_TIMEOUT_SECONDS": "it is always 5 s",
        "DAEMON_DRAIN_SECONDS": "it is always 5 s",
        "SIMULATED_SEED": "it is always 1",
        "SIMULATED_INCIDENT_AFTER_SECONDS": "it is always 20 s; SIMULATED_FAULTS sets times",
        "SIMULATED_QUIET_SECONDS": "it is always 60 s; SIMULATED_FAULTS sets times",
        "PARKING_UNMATCHED_SHARE": "it is always 0.2",
        "PARKING_STAY_MINUTES": "it is always 75 minutes",
    }

    daemon_sources: str = Field(
        "simulator,host,smart,parking",
        description=f"What is read, separated by commas: {_ABOUT}.",
    )
    daemon_backlog_bytes: int = Field(
        256 * 2**20,
        ge=2**20,
        description="Most bytes kept until NATS has acknowledged them; then the oldest go.",
    )
    daemon_http_port: int = Field(
        9101, ge=1, le=65535, description="Port of the daemon's /healthz and /metrics."
    )

    @field_validator("daemon_sources")
    @classmethod
    def _known_sources(cls, value: str) -> str:
        names = _names(value)
        unknown = [shown(name) for name in names if name not in SOURCES]
        if unknown:
            raise ValueError(f"no source is called {', '.join(unknown)}: {_CHOICE}")
        if not names:
            raise ValueError(_CHOICE)
        return value

    @property
    def sources(self) -> tuple[str, ...]:
        """The chosen sources, each once, in the order given."""
        return tuple(_names(self.daemon_sources))


def _names(value: str) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
