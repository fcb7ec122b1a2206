"""What the forecast's back-test says: rows as JSON lines, and as tables for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isnan

from rich.table import Table

DAY_PARTS = ("coverage", "before", "after")  # of ``Days``: what is a part of its cases


@dataclass(frozen=True, slots=True)
class Result:
    """One row: cases of one kind. Errors are means in parts of the mean change."""

    group: str
    kind: str
    past: str
    horizon: str
    cases: int
    coverage: float
    width: float
    pinball: float
    error: float
    last_week: float
    least_squares: float
    no_growth: float

    def line(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Days:
    """Coverage of the days until a level, where a day was named.

    :ivar cases: with both ends named; ``coverage``, ``before`` and ``after`` are parts of those.
    :ivar open_cases: with ``earliest`` alone; ``open_coverage`` is their part not before it.
    """

    group: str
    kind: str
    past: str
    cases: int
    coverage: float
    before: float
    after: float
    open_cases: int
    open_coverage: float

    def line(self) -> str:
        """As JSON, which has no NaN: null where there is no case."""
        return json.dumps(
            {
                name: None if isinstance(value, float) and isnan(value) else value
                for name, value in asdict(self).items()
            }
        )


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds for the forecasts of so many devices, and how long a processor was busy with them."""

    devices: int
    seconds: float
    processor: float

    def line(self) -> str:
        return json.dumps(asdict(self))


Line = Result | Days | Speed


def tables(lines: Sequence[Line]) -> list[Table]:
    """For people: values foretold, days foretold, time."""
    names = ("", "kind", "past", "ahead", "cases", "in 80 %", "width", "pinball", "error")
    simple = ("last week", "least squares", "no growth")
    values = Table(*names, *simple, title="Values; errors in parts of the change")
    ends = ("before the earliest", "after the latest", "open", "in 90 %")
    days = Table("", "kind", "past", "cases", "in 80 %", *ends, title="Days until a level")
    took = Table("devices", "seconds", "of a processor", title="Time")
    for each in lines:
        if isinstance(each, Result):
            values.add_row(
                each.group, each.kind, each.past, each.horizon, str(each.cases),
                f"{100 * each.coverage:.1f}", f"{each.width:.2f}", f"{each.pinball:.3f}",
                f"{each.error:.2f}", f"{each.last_week:.2f}", f"{each.least_squares:.2f}",
                f"{each.no_growth:.2f}",
            )  # fmt: skip
        elif isinstance(each, Days):
            parts = [f"{100 * getattr(each, name):.1f}" for name in DAY_PARTS]
            days.add_row(
                each.group, each.kind, each.past, str(each.cases), *parts,
                str(each.open_cases), f"{100 * each.open_coverage:.1f}",
            )  # fmt: skip
        else:
            took.add_row(str(each.devices), f"{each.seconds:.2f}", f"{each.processor:.2f}")
    return [values, days, took]
