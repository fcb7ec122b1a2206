"""What ``top`` shows, as rows: from the reader's answers to text. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from client.verbs.report import measured
from spindle import timestamps

STATES = ("critical", "warning", "unknown", "ok")  # the worst first
#: Columns of readings: heading and metric; those before are who, how and why.
METRICS = (
    ("temp", "DiskTemp"),
    ("used", "CapacityUsed"),
    ("latency", "Latency"),
    ("IOPs", "IOPs"),
    ("read", "ReadBytes"),
    ("write", "WriteBytes"),
)
COLUMNS = ("device", "array", "health", *(heading for heading, _ in METRICS))  # keys 1 to 9


@dataclass(frozen=True, slots=True)
class Row:
    """One device."""

    device: str
    source_device: str
    array: str
    health: str
    reason: str
    simulated: bool
    values: Mapping[str, tuple[float, str]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Class, array and id: the row's identity."""
        return f"{self.source_device}/{self.array}/{self.device}"

    def cell(self, metric: str) -> str:
        """A reading as it is shown; empty where there is none."""
        if metric not in self.values:
            return ""
        value, unit = self.values[metric]
        return said(measured(value, "" if unit == "/s" else unit))


def said(text: str) -> str:
    """A sentence or a reading with units as they are shown here."""
    return text.replace(" degC", " °C")


def joined(fleet: Mapping[str, Any], devices: Iterable[Mapping[str, Any]]) -> list[Row]:
    """``fleet_health`` and ``devices`` as rows, the worst first, real ones before simulated."""
    sick = {_who(each, each["device"]): each for each in fleet["devices"]}
    rows = []
    for each in devices:
        judged = sick.get(_who(each, each["device_id"]))
        reasons = judged["reasons"] if judged else []
        rows.append(
            Row(
                device=each["device_id"],
                source_device=each["source_device"],
                array=each["array_id"] or "",
                health=judged["health"] if judged else each.get("health") or "ok",
                reason=said(reasons[0]["message"]) if reasons else "",
                simulated=bool(each.get("simulated")),
                values={
                    name: (reading["value"], reading["unit"] or "")
                    for name, reading in each["metrics"].items()
                },
            )
        )
    return ordered(rows, None)


def _who(row: Mapping[str, Any], device: str) -> tuple[str, str, str]:
    return row["source_device"], row["array_id"] or "", device


def ordered(rows: Iterable[Row], column: int | None) -> list[Row]:
    """Rows ordered by one of ``COLUMNS``, the largest reading first; None: the worst first."""

    def worst(row: Row) -> tuple[bool, int, str, str]:
        return row.simulated, STATES.index(row.health), row.array, row.device

    if column is None or COLUMNS[column] == "health":
        return sorted(rows, key=worst)
    if column < COLUMNS.index("health"):
        return sorted(rows, key=lambda row: (row.device, row.array)[:: -1 if column else 1])
    metric = METRICS[column - COLUMNS.index("health") - 1][1]
    missing = (float("-inf"), "")
    return sorted(rows, key=lambda row: (-row.values.get(metric, missing)[0], worst(row)))


def matching(rows: Iterable[Row], text: str) -> list[Row]:
    """The rows that show every word of ``text``."""
    words = text.lower().split()

    def said(row: Row) -> str:
        mark = "simulated" if row.simulated else "real"
        shown = (row.device, row.array, row.source_device, row.health, row.reason, mark)
        return " ".join(shown).lower()

    return [row for row in rows if all(word in said(row) for word in words)]


@dataclass(frozen=True, slots=True)
class Flow:
    """How much is stored, by the writers' ledgers at one moment.

    :ivar at: seconds of a clock that does not go back.
    :ivar latency: seconds from NATS to the store, of the slowest in a hundred in the last minute;
        None where nothing was stored.
    :ivar oldest: for how many seconds the oldest message waits; None where NATS does not say.
    """

    at: float
    stored: int
    pending: int
    dead: int
    adds_up: bool
    writers: int = 1
    latency: float | None = None
    oldest: float | None = None

    @classmethod
    def of(cls, ledger: Mapping[str, Any], at: float) -> Flow:
        """The flow in an answer to ``ledger``."""
        latencies = [row.get("latency_p99_seconds") for row in ledger["streams"]]
        return cls(
            at,
            ledger["stored"],
            ledger["pending"],
            ledger["dead_lettered"],
            ledger["adds_up"],
            ledger["writers"],
            max((each for each in latencies if each is not None), default=None),
            ledger.get("oldest_seconds"),
        )

    def told(self, before: Flow | None) -> str:
        """One line; the rate needs an earlier moment of the same writers."""
        waits = f"{self.pending:,} waiting"
        if self.pending and self.oldest:
            waits += f" for {timestamps.duration(self.oldest)}"
        if not self.writers:
            return f"NO WRITER ANSWERS, {waits}"
        rate = "rate not known yet"
        if before and self.at > before.at and self.stored >= before.stored:
            rate = f"{(self.stored - before.stored) / (self.at - before.at):,.0f} stored/s"
        if self.latency is not None:
            rate += f", 99 % within {self.latency:.2f} s"
        ledger = "ledger adds up" if self.adds_up else "LEDGER DOES NOT ADD UP"
        return f"{rate}, {waits}, {self.dead:,} dead letters, {ledger}"


def heading(rows: Sequence[Row]) -> str:
    """How many devices are in which state: real ones, and beside them simulated ones."""
    told = []
    for simulated in (False, True):
        own = [row for row in rows if row.simulated == simulated]
        if own:
            counts = [(state, sum(row.health == state for row in own)) for state in STATES]
            words = ", ".join(f"{n} {state}" for state, n in counts if n)
            told.append(f"{'simulated' if simulated else 'real'}: {words}")
    return "   ".join(told) or "no device is known yet"


def plain_lines(rows: Sequence[Row], flow: str, most: int) -> list[str]:
    """A moment as lines, for where there is no terminal."""
    lines = [heading(rows), flow]
    for row in rows[:most]:
        who = f"{row.array}/{row.device}" if row.array else row.device
        mark = " (simulated)" if row.simulated else ""
        shown = row.reason or ", ".join(f"{n} {row.cell(m)}" for n, m in METRICS if row.cell(m))
        lines.append(f"  {row.health:<8}  {who}{mark}  {shown}")
    if len(rows) > most:
        lines.append(f"  and {len(rows) - most} more")
    return lines
