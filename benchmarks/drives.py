"""How well the verdicts on drives foretell failures, over Backblaze's daily drive statistics.

Each row is judged by the very rules of ``check-drive``, with what has grown in a day and a month.
A drive counts as called from the day on that its verdict was first so bad: whoever acts on a call
does so once. Of drives that did not fail every call within the whole time is a false one.
Memory holds one small record for each drive, however many days there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

import orjson
from rich.table import Table

from benchmarks.drive_files import HOT, OLD_HOURS, Header, rows
from daemon.replay.backblaze import Day
from daemon.smart.facts import rotation_of
from reader.detection.findings import RANK
from reader.health.smart import METRICS, SETTLED_DAYS, Drive, Verdict, judge
from reader.health.smart_evidence import HISTORY_NS, is_counter
from reader.health.smart_rules import Growth
from spindle.errors import InvalidInput
from spindle.timestamps import NS

YEAR = 365  #: days of what is made up
HORIZONS = (0, 7, 30)  #: days before the failure
SHARES = (0.001, 0.01)  #: of the drives that did not fail, called all the same
LEVELS = {"critical": RANK["critical"], "warning or worse": RANK["warning"]}
_HISTORY_DAYS = HISTORY_NS // (86_400 * NS)
ATA = Drive("ATA")
_TELLING = METRICS - {"DiskTemp", "PowerOnHours"}


@dataclass(slots=True)
class Record:
    """What is remembered of one drive.

    :ivar first: its first day, as an ordinal; ``last`` its last.
    :ivar drive: what its model says of it.
    :ivar seen: the cells of its last row that can change a verdict.
    :ivar values: its metrics as of then.
    :ivar past: of each counter above zero the days on which it changed, with the value from then.
    :ivar states: the days on which its verdict became worse than ever, with the state's rank.
    :ivar hazards: the same of the hazard.
    """

    first: int
    last: int
    drive: Drive = ATA
    seen: tuple[object, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)
    past: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    states: list[tuple[int, float]] = field(default_factory=list)
    hazards: list[tuple[int, float]] = field(default_factory=list)
    failed: bool = False


def worst(history: Sequence[tuple[int, float]], day: int) -> float:
    """Its worst up to a day."""
    return max((value for at, value in history if at <= day), default=-1.0)


def judged(verdict: Verdict) -> tuple[float, float]:
    """The state's rank, and the hazard."""
    return 0 if verdict.health == "unknown" else RANK[verdict.health], verdict.hazard


class Fleet:
    """Judges rows as they come; those of one drive in the order of their days."""

    def __init__(self) -> None:
        self.drives: dict[tuple[str, str], Record] = {}
        self.rows = self.skipped = 0
        self._judged: dict[tuple[object, ...], tuple[float, float]] = {}

    def take(self, day: Day, header: Header, row: Sequence[str]) -> None:
        """One row; one that is no drive's day is counted as skipped."""
        try:
            at = date.fromisoformat(row[header.date].strip()[:10]).toordinal()
            key = row[header.model].strip(), row[header.serial].strip()
            failed = float(row[header.failure] or 0) == 1
        except (ValueError, IndexError):
            self.skipped += 1
            return
        drive = self.drives.get(key)
        if drive is None:
            drive = self.drives[key] = Record(
                at, at, ATA._replace(rotation_rpm=rotation_of(key[0]))
            )
        if drive.failed or at < drive.last or len(row) != header.columns:
            self.skipped += 1
            return
        self.rows += 1
        drive.last, drive.failed = at, failed
        try:
            seen = header.telling(row)
            changed = seen != drive.seen
            if changed:
                drive.seen, drive.values = seen, day.metrics(row)
                self._note(drive, at)
        except (ValueError, InvalidInput):
            self.skipped += 1
            return
        if not changed and not drive.past:
            return  # no counter above zero: nothing that time alone would change
        for history, now in zip((drive.states, drive.hazards), self._judge(drive, at), strict=True):
            if not history or now > history[-1][1]:
                history.append((at, now))

    def _note(self, drive: Record, at: int) -> None:
        for name, value in drive.values.items():
            past = drive.past.get(name)
            if past is None:
                if value > 0 and is_counter(name):
                    before = [(drive.first, 0.0)] if at > drive.first else []
                    drive.past[name] = [*before, (at, value)]
            elif past[-1][1] != value:
                past.append((at, value))
                while len(past) > 1 and past[1][0] <= at - _HISTORY_DAYS:
                    past.pop(0)

    def _judge(self, drive: Record, at: int) -> tuple[float, float]:
        growth = {
            name: grown(past, drive.first, at)
            for name, past in drive.past.items()
            if at > drive.first and drive.values.get(name)
        }
        values = drive.values
        key = (
            tuple(sorted((k, v) for k, v in values.items() if k in _TELLING)),
            tuple(sorted((k, (g.day, g.month, g.days >= SETTLED_DAYS)) for k, g in growth.items())),
            [values.get("DiskTemp", 0.0) >= limit for limit in HOT].count(True),
            values.get("PowerOnHours", 0.0) >= OLD_HOURS,
            drive.drive,
        )
        known = self._judged.get(key)
        if known is None:
            if len(self._judged) > 200_000:
                self._judged.clear()
            verdict = judge(drive.values, drive.drive, growth)
            known = self._judged[key] = judged(verdict)
        return known


