"""The reader's settings; the descriptions are the manual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, field_validator

from reader.health.limits import Thresholds
from reader.health.limits_file import load
from spindle.errors import InvalidInput
from spindle.settings import Settings


class ReaderSettings(Settings):
    """What the reader needs beyond the shared settings."""

    REMOVED: ClassVar[Mapping[str, str]] = {
        "READER_CONCURRENCY": "256 questions are answered at the same time",
        "READER_CACHE_SECONDS": "identical questions share an answer for 1 second",
        "READER_EVENT_HISTORY_HOURS": "a critical event that is over is named for 4 hours",
        "READER_STORE_CHECK_SECONDS": "the store is asked every 5 seconds",
        "READER_WATCH_STEP_SECONDS": "readings of 5 seconds are scored as one point",
        "READER_WATCH_SNAPSHOT_SECONDS": "the state of each series is saved every 5 minutes",
        "READER_WATCH_MAX_BYTES": "the bucket has 131 KiB for each of READER_WATCH_SERIES",
        "READER_WATCH_HEALTH_SECONDS": "the fleet's health is judged every 3 seconds",
        "READER_WATCH_FORECAST_SECONDS": "forecasts are made every 15 minutes",
        "READER_COUNT_SECONDS": "devices are counted four times in READER_STALE_SECONDS",
    }

    reader_http_port: int = Field(
        9103, ge=1, le=65535, description="Port of the reader's /healthz and /metrics."
    )
    reader_query_timeout_seconds: float = Field(
        5.0,
        gt=0,
        description="Seconds that one question may take; then it is answered with code 504.",
    )
    reader_lookback_hours: float = Field(
        24.0,
        gt=0,
        le=8760,
        description="How far back the reader looks for a device's latest readings, in hours.",
    )
    reader_stale_seconds: float = Field(
        120.0,
        gt=0,
        description="A device without a reading for so long, or for ten of its usual intervals if "
        "that is longer, has unknown health; a warning after a quarter of it, or three intervals.",
    )
    reader_event_minutes: float = Field(
        15.0,
        gt=0,
        description="How long an event of criticality 8 or more keeps its device critical, unless "
        "the device's readings told of the same and have been well again since.",
    )
    reader_thresholds: str = Field(
        "",
        description="TOML file with thresholds of metrics, classes, arrays and devices, over "
        "those of the catalogue; see docs/health.md. Empty for none.",
    )
    reader_simulated: bool = Field(
        True,
        description="Whether answers hold simulated devices; ./run.sh start --real, and "
        "DAEMON_SOURCES without the simulator, set it to false.",
    )
    array_redundancy: str = Field(
        "",
        description="How many members each array can lose, such as md0=2,tank=1: while fewer are "
        "critical the array is in warning. Empty: an array is as well as its worst member.",
    )
    reader_watch: bool = Field(
        True,
        description="Follow the stream: score every metric as it arrives, publish anomalies as "
        "events and changes of health on health.changed.<source_device>.<device_id>.",
    )

    @field_validator("array_redundancy")
    @classmethod
    def _redundancy_is_counted(cls, text: str) -> str:
        _redundancy(text)
        return text

    @field_validator("reader_thresholds")
    @classmethod
    def _thresholds_make_sense(cls, path: str) -> str:
        try:
            load(path)
        except InvalidInput as error:
            raise ValueError("; ".join(error.mistakes) or str(error)) from None
        return path

    def redundancy(self) -> dict[str, int]:
        """How many members each array can lose, by its id."""
        return _redundancy(self.array_redundancy)

    def thresholds(self) -> Thresholds:
        """The catalogue's limits, overridden by those of the file READER_THRESHOLDS."""
        return load(self.reader_thresholds)


def _redundancy(text: str) -> dict[str, int]:
    found = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, _, number = part.partition("=")
        if not name or number not in tuple("0123456789"):
            raise ValueError("expected array=number, separated by commas, such as md0=2,tank=1")
        found[name] = int(number)
    return found
