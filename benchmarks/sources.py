"""What reading real drives costs: CPU time per drive and reading."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
from rich.table import Table

from daemon.host.source import HostSource
from daemon.messages import Message
from daemon.smart.source import SmartSettings, SmartSource
from daemon.source import DriveSettings
from spindle.settings import load
from tests.servers import ROOT

SAVED = ROOT / "tests" / "golden" / "smart"
DRIVES, READINGS = 200, 20


@dataclass(frozen=True)
class Cost:
    """Milliseconds of CPU time, of this process and of what it started, per drive and reading.

    :ivar every_seconds: from one reading to the next, by default.
    """

    source: str
    drives: int
    cpu_ms: float
    every_seconds: float

    def line(self) -> str:
        """One JSON line."""
        return orjson.dumps(asdict(self)).decode()


def run() -> list[Cost]:
    """This machine's own drives, and many of which an output of smartctl was saved.

    Of real drives smartctl itself comes to it, which is not ours and waits for the drive.
    """
    host = HostSource(load(DriveSettings))
    host.read(time.time_ns())
    with tempfile.TemporaryDirectory(prefix="spindle-bench-") as folder:
        _save(Path(folder))
        smart = SmartSource(load(SmartSettings, smart_json_dir=folder), hostname="bench")
        own = max(1, len(host._before))
        return [
            Cost("host", own, _cpu_ms(host.read) / own, host.interval_seconds),
            Cost("smart", DRIVES, _cpu_ms(smart.read) / DRIVES, smart.interval_seconds),
        ]


def _save(folder: Path) -> None:
    """Outputs of as many drives as are asked for; each has a serial number of its own."""
    outputs = [orjson.loads(path.read_bytes()) for path in sorted(SAVED.glob("*/drive.json"))]
    outputs = [output for output in outputs if "serial_number" in output]
    for number in range(DRIVES):
        output = {**outputs[number % len(outputs)], "serial_number": f"S{number}"}
        output.pop("wwn", None)
        (folder / f"drive{number:03d}.json").write_bytes(orjson.dumps(output))


def _cpu_ms(read: Callable[[int], list[Message]]) -> float:
    read(time.time_ns())  # what is made once is not counted
    before = time.process_time()
    for _ in range(READINGS):
        read(time.time_ns())
    return 1e3 * (time.process_time() - before) / READINGS


def table(costs: list[Cost]) -> Table:
    """For people."""
    view = Table(title="CPU time per drive")
    for column in ("source", "drives", "ms a reading", "every", "of a core, per drive"):
        view.add_column(column, justify="left" if column == "source" else "right")
    for one in costs:
        share = one.cpu_ms / 1e3 / one.every_seconds
        every = f"{one.every_seconds:g} s"
        view.add_row(one.source, str(one.drives), f"{one.cpu_ms:.2f}", every, f"{share:.4%}")
    return view
