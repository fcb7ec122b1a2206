"""One series as it is followed: readings to steps, steps to scores, scores to anomalies. Pure."""

from __future__ import annotations

import zlib
from math import floor

import orjson

from reader.detection.detector import Detector
from reader.detection.episode import Episode
from reader.detection.episodes import Episodes
from spindle.errors import InvalidInput
from spindle.store.base import SeriesKey

RISES = 10
"""Times without a fall after which a load is taken for a counter: of a rate that wanders, one time
in 3,628,800."""

_LEVEL = 1  # of compression: half a millisecond for the largest state, and a fifth of its size


class FollowedSeries:
    """One series.

    Its readings are averaged over steps aligned to the epoch, as a store downsamples them.

    :ivar began: the first reading's time; 0 of a state that does not say it.
    :ivar before: the mean when its load was last asked for, and ``rises``: how often in a row that
        had risen.
    :ivar saved: when it was last saved, by a clock that never steps; 0 for never.
    """

    __slots__ = (
        "before", "began", "count", "detector", "episodes", "key", "minute", "minute_count",
        "reading", "rises", "saved", "slot", "step", "total",
    )  # fmt: skip

    def __init__(self, key: SeriesKey, step: float) -> None:
        self.key = key
        self.step = step
        self.began = 0.0
        self.detector = Detector()
        self.episodes = Episodes(key.metric_type)
        self.slot = -1  # number of the step that is being filled
        self.total, self.count = 0.0, 0  # of its readings
        self.reading = 0.0  # the last of them
        self.minute, self.minute_count = 0.0, 0  # sum and number of readings since last asked
        self.before, self.rises = 0.0, 0
        self.saved = 0.0

    def take(self, time: float, value: float) -> tuple[Episode | None, Episode | None]:
        """What began and what ended with this reading: the step before it is scored."""
        slot = floor(time / self.step)
        changes: tuple[Episode | None, Episode | None] = None, None
        if slot < self.slot:
            return changes  # its step has been scored
        if slot > self.slot:
            changes = self.close()
            if self.slot < 0:
                self.began = time
            self.slot = slot
        if value < self.reading and self.count and self.detector.counts:
            self.total, self.count = 0.0, 0  # a mean of before and after a reset is neither
        self.reading = value
        self.total += value
        self.count += 1
        self.minute += value
        self.minute_count += 1
        return changes

    def close(self) -> tuple[Episode | None, Episode | None]:
        """Score the step that is being filled, if there is one."""
        if not self.count:
            return None, None
        time, value = self.slot * self.step, self.total / self.count
        self.total, self.count = 0.0, 0
        self.detector.update(time, value)
        return self.episodes.take(time, value, self.detector)

    def accept(self) -> Episode | None:
        """What lasts is the new usual from now on; the anomaly that is over by that."""
        self.detector.accept()
        return self.episodes.accept()

    @property
    def learning_seconds(self) -> float:
        """Seconds until it knows what is usual; 0 once it does."""
        return self.detector.learning_seconds(self.step)

    def mean_since(self) -> float | None:
        """The mean of the readings since this was last asked."""
        if not self.minute_count:
            return None
        mean = self.minute / self.minute_count
        self.minute, self.minute_count = 0.0, 0
        return mean

    def load_since(self) -> float | None:
        """The same of a load; of one that only grows, as a counter does, by how much it has."""
        mean = self.mean_since()
        if mean is None:
            return None
        grown = mean - self.before
        self.before, self.rises = mean, self.rises + (grown > 0.0) if grown >= 0.0 else 0
        return grown if self.rises >= RISES else mean

    @property
    def end(self) -> float:
        """When the step that is being filled is over, in seconds since the epoch."""
        return (self.slot + 1) * self.step

    def to_bytes(self) -> bytes:
        """The whole state but for the step that is being filled."""
        head = orjson.dumps(
            {
                "key": list(self.key),
                "step": self.step,
                "slot": self.slot,
                "began": self.began,
                **self.episodes.state(),
            }
        )
        return zlib.compress(head + b"\n" + self.detector.to_bytes(), _LEVEL)

    @classmethod
    def from_bytes(cls, data: bytes, step: float) -> FollowedSeries:
        """From ``to_bytes``.

        :raises InvalidInput: damaged, of another version, or of another length of step.
        """
        try:
            head, _, body = zlib.decompress(data).partition(b"\n")
            said = orjson.loads(head)
            key = SeriesKey(*map(str, said["key"]))
            made = cls(key, step)
            made.episodes = Episodes.restored(key.metric_type, said)
            made.slot, was = int(said["slot"]), float(said["step"])
            made.began = float(said.get("began", 0.0))
        except (zlib.error, ValueError, KeyError, TypeError) as error:
            raise InvalidInput("this state of a series is damaged") from error
        if was != step:
            raise InvalidInput(f"this state has steps of {was:g} s, not of {step:g} s")
        made.detector = Detector.from_bytes(body)
        return made
