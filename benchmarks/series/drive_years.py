"""Drives made up, in the form of Backblaze's daily files: some fail, with and without a warning.

Nothing here was tuned to the rules. What is known of real fleets, from Backblaze's own reports
(2016): of the drives that failed 76.7 % had at least one of the attributes 5, 187, 188, 197 and 198
above zero, and 4.2 % of those at work had. How the counters come to be above zero is invented:
damage begins some weeks before a failure and grows faster and faster; on a drive that goes on
working it is a few events at any time, which seldom repeat.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

WARNED = 0.767  # of the drives that fail
MARKED = 0.042  # of those that do not
CABLES = 0.02  # drives with CRC errors, which mean nothing for the drive
COUNTERS = (5, 187, 188, 196, 197, 198, 199)
#: The attributes that Backblaze's files have had columns for since 2023, and what else is in a row;
#: a drive's cells are empty where it does not say so.
ATTRIBUTES = (
    *(1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18, 22, 23, 24, 27, 71, 82, 90),
    *range(160, 162), *range(163, 185), *range(187, 203), 206, 210, 218, 220, *range(222, 227),
    *range(230, 236), *range(240, 243), *range(244, 249), *range(250, 253), 254, 255,
)  # fmt: skip
HEADER = (
    *("date", "serial_number", "model", "capacity_bytes", "failure", "datacenter", "cluster_id"),
    *("vault_id", "pod_id", "pod_slot_num", "is_legacy_format"),
    *(f"smart_{n}_{kind}" for n in ATTRIBUTES for kind in ("normalized", "raw")),
)
MODELS = ("ST8000NM0055", "HGST HUH721212ALE604", "TOSHIBA MG07ACA14TA", "WDC WUH721414ALE6L4")


@dataclass
class Drive:
    """One drive: its counters from day to day."""

    model: str
    serial: str
    hours: int
    random: random.Random
    fails_on: int | None
    damage_from: int | None
    counts: dict[int, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))

    def live(self, day: int) -> None:
        """One day more."""
        self.hours += 24
        if self.damage_from is None or day < self.damage_from:
            return
        if self.fails_on is None:
            if day == self.damage_from or self.random.random() < 0.002:
                self._hit(self.random.choice((5, 187, 188, 197)), self.random.randint(1, 8))
            return
        left = max(1, self.fails_on - day)
        if self.random.random() < 1 / left**0.5:
            grown = self.random.expovariate(1.0) * 200 / left
            self._hit(self.random.choice((5, 187, 197)), 1 + int(grown))

    def _hit(self, attribute: int, count: int) -> None:
        self.counts[attribute] += count
        if attribute == 5:
            self.counts[196] += 1
            self.counts[197] = max(0, self.counts[197] - count)
        if attribute == 197 and self.random.random() < 0.7:
            self.counts[198] = self.counts[197]

    def row(self, when: str, failed: bool) -> list[str]:
        """As it stands in the file of a day."""
        seagate = self.model.startswith("ST")
        busy = self.random.getrandbits(27)
        raw = {
            **self.counts,
            1: busy if seagate else 0,
            4: self.hours // 5_000 + 1,
            7: busy * 7 % 2**31 if seagate else 0,
            9: self.hours,
            10: 0,
            12: self.hours // 5_000 + 1,
            193: self.hours // 10,
            194: 28 + int(self.random.gauss(0, 2)),
        }
        if seagate:  # packed: three counters in one number
            raw[188] = self.counts[188] * (1 + 2**16)
        return cells_of(when, self.serial, self.model, raw, failed=failed)


def cells_of(
    when: str, serial: str, model: str, raw: Mapping[int, int], *, failed: bool
) -> list[str]:
    """A row below ``HEADER``."""
    cells = [when, serial, model, "14000519643136", str(int(failed))]
    cells += ["ams5", "0", "1118", "0", "4", "0"]
    for number in ATTRIBUTES:
        cells += ["100", str(raw[number])] if number in raw else ["", ""]
    return cells


def drives(count: int, days: int, failures: int, seed: int) -> list[Drive]:
    """A fleet; the same for the same numbers."""
    dice = random.Random(seed)
    failing = set(dice.sample(range(count), failures))
    found = []
    for n in range(count):
        fails_on = dice.randrange(days) if n in failing else None
        damage = None
        if fails_on is not None and dice.random() < WARNED:
            damage = fails_on - int(dice.expovariate(1 / 40)) - 1
        elif fails_on is None and dice.random() < MARKED:
            damage = dice.randrange(-700, days)
        own = random.Random(dice.getrandbits(64))
        drive = Drive(
            dice.choice(MODELS), f"Z{n:07d}", dice.randrange(60_000), own, fails_on, damage
        )
        if dice.random() < CABLES:
            drive.counts[199] = dice.randint(1, 300)
        for day in range(min(0, damage or 0), 0):
            drive.live(day)
        found.append(drive)
    return found


def write(
    folder: Path, count: int, days: int, failures: int, seed: int, advance: Callable[[], None]
) -> None:
    """One file for each day."""
    folder.mkdir(parents=True, exist_ok=True)
    fleet = drives(count, days, failures, seed)
    for day in range(days):
        when = (date(2025, 1, 1) + timedelta(days=day)).isoformat()
        with (folder / f"{when}.csv").open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file)
            lines.writerow(HEADER)
            for drive in fleet:
                drive.live(day)
                lines.writerow(drive.row(when, drive.fails_on == day))
        fleet = [drive for drive in fleet if drive.fails_on != day]
        advance()
