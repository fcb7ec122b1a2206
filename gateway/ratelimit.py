"""So many requests per client address: token buckets. Pure."""

from __future__ import annotations

from collections import OrderedDict

MOST_ADDRESSES = 10_000


class RateLimit:
    """One bucket per address; the least recently seen is forgotten when there are too many.

    :param per_second: tokens that come back; 0 for no limit at all.
    :param burst: tokens of a full bucket.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, as of when

    def wait(self, address: str, now: float) -> float:
        """Seconds until the address may ask again; 0 when it may now, which takes a token.

        :param now: seconds on a clock that does not step.
        """
        if not self._per_second:
            return 0.0
        tokens, since = self._buckets.pop(address, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._per_second)
        allowed = tokens >= 1
        self._buckets[address] = (tokens - allowed, now)
        if len(self._buckets) > MOST_ADDRESSES:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) / self._per_second
