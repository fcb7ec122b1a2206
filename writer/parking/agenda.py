"""Which plates need something to be done, and until when everything has been recorded. Pure."""

from __future__ import annotations

from collections import deque

from writer.parking import core
from writer.parking.state import Rules, State

_MOST_MARKS = 10_000


class Watermark:
    """Until when everything that NATS took has been recorded by some matcher.

    ``recorded_ns`` lags while messages wait, or are in the hands of a matcher that was killed.
    """

    def __init__(self) -> None:
        self.recorded_ns = 0
        self._marks: deque[tuple[int, int]] = deque(maxlen=_MOST_MARKS)  # time, last sequence then

    def look(self, now_ns: int, last: int, floor: int, outstanding: int) -> None:
        """One look, in this order: at the clock, at the stream, at its consumer.

        :param last: the stream's last sequence.
        :param floor: every message up to here is acknowledged.
        :param outstanding: messages that wait or are not acknowledged.
        """
        if self._marks and self._marks[-1][1] >= last:
            self._marks.pop()  # nothing came since: the later time says more
        self._marks.append((now_ns, last))
        reached = last if not outstanding else floor
        while self._marks and self._marks[0][1] <= reached:
            self.recorded_ns = max(self.recorded_ns, self._marks.popleft()[0])


class PlateAgenda:
    """What is due for each plate, kept up to date from the changes of the bucket.

    :ivar inside: keys of vehicles inside.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.inside: set[str] = set()
        self._due: dict[str, int] = {}  # key -> when its state changes by itself
        self._outboxes: dict[str, float] = {}  # key -> since when its outbox is not empty

    def update(self, key: str, state: State, now: float) -> None:
        """Take in a plate's new state.

        :param now: seconds of a clock that only goes forward.
        """
        due = core.due_ns(state, self._rules)
        _set(self._due, key, due)
        _set(self._outboxes, key, self._outboxes.get(key, now) if state.outbox else None)
        if state.inside is None:
            self.inside.discard(key)
        else:
            self.inside.add(key)

    def forget(self) -> None:
        """Forget everything; every plate's state is about to be read again."""
        self.inside.clear()
        self._due.clear()
        self._outboxes.clear()

    def due(self, time_ns: int) -> list[str]:
        """Keys of plates whose state changes by itself by ``time_ns``."""
        return [key for key, due in self._due.items() if due <= time_ns]

    def outboxes(self, before: float) -> list[str]:
        """Keys of plates whose outbox has waited since before ``before``."""
        return [key for key, since in self._outboxes.items() if since <= before]

    def put_off(self, key: str, now: float) -> None:
        """Emptying an outbox was tried: it is not due again for a while."""
        if key in self._outboxes:
            self._outboxes[key] = now


def _set(values: dict[str, int] | dict[str, float], key: str, value: float | None) -> None:
    if value is None:
        values.pop(key, None)
    else:
        values[key] = value  # type: ignore[assignment] # an int stays an int
