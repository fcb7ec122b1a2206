"""What ``check-drive`` says of a saved output, ``device_health`` says of the drive once read."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from daemon.messages import Message
from daemon.smart.source import SmartSettings, SmartSource
from reader.health.evidence import Unit
from reader.lookups.examiner import Examiner
from reader.settings import ReaderSettings
from spindle.models import DeviceMetric, decode, parse
from spindle.settings import load
from spindle.store.base import Selection, Series
from spindle.timestamps import NS
from tests.memory_store import MemoryStore
from tests.servers import ROOT
from tests.unit.test_check_drive import FAILING, beside, damaged
from tests.unit.test_smart_reading import REAL
from tools.check_drive import as_object, check

NOW = 1_780_000_000 * NS
GOLDEN = sorted((ROOT / "tests" / "golden" / "drives").glob("*/smartctl.json"))
OUTPUTS = [*GOLDEN, *sorted(REAL.glob("*.json"))]


@dataclass(frozen=True)
class Seen:
    """One drive, as the pipeline knows it."""

    unit: Unit | None
    model: str | None

    @property
    def said(self) -> tuple[str, str | None]:
        """Its state, and what is named as the reason of a state that is not ok."""
        if self.unit is None:
            return "unknown", None
        worst = self.unit.reasons[0].metric_type if self.unit.state != "ok" else None
        return self.unit.state, worst


async def through_the_pipeline(folder: Path) -> Seen:
    """Read by the source, stored, judged."""
    source = SmartSource(load(SmartSettings, smart_json_dir=str(folder)), hostname="nas")
    messages: list[Message] = source.read(NOW - NS)
    store, examiner = MemoryStore(), Examiner(load(ReaderSettings))
    model = None
    for message in messages:
        if message.subject.startswith("events.facts"):
            examiner.watch_findings.facts.take(message.payload, NOW)
            model = orjson.loads(message.payload).get("model")
            continue
        points = [parse(DeviceMetric, item, NOW) for item in decode(message.payload)]
        await store.write_points(
            [
                (Series(p.source_device, p.metric_type, p.device_id, p.array_id or ""),
                 p.timestamp, p.value)
                for p in points
            ]
        )  # fmt: skip
    units = await examiner.examine(store, Selection(), NOW)
    return Seen(units[0] if units else None, model)


def checked(text: str) -> dict[str, Any]:
    return as_object(check("drive.json", text.encode()))


@pytest.mark.parametrize("case", FAILING)
def test_a_failing_drive_whose_output_is_damaged_is_never_ok_in_the_pipeline(
    tmp_path: Path, case: str
) -> None:
    output, random = beside(case, "smartctl.json"), Random(case)
    for _ in range(25):
        hurt = output
        for _ in range(random.randint(1, 4)):
            path = [random.randint(0, 30) for _ in range(random.randint(1, 5))]
            hurt = damaged(hurt, path, random.choice(["null", "text", "reorder"]))
        (tmp_path / "drive.json").write_text(json.dumps(hurt))
        assert asyncio.run(through_the_pipeline(tmp_path)).said[0] != "ok"


@pytest.mark.parametrize("path", OUTPUTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_pipeline_says_of_a_drive_what_check_drive_says(tmp_path: Path, path: Path) -> None:
    text = path.read_text()
    (tmp_path / "drive.json").write_text(text)
    offline, seen = checked(text), asyncio.run(through_the_pipeline(tmp_path))
    worst = offline["reasons"][0] if offline["health"] != "ok" else {}
    if json.loads(text).get("smartctl", {}).get("exit_status", 0) & 2:
        assert offline["health"] == "unknown"  # asleep, or not opened
        return
    assert seen.model == offline["model"]
    assert seen.said[0] == offline["health"], (seen, offline)
    if offline["health"] in ("warning", "critical"):
        assert seen.said[1] == worst["metric_type"]
        assert seen.unit is not None
        named = [reason.message for reason in seen.unit.reasons]
        if worst["attribute"] == "when_failed: now":
            assert worst["message"] in named[0]  # with the attribute's name
