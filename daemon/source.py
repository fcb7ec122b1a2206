"""What a source is: one class with a name, its own settings, and something to read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from daemon.messages import Message
from spindle.errors import InvalidInput
from spindle.settings import Settings


class SourceSettings(Settings):
    """The settings of every source; a source with settings of its own adds them in a subclass."""

    generation_interval_seconds: float = Field(
        1.0, ge=0.01, le=86_400, description="Seconds from one reading of every device to the next."
    )
    daemon_envelope_size: int = Field(
        500,
        ge=1,
        le=5000,
        description="Most points in one message; 1 publishes each point as a JSON object alone.",
    )


class DriveSettings(SourceSettings):
    """The settings of every source of real drives."""

    smart_serials: bool = Field(
        True,
        description="Publish serial numbers; a drive without a WWN has its own in its deviceId.",
    )


class Source(ABC):
    """Something that is read again and again.

    :cvar name: as written in ``DAEMON_SOURCES``.
    :cvar about: what it reads, in a few words for the manual.
    :cvar settings_type: the settings it takes; they become settings of the daemon.
    :cvar deadline_seconds: a reading that takes longer is reported as stuck.
    :cvar answers: subjects on which it answers requests.
    :ivar interval_seconds: from one reading to the next.
    :ivar troubles: parts of it that could not be read the last time, each with the reason.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    settings_type: ClassVar[type[SourceSettings]] = SourceSettings
    deadline_seconds: ClassVar[float] = 10.0
    answers: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: SourceSettings) -> None:
        self.interval_seconds = settings.generation_interval_seconds
        self.envelope_size = settings.daemon_envelope_size
        self.troubles: Mapping[str, str] = {}

    async def start(self) -> None:  # noqa: B027 - most have nothing to do
        """Prepare for the first reading; cancelled at a stop."""

    @abstractmethod
    def read(self, now_ns: int) -> list[Message]:
        """Read everything now; the readings as finished messages, stamped ``now_ns``.

        Called from a thread, so it may block; never twice at the same time. What it raises is
        logged once, and it is read again at the next tick.
        """

    def farewell(self, now_ns: int) -> list[Message]:  # noqa: ARG002
        """The last messages, when the daemon stops; never called during a reading."""
        return []

    def answer(self, payload: bytes, now_ns: int) -> Any:  # noqa: ARG002
        """The data of the answer to one request, which JSON can hold. Called from a thread.

        :raises InvalidInput: the request is wrong, or the source answers none.
        """
        raise InvalidInput(f"{self.name} answers no requests")
