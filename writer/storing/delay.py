"""How long messages take from NATS to the store. Pure but for the two clocks it is given."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence

from prometheus_client import Histogram

from spindle.timestamps import NS
from writer.storing.batch import Delivery
from writer.storing.intake import place

RECENT_SECONDS = 60.0
_MOST_KEPT = 2_000  #: a writer at its limit stores some ten batches a second
#: Seconds; a backlog of days is still told from one of hours.
BUCKETS = (0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86_400)


class Delay:
    """The delays of one stream's messages, from NATS's own time of publication to the store.

    Of each batch only the first and the last message are taken, so that a flood costs nothing.

    :param now_ns: NATS's time, which the messages carry too.
    :param monotonic: seconds of a clock that does not jump.
    """

    def __init__(
        self, histogram: Histogram, now_ns: Callable[[], int], monotonic: Callable[[], float]
    ) -> None:
        self._histogram, self._now_ns, self._monotonic = histogram, now_ns, monotonic
        self._recent: deque[tuple[float, float]] = deque(maxlen=_MOST_KEPT)  # when, delay

    def stored(self, deliveries: Sequence[Delivery]) -> None:
        """A batch is in the store."""
        now_ns, now = self._now_ns(), self._monotonic()
        for reply in {deliveries[0].reply, deliveries[-1].reply}:
            seconds = max(0.0, (now_ns - place(reply)[1]) / NS)
            self._histogram.observe(seconds)
            self._recent.append((now, seconds))

    def recent(self) -> dict[str, float]:
        """``{latency_p50_seconds, latency_p99_seconds}`` of the last minute; empty if nothing was
        stored in it.
        """
        begin = bisect_left(self._recent, self._monotonic() - RECENT_SECONDS, key=lambda at: at[0])
        delays = sorted(seconds for _, seconds in list(self._recent)[begin:])
        if not delays:
            return {}
        return {
            f"latency_p{share}_seconds": round(delays[len(delays) * share // 100], 3)
            for share in (50, 99)
        }
