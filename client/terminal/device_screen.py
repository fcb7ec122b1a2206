"""What ``top`` opens: one device with its reasons and its last hour; and the help."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Footer, Sparkline, Static

from client.ask import ReaderAway, Refused
from client.terminal.fleet_rows import Row, said
from client.verbs.asking import Asker
from client.verbs.report import measured

_MINUTES, _STEP_SECONDS = 60, 60
_FACTS = ("model", "serial", "firmware", "wwn", "protocol", "host", "path")

HELP = """\
Spindle: devices, the worst first.

  ↑ ↓ PgUp PgDn   choose a device
  enter           open it: reasons, facts, the last hour
  /               filter: words that a row must have: array1 critical
  escape          end the filter, close what is open
  1 to 9          sort by that column, the largest reading first
  0               the worst first again
  ?               this
  q               quit

stored/s: points that reach the store; 99 % within: their latency, from NATS
to the store, in the last minute. waiting: messages that NATS holds for the
writer, and for how long the oldest. A ledger adds up when each point
received is stored, waits, or is a dead letter (./run.sh deadletters list).
"""


class HelpScreen(ModalScreen[None]):
    """The keys, and what the words mean."""

    CSS = """
    HelpScreen { align: center middle; }
    #help { width: 80; padding: 1 2; background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "app.pop_screen", "close")
    ]

    def compose(self) -> ComposeResult:
        yield Static(HELP, id="help", markup=False)


class DeviceScreen(Screen[None]):
    """One device.

    :param every_seconds: between two looks.
    """

    CSS = """
    DeviceScreen Static { padding: 0 1; }
    Sparkline { height: 2; margin: 0 1 1 1; width: 100%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "app.pop_screen", "back", key_display="esc")
    ]

    def __init__(self, asker: Asker, row: Row, every_seconds: float) -> None:
        super().__init__()
        self._asker = asker
        self._row = row
        self._every = every_seconds
        self._lines: dict[str, tuple[Static, Sparkline]] = {}  # by metric type

    def compose(self) -> ComposeResult:
        yield Static(self._row.key.replace("//", "/"), id="who", markup=False)
        yield Static("asking the reader ...", id="verdict", markup=False)
        yield VerticalScroll(id="series")
        yield Footer()

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()
        self.set_interval(self._every, self.refresh_device)
        self.refresh_device()

    @work(exclusive=True)
    async def refresh_device(self) -> None:
        """Look again; where nobody answers, that is said above what was seen last."""
        row = self._row
        who = {"device_id": row.device, "source_device": row.source_device}
        array = {"array_id": row.array or None}
        verdict = self.query_one("#verdict", Static)
        try:
            health = (await self._asker.ask("device_health", **who, **array))["data"]
            known = (await self._asker.ask("devices", **who, **array, limit=1))["data"]
            span = {"since_minutes": _MINUTES, "every_seconds": _STEP_SECONDS, "limit": 20_000}
            steps = (await self._asker.ask("series", **who, **span))["data"]
        except (ReaderAway, Refused) as error:
            verdict.update(str(error))
            return
        verdict.update(_verdict(health, known))
        await self._plot([each for each in steps if (each["array_id"] or "") == row.array])

    async def _plot(self, steps: list[dict[str, Any]]) -> None:
        by_metric: dict[str, list[dict[str, Any]]] = {}
        for step in steps:
            by_metric.setdefault(step["metric_type"], []).append(step)
        place = self.query_one(VerticalScroll)
        for metric, own in by_metric.items():
            if metric not in self._lines:
                self._lines[metric] = Static("", markup=False), Sparkline([])
                await place.mount(*self._lines[metric])
            words, line = self._lines[metric]
            words.update(_said(metric, own))
            line.data = [step["mean"] for step in own]


def _verdict(health: dict[str, Any], known: list[dict[str, Any]]) -> str:
    lines = [f"{health['health']}, score {health['score']}"]
    lines += [f"  {said(reason['message'])}" for reason in health["reasons"]]
    facts = (known[0].get("facts") or {}) if known else {}
    told = [
        f"{name} {facts[name]}" for name in _FACTS if facts.get(name, "simulated") != "simulated"
    ]
    return "\n".join([*lines, ", ".join(told)] if told else lines)


def _said(metric: str, steps: list[dict[str, Any]]) -> str:
    unit = steps[-1]["unit"] or ""
    least, most = min(each["min"] for each in steps), max(each["max"] for each in steps)
    return (
        f"{metric} {said(measured(steps[-1]['mean'], unit))}   last {_MINUTES} min: "
        f"{said(measured(least, unit))} to {said(measured(most, unit))}"
    )
