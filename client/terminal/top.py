"""``top``: the fleet on a terminal, live, the worst first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Footer, Input, Static

from client.ask import ReaderAway, Refused
from client.terminal import fleet_rows
from client.terminal.device_screen import DeviceScreen, HelpScreen
from client.terminal.fleet_rows import COLUMNS, METRICS, Flow, Row
from client.verbs.asking import Asker
from client.verbs.report import cell

MOST_DEVICES = 10_000  # asked for
_NARROW, _FEW = 120, 6  # columns of characters; columns of the table shown where there are fewer
_LOW = 16  # lines; where there are fewer the table needs them all


@dataclass(frozen=True, slots=True)
class Moment:
    """What the reader said at one time."""

    rows: list[Row]
    flow: Flow


async def look(asker: Asker) -> Moment:
    """:raises ReaderAway, Refused: as ``Asker.ask``."""
    fleet, devices, ledger = await asyncio.gather(
        asker.ask("fleet_health", limit=1000),
        asker.ask("devices", limit=MOST_DEVICES),
        asker.ask("ledger"),
    )
    rows = fleet_rows.joined(fleet["data"], devices["data"])
    return Moment(rows, Flow.of(ledger["data"], time.monotonic()))


class Top(App[None]):
    """A table of devices that follows them.

    :param every_seconds: between two looks.
    """

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #counts, #flow, #why { height: auto; max-height: 2; padding: 0 1; }
    .low #counts, .low #flow, .low #why { max-height: 1; }
    #flow, #why { color: $text-muted; }
    #filter { display: none; height: 3; }
    #filter.shown { display: block; }
    DataTable { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("slash", "filter", "filter", key_display="/"),
        *(Binding(str(n), f"sort({n - 1})", "sort", show=n == 1, key_display="1-9")
          for n in range(1, len(COLUMNS) + 1)),
        Binding("0", "sort(-1)", "worst first"),
        Binding("enter", "open", "open", priority=False),
        Binding("escape", "clear", "clear", show=False),
        Binding("q", "quit", "quit"),
    ]  # fmt: skip

    def __init__(self, asker: Asker, every_seconds: float) -> None:
        super().__init__()
        self.asker = asker
        self._every = every_seconds
        self._rows: list[Row] = []
        self._shown: list[Row] = []
        self._flow: Flow | None = None
        self._sort: int | None = None
        self._drawn: tuple[int, int | None] = 0, None  # columns, and by which they are sorted

    def compose(self) -> ComposeResult:
        yield Static("asking the reader ...", id="counts", markup=False)
        yield Static("", id="flow", markup=False)
        yield Input(placeholder="words that a row must have", id="filter")
        yield DataTable(cursor_type="row", zebra_stripes=True)
        yield Static("", id="why", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        self.theme = "textual-ansi" if self.ansi_color else "textual-dark"
        self.query_one(DataTable).focus()
        self.set_interval(self._every, self.refresh_rows)
        self.refresh_rows()

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool:
        """What is about the table is nothing for what lies above it."""
        return action not in ("filter", "sort", "open", "clear") or len(self.screen_stack) == 1

    def on_resize(self) -> None:
        self.screen_stack[0].set_class(self.size.height < _LOW, "low")
        self._draw()

    @work(exclusive=True)
    async def refresh_rows(self) -> None:
        """Look again; where nobody answers, what was seen last stays."""
        try:
            moment = await look(self.asker)
        except (ReaderAway, Refused) as error:
            self.query_one("#flow", Static).update(f"{error}; what was seen last is shown")
            return
        self.query_one("#flow", Static).update(moment.flow.told(self._flow))
        self._rows, self._flow = moment.rows, moment.flow
        self._draw()

    def _draw(self) -> None:
        table = self.query_one(DataTable)
        narrow = self.size.width < _NARROW
        wanted = _FEW if narrow else len(COLUMNS) + 1
        under, at = self._selected(), table.scroll_offset
        if (wanted, self._sort) != self._drawn:
            self._drawn = wanted, self._sort
            table.clear(columns=True)
            for place, name in enumerate((*COLUMNS, "reason")[:wanted]):
                number = f"{place + 1} " if place < len(COLUMNS) else ""
                table.add_column(f"{number}{name}{' ▾' * (place == self._sort)}", key=name)
        found = fleet_rows.matching(self._rows, self.query_one("#filter", Input).value)
        self._shown = fleet_rows.ordered(found, self._sort)
        table.clear()
        for row in self._shown:
            table.add_row(*self._cells(row)[:wanted], key=row.key)
        if under:
            keys = [row.key for row in self._shown]
            table.move_cursor(row=keys.index(under.key) if under.key in keys else 0, scroll=False)
        table.scroll_to(at.x, at.y, animate=False)
        if self._flow is not None:
            self.query_one("#counts", Static).update(fleet_rows.heading(self._rows))
        self._say_why()

    def _cells(self, row: Row) -> list[Any]:
        name = f"{row.device} (simulated)" if row.simulated else row.device
        readings = [row.cell(metric) for _, metric in METRICS]
        return [name, row.array, cell("health", row.health), *readings, row.reason]

    def _selected(self) -> Row | None:
        at = self.query_one(DataTable).cursor_row
        return self._shown[at] if 0 <= at < len(self._shown) else None

    def _say_why(self) -> None:
        row = self._selected()
        said = f"{row.device}: {row.reason or 'nothing is wrong with it'}" if row else ""
        self.query_one("#why", Static).update(said)

    def on_data_table_row_highlighted(self, _event: DataTable.RowHighlighted) -> None:
        self._say_why()

    def on_data_table_row_selected(self, _event: DataTable.RowSelected) -> None:
        self.action_open()

    def on_input_changed(self, _event: Input.Changed) -> None:
        self._draw()

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        self.query_one(DataTable).focus()

    def action_open(self) -> None:
        if row := self._selected():
            self.push_screen(DeviceScreen(self.asker, row, self._every))

    def action_help(self) -> None:
        self.push_screen(HelpScreen())

    def action_sort(self, column: int) -> None:
        self._sort = None if column < 0 else column
        self._draw()

    def action_filter(self) -> None:
        entry = self.query_one("#filter", Input)
        entry.add_class("shown")
        entry.focus()

    def action_clear(self) -> None:
        entry = self.query_one("#filter", Input)
        entry.value = ""
        entry.remove_class("shown")
        self.query_one(DataTable).focus()


async def lines(
    asker: Asker, every_seconds: float, times: int | None, show: Callable[[str], None], most: int
) -> None:
    """Print a moment as lines, again and again.

    :param times: how often; None until interrupted.
    :raises ReaderAway, Refused: at the first look; later ones are told in a line.
    """
    before: Flow | None = None
    done = 0
    while True:
        try:
            moment = await look(asker)
            flow = moment.flow.told(before)
            for line in fleet_rows.plain_lines(moment.rows, flow, most):
                show(line)
            before = moment.flow
        except (ReaderAway, Refused) as error:
            if not done:
                raise
            show(str(error))
        done += 1
        if times and done >= times:
            return
        await asyncio.sleep(every_seconds)
