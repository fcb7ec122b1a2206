"""The rules of ``smart_rules.toml``: what the values mean that a drive says of itself. Pure."""

from __future__ import annotations

import tomllib
from bisect import bisect_right
from dataclasses import dataclass
from math import exp, log
from pathlib import Path
from typing import Any, Literal

#: Of its rate, for ranking: change counts more than level. One step less, as where it settles:
#: critical is some 1.5 failures a year, warning some 0.4.
LEVEL_SHARE = 0.25
#: Beyond the last published value the rate goes on rising with this power of it, as slowly as the
#: slowest of the published ones does: ten times as many errors are worse, by how much nobody knows.
BEYOND = 0.1


@dataclass(frozen=True, slots=True)
class Risk:
    """Failures per drive and year, with their 95 % interval.

    :ivar since: the value from which on this is so.
    """

    since: float
    rate: float
    low: float
    high: float

    @property
    def probability(self) -> tuple[float, float, float]:
        """That a drive fails within a year, 0 to 1, with its interval."""
        return 1 - exp(-self.rate), 1 - exp(-self.low), 1 - exp(-self.high)


@dataclass(frozen=True, slots=True)
class Rule:
    """What the values of one metric mean; ``smart_rules.toml`` explains the fields."""

    metric: str
    words: tuple[str, ...]
    attribute: str
    do: str
    why: str
    on: Literal["any", "disk", "solid"] = "any"
    protocol: str = ""
    bad: Literal["high", "low"] = "high"
    note: float | None = None
    warning: float | None = None
    critical: float | None = None
    grew: float | None = None
    surged: float | None = None
    settles: bool = False
    first: float = 0.0
    same: str = ""
    age: str = ""
    rates: tuple[Risk, ...] = ()

    def hazard(self, value: float) -> float:
        """Failures per drive and year at a value, on a line (of logarithms) through the rates.

        For ranks only: beyond the published values no two are equal.
        """
        if not self.rates or value < self.rates[0].since:
            return 0.0
        place = bisect_right(self.rates, value, key=lambda each: each.since)
        here = self.rates[place - 1]
        if place == len(self.rates):
            return here.rate * exp(BEYOND * log(value / here.since))
        there = self.rates[place]
        part = log(value / here.since) / log(there.since / here.since)
        return here.rate * exp(part * log(there.rate / here.rate))


@dataclass(frozen=True, slots=True)
class Growth:
    """How much more a value is than it was.

    :ivar day: than a day ago.
    :ivar month: than ``SETTLED_DAYS`` ago, or than the first reading of a younger history.
    :ivar days: that the history covers.
    """

    day: float
    month: float
    days: float


def _load() -> tuple[tuple[Rule, ...], Risk, str]:
    data: dict[str, Any] = tomllib.loads(Path(__file__).with_name("smart_rules.toml").read_text())
    rules = []
    for row in data["rule"]:
        rates = tuple(Risk(*each) for each in row.pop("rates", ()))
        rules.append(Rule(**{**row, "words": tuple(row["words"]), "rates": rates}))
    return tuple(rules), Risk(0, *data["healthy"]), data["source"]


RULES, HEALTHY, SOURCE = _load()


def hazard_of(rule: Rule, value: float, growth: Growth | None) -> float:
    """What a value adds to a rank: failures per year by what is new, and some by its level."""
    grown = () if growth is None else (growth.month, growth.day)
    new = (max(rule.hazard(each), rule.first * HEALTHY.rate) for each in grown if each > 0)
    return LEVEL_SHARE * rule.hazard(value) + sum(new)
