"""Notice a consumer that has gone deaf: messages wait and none is delivered. Pure judgement."""

from __future__ import annotations

from dataclasses import dataclass

#: Longer than any healthy pause between deliveries while messages wait and a writer asks.
DEAF_AFTER_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class ConsumerState:
    """One look at a stream and its consumer.

    :ivar last: the stream's last sequence.
    :ivar messages: that the stream holds.
    :ivar floor: every message up to here is acknowledged.
    :ivar delivered: the last sequence delivered.
    :ivar pending: not delivered yet, by the consumer's own count.
    :ivar unacknowledged: delivered, not acknowledged.
    :ivar asking: this writer has room and asks for messages.
    """

    last: int
    messages: int
    floor: int
    delivered: int
    pending: int
    unacknowledged: int
    asking: bool


class DeafConsumer:
    """Readings over time -> the reason why the consumer is deaf, or None."""

    def __init__(self) -> None:
        self._delivered = -1
        self._moving_at: float | None = None  # when messages last moved, or none waited

    def judge(self, reading: ConsumerState, now: float) -> str | None:
        """:param now: seconds on a clock that does not step."""
        if reading.floor > reading.last:
            return (
                f"its acknowledgement floor {reading.floor} is past the stream's end {reading.last}"
            )
        if reading.delivered > reading.last:
            return f"it delivered up to {reading.delivered}, past the stream's end {reading.last}"
        waiting = reading.messages - reading.unacknowledged
        moved = reading.delivered != self._delivered
        self._delivered = reading.delivered
        if self._moving_at is None or moved or waiting <= 0 or not reading.asking:
            self._moving_at = now
        silent = now - self._moving_at
        if silent < DEAF_AFTER_SECONDS:
            return None
        if reading.pending == 0:
            return f"{waiting} messages are in the stream that it does not see (a gap)"
        return f"{reading.pending} messages wait and none was delivered for {silent:.0f} s"
