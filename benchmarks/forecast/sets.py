"""All that the forecast's back-test looks at, by group and kind, and what it has to leave out."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.forecast.cases import ABSENT, KINDS, MISSING, Case, installed, public, simulated
from benchmarks.forecast.packaged import ASIDE, PACKAGES, SEEN, packaged
from benchmarks.series.growth_series import FURTHER

#: Groups with pasts and horizons of a set length, one row for each.
SIMULATED = {"simulated": KINDS, "further": tuple(FURTHER)}
GROUPS = (*SIMULATED, "public", "statsmodels", "packages", "kept aside")
_NO_PACKAGE = f"None of {', '.join(PACKAGES)} is installed; the series in them are left out."

Pasts = dict[str, list[Case]]


def everything(series: int, seed: int, notes: list[str]) -> Iterator[tuple[str, str, Pasts]]:
    """Group, kind, and its cases by length of past.

    :param series: of each simulated kind and length of past.
    :param seed: of what is simulated.
    :param notes: gets why a group was left out.
    """
    for group, kinds in SIMULATED.items():
        for kind in kinds:
            yield group, kind, simulated(kind, series, seed)
    for group, cases, note in (
        ("public", public(), MISSING),
        ("statsmodels", installed(), ABSENT),
        ("packages", packaged(SEEN), _NO_PACKAGE),
        ("kept aside", packaged(ASIDE), _NO_PACKAGE),
    ):
        if not cases and note not in notes:
            notes.append(note)
        for kind, some in cases.items():
            yield group, kind, {"any": some}
