"""The rate limit, address by address."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.http import guard
from gateway.http.guard import RateLimit


def test_a_burst_passes_and_then_one_for_each_token_that_comes_back() -> None:
    limit = RateLimit(per_second=2, burst=3)
    assert [limit.wait("a", 0.0) for _ in range(3)] == [0, 0, 0]
    assert limit.wait("a", 0.0) == 0.5
    assert limit.wait("a", 0.5) == 0
    assert limit.wait("a", 0.5) > 0


def test_one_address_does_not_use_up_what_another_may() -> None:
    limit = RateLimit(per_second=1, burst=1)
    assert limit.wait("a", 0.0) == 0
    assert limit.wait("a", 0.0) > 0
    assert limit.wait("b", 0.0) == 0


def test_zero_is_no_limit() -> None:
    limit = RateLimit(per_second=0, burst=1)
    assert not any(limit.wait("a", 0.0) for _ in range(1000))


def test_memory_is_bounded_however_many_addresses_come() -> None:
    limit = RateLimit(per_second=1, burst=1)
    for number in range(guard.MOST_ADDRESSES + 500):
        limit.wait(str(number), 0.0)
    assert len(limit._buckets) == guard.MOST_ADDRESSES


@given(
    st.lists(st.floats(0, 5, allow_nan=False), max_size=200),
    st.integers(1, 5),
    st.floats(0.1, 10),
)
def test_never_more_than_the_burst_and_what_came_back(
    pauses: list[float], burst: int, per_second: float
) -> None:
    limit, now, allowed = RateLimit(per_second, burst), 0.0, 0
    for pause in pauses:
        now += pause
        allowed += limit.wait("a", now) == 0
    assert allowed <= burst + now * per_second + 1e-6
