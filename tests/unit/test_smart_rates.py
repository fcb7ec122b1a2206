"""The rates of ``smart_rules.toml`` against the published table, where it is there."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import NamedTuple

import pytest

from reader.health.smart_rules import HEALTHY, RULES, Rule
from tests.servers import ROOT

TABLE = ROOT.parent / "shared/smart/rates.csv"
pytestmark = pytest.mark.skipif(
    not TABLE.is_file(),
    reason="the published table is not there: put it at ../shared/smart/rates.csv",
)


class Bucket(NamedTuple):
    """Failures per drive and year of the raw values from ``since`` on, with 95 % interval."""

    attribute: int
    since: float
    rate: float
    low: float
    high: float

    @property
    def weight(self) -> float:
        return 1 / (self.high - self.low) ** 2


def published() -> list[Bucket]:
    names = ("attribute", "raw_from", "annual_failure_rate", "interval_low", "interval_high")
    with TABLE.open(newline="") as file:
        rows = [[float(row[name]) for name in names] for row in csv.DictReader(file)]
    return [Bucket(int(number), *rest) for number, *rest in rows]


def isotonic(buckets: Sequence[Bucket]) -> list[tuple[float, float]]:
    """Rates that rise with the value (pool adjacent violators): where each begins, and the rate."""
    pools: list[list[float]] = []  # weight, weight times rate, since
    for each in buckets:
        pools.append([each.weight, each.weight * each.rate, max(1.0, each.since)])
        while len(pools) > 1 and pools[-2][1] / pools[-2][0] > pools[-1][1] / pools[-1][0]:
            weight, weighted, _ = pools.pop()
            pools[-1][0] += weight
            pools[-1][1] += weighted
    return [(since, weighted / weight) for weight, weighted, since in pools]


@pytest.mark.parametrize(
    "rule", [each for each in RULES if each.rates], ids=lambda rule: rule.metric
)
def test_rates_are_the_published_ones_made_to_rise_and_within_their_intervals(rule: Rule) -> None:
    number = int(rule.attribute.split()[0])
    buckets = [each for each in published() if each.attribute == number]
    # The first is of drives that have none; empty ones say nothing.
    above = [each for each in buckets[1:] if each.rate > 0]
    smooth = isotonic(above)
    assert [each.since for each in rule.rates] == [since for since, _ in smooth]
    assert [each.rate for each in rule.rates] == pytest.approx([r for _, r in smooth], abs=6e-4)
    for bucket in above:
        rate = max(each.rate for each in rule.rates if each.since <= max(1, bucket.since))
        assert bucket.low - 6e-4 <= rate <= bucket.high + 6e-4, bucket
    begins = {max(1.0, each.since): each for each in above}
    for risk in rule.rates:
        bucket = begins[risk.since]
        if bucket.rate == pytest.approx(risk.rate, abs=6e-4):  # not pooled: its own interval
            assert (risk.low, risk.high) == pytest.approx((bucket.low, bucket.high), abs=6e-4)


def test_a_disk_without_damage_fails_as_often_as_published() -> None:
    zero = next(each for each in published() if each.attribute == 5 and each.since == 0)
    said = HEALTHY.rate, HEALTHY.low, HEALTHY.high
    assert said == pytest.approx((zero.rate, zero.low, zero.high), abs=6e-4)
