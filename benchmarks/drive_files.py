"""Backblaze's daily files, as they are unpacked: which there are, their rows, and what of a row
can change a verdict.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path

from daemon.replay.backblaze import MEANT, Day
from spindle.errors import InvalidInput

_REPORT_ROWS = 5_000
#: Attributes whose raw value changes every day, and what of it says something of health.
_PACKED = {1: 32, 7: 32}  # operations in the lower bits
OLD_HOURS = 61_320
_DAILY = frozenset((4, 9, 12, 190, 192, 193, 194, 240, 241, 242))
HOT = (55, 70)  # degC, from which on a verdict may differ: of disks, of solid-state drives
_TEMPERATURES = (190, 194)


class Header:
    """Where the columns of one file stand.

    :raises InvalidInput: it is not one of Backblaze's.
    """

    def __init__(self, names: Sequence[str]) -> None:
        at = {name.strip().lower(): place for place, name in enumerate(names)}
        try:
            self.date, self.serial, self.model, self.failure = (
                at[name] for name in ("date", "serial_number", "model", "failure")
            )
        except KeyError as missing:
            raise InvalidInput(f"no column {missing}: expected Backblaze's daily files") from None
        self.columns = len(names)
        raw = {n: at[f"smart_{n}_raw"] for n in sorted(MEANT) if f"smart_{n}_raw" in at}
        self._counters = [
            place for number, place in raw.items() if number not in _DAILY | _PACKED.keys()
        ]
        self._packed = [(raw[n], shift) for n, shift in _PACKED.items() if n in raw]
        self._hours = raw.get(9)
        self._hot = [raw[number] for number in _TEMPERATURES if number in raw]

    def telling(self, row: Sequence[str]) -> tuple[object, ...]:
        """What of a row can change a verdict; equal rows have equal ones."""
        found: list[object] = [row[place] for place in self._counters]
        for place, shift in self._packed:
            cell = row[place]
            found.append(int(float(cell)) >> shift if cell else None)
        for place in self._hot:
            degrees = int(float(row[place] or 0)) & 0xFF
            found.append(degrees if degrees >= HOT[0] else bool(row[place]))
        if self._hours is not None:
            hours = row[self._hours]
            found.append(bool(hours) and int(float(hours)) & 0xFFFFFFFF >= OLD_HOURS)
        return tuple(found)


def files_of(place: Path) -> list[Path]:
    """The CSV files below a folder, or the one that is named, by the first day in each.

    Backblaze's archives hold macOS's notes on files too (``__MACOSX/._2016-01-01.csv``).
    """
    below = [place] if place.is_file() else place.rglob("*.csv")
    return sorted((each for each in below if not each.name.startswith("._")), key=_begin)


def _begin(path: Path) -> tuple[str, Path]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as text:
        first = next(csv.DictReader(text), {})
    days = (day for name, day in first.items() if str(name).strip().lower() == "date")
    return next(days, None) or "", path


def rows(folder: Path, advance: Callable[[int], None]) -> Iterator[tuple[Day, Header, list[str]]]:
    """Every row of the CSV files below a folder, in the order of their days.

    :param advance: is told of bytes that were read.
    :raises InvalidInput: there is none, or one is not Backblaze's.
    """
    files = files_of(folder)
    if not files:
        raise InvalidInput(f"{folder}: no CSV files in it; archives (.zip) have to be unpacked")
    for path in files:
        with (
            path.open("rb") as file,
            TextIOWrapper(file, "utf-8-sig", errors="replace", newline="") as text,
        ):
            lines = csv.reader(text)
            names = next(lines, None)
            if names is None:
                continue
            try:
                header, day, read = Header(names), Day([n.strip().lower() for n in names]), 0
            except InvalidInput as error:
                raise InvalidInput(f"{path}: {error}") from None
            for number, row in enumerate(lines):
                yield day, header, row
                if number % _REPORT_ROWS == 0:
                    now = file.tell()
                    advance(now - read)
                    read = now
            advance(path.stat().st_size - read)


def size(folder: Path) -> int:
    """Bytes that ``run`` reads."""
    return sum(path.stat().st_size for path in files_of(folder))