def grown(past: Sequence[tuple[int, float]], first: int, at: int) -> Growth:
    """How much a counter has grown, as ``smart_evidence.growth`` finds it in stored readings."""
    begin = max(first, at - _HISTORY_DAYS)

    def then(age: int) -> float:
        day = max(at - age, begin)
        return next((value for since, value in reversed(past) if since <= day), past[0][1])

    now = past[-1][1]
    return Growth(now - then(1), now - then(_HISTORY_DAYS - 1), float(at - begin))


@dataclass(frozen=True, slots=True)
class Result:
    """How well one way of calling drives did.

    :ivar called: what is called: a state, or a share of false alarms.
    :ivar days: before the failure.
    :ivar failed: drives that failed and were there so long before; ``found`` of them were called.
    :ivar well: drives that did not fail; ``false`` of them were called.
    :ivar lead: days from the call to the failure, of those that were called: a tenth, half and
        nine tenths have less.
    """

    called: str
    days: int
    failed: int
    found: int
    well: int
    false: int
    lead: tuple[float, float, float] | None

    @property
    def recall(self) -> float | None:
        """The share of failures that were called."""
        return self.found / self.failed if self.failed else None

    @property
    def precision(self) -> float | None:
        """The share of calls that were right."""
        calls = self.found + self.false
        return self.found / calls if calls else None

    def line(self) -> str:
        """The result as one line of JSON."""
        said = {
            "called": self.called,
            "days_before": self.days,
            "failed": self.failed,
            "found": self.found,
            "recall": self.recall,
            "precision": self.precision,
            "well": self.well,
            "false_alarms": self.false,
            "lead_days": self.lead,
        }
        return orjson.dumps(said).decode()


def results(drives: Sequence[Record]) -> list[Result]:
    """Of each state, then of each share of false alarms, at each horizon."""
    found = []
    least: float
    for called, least in LEVELS.items():
        found += [_result(called, "states", least, days, drives) for days in HORIZONS]
    well = sorted(worst(each.hazards, each.last) for each in drives if not each.failed)
    for share in SHARES:
        allowed = int(share * len(well))
        # Above every drive that would be one too many, also of those that are as bad as it.
        least = well[-1 - allowed] + 1e-12 if allowed < len(well) else 0.0
        called = f"{100 * share:g} % false alarms"
        found += [_result(called, "hazards", least, days, drives) for days in HORIZONS]
    return found


def _result(
    called: str, by: Literal["states", "hazards"], least: float, days: int, drives: Sequence[Record]
) -> Result:
    def calls(drive: Record, day: int) -> bool:
        return worst(getattr(drive, by), day) >= least

    well = [each for each in drives if not each.failed]
    there = [each for each in drives if each.failed and each.first <= each.last - days]
    leads = sorted(
        each.last - next(at for at, value in getattr(each, by) if value >= least)
        for each in there
        if calls(each, each.last - days)
    )
    lead = None
    if leads:
        tenth, half, most = (leads[int(part * (len(leads) - 1))] for part in (0.1, 0.5, 0.9))
        lead = float(tenth), float(half), float(most)
    false = sum(calls(each, each.last) for each in well)
    return Result(called, days, len(there), len(leads), len(well), false, lead)


def run(folder: Path, advance: Callable[[int], None]) -> tuple[list[Result], Fleet]:
    """Judge every row below a folder.

    :raises InvalidInput: it holds no such files.
    """
    fleet = Fleet()
    for day, header, row in rows(folder, advance):
        fleet.take(day, header, row)
    return results(list(fleet.drives.values())), fleet


def table(found: Sequence[Result], fleet: Fleet) -> Table:
    """For a person."""
    failed = sum(each.failed for each in fleet.drives.values())
    about = f"{fleet.rows:,} days of {len(fleet.drives):,} drives, of which {failed:,} failed"
    if fleet.skipped:
        about += f"; {fleet.skipped:,} rows could not be used"
    shown = Table(title=about, box=None, pad_edge=False, title_justify="left")
    for name in ("called", "before", "recall", "found", "precision", "false", "lead time"):
        shown.add_column(name, justify="left" if name == "called" else "right", no_wrap=True)
    for each in found:
        shown.add_row(
            each.called,
            f"{each.days} d",
            _percent(each.recall),
            f"{each.found}/{each.failed}",
            _percent(each.precision),
            str(each.false),
            "-"
            if each.lead is None
            else f"{each.lead[1]:.0f} ({each.lead[0]:.0f}-{each.lead[2]:.0f})",
        )
    return shown


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
