"""``health``, ``top``, ``tap``, ``plot`` and ``query --csv`` as a user types them."""

from __future__ import annotations

import asyncio
import csv
import importlib.util
import io
import time
from collections.abc import AsyncIterator
from pathlib import Path

import nats
import orjson
import pytest
from textual.widgets import DataTable, Sparkline, Static

from client.settings import ClientSettings
from client.terminal import tap as tapping
from client.terminal.device_screen import DeviceScreen
from client.terminal.top import Top
from client.verbs import asking
from spindle.settings import load
from spindle.store.base import Series
from spindle.timestamps import NS
from tests.asking import reading
from tests.integration.test_client_query import Shell
from tests.memory_store import MemoryStore
from tests.servers import Server
from tests.waiting import until


@pytest.fixture
async def shell(nats_server: Server, tmp_path: Path) -> AsyncIterator[Shell]:
    """A reader over a hot disk and a cool one answers."""
    store, now = MemoryStore(), time.time_ns()
    for device, value in (("disk-1", 61.5), ("disk-2", 35.0)):
        for minute in range(10):
            key = Series("DiskUnit", "DiskTemp", device, "a-1")
            await store.write_points([(key, now - minute * 60 * NS, value - minute / 10)])
    # Any valid name may be one of a metric: it is no name of anything on a screen.
    await store.write_points([(Series("DiskUnit", "7.of:any/kind", "disk-2", "a-1"), now, 3.0)])
    async with reading(nats_server, store):
        yield Shell(tmp_path, f"nats://127.0.0.1:{nats_server.port}")


async def test_health_is_a_monitoring_plug_in(shell: Shell) -> None:
    code, out, err = await shell.query("health", "disk-1", "--format", "nagios")
    assert (code, err) == (2, "")
    assert out.startswith("CRITICAL: disk-1: DiskTemp 61.5 degC, at or above 60 degC")
    assert out.strip().endswith("| 'DiskTemp'=61.5;55;60")
    code, out, _ = await shell.query("health", "disk-2")
    assert (code, out) == (0, "ok: disk-2 is well\n")
    code, out, _ = await shell.query("health")
    assert (code, out.splitlines()[0]) == (2, "critical: 1 critical of 2 devices")
    code, out, _ = await shell.query("health", "--format", "json")
    assert code == orjson.loads(out)["exit_code"] == 2


async def test_health_is_unknown_where_there_is_no_such_device_or_nobody_answers(
    shell: Shell,
) -> None:
    code, out, _ = await shell.query("health", "nosuch")
    assert (code, out.startswith("unknown: no device nosuch is known")) == (3, True)
    shell.nats_url = "nats://127.0.0.1:1"
    code, out, err = await shell.query("health", "--wait", "1", "--format", "nagios")
    assert (code, out.startswith("UNKNOWN: NATS does not answer at")) == (3, True)
    assert "Traceback" not in err


async def test_top_prints_lines_where_there_is_no_terminal(shell: Shell) -> None:
    code, out, _ = await shell.query("top", "-n", "2", "--every", "0.5")
    lines = out.splitlines()
    assert code == 0
    assert lines.count("real: 1 critical, 1 ok") == 2
    assert lines[2].startswith("  critical  a-1/disk-1  DiskTemp 61.5 °C")


async def test_top_on_a_terminal_sorts_filters_opens_and_explains(shell: Shell) -> None:
    settings = ClientSettings(nats_url=shell.nats_url)
    async with asking.opened(settings, 5.0) as asker:
        app = Top(asker, 0.5)
        async with app.run_test(size=(80, 24)) as pilot:
            table = app.query_one(DataTable)
            await until(lambda: table.row_count == 2)
            assert [str(cell) for cell in table.get_row_at(0)[:3]] == ["disk-1", "a-1", "critical"]
            assert "DiskTemp 61.5 °C" in str(app.query_one("#why", Static).render())
            await pilot.press("slash", *"disk-2")
            await until(lambda: table.row_count == 1)
            await pilot.press("enter", "enter")
            await until(lambda: isinstance(app.screen, DeviceScreen))
            await until(lambda: len(app.screen.query(Sparkline)) == 2)
            assert "ok, score 100" in str(app.screen.query_one("#verdict", Static).render())
            await pilot.press("slash", "4")  # are about the table, which is not seen now
            assert isinstance(app.screen, DeviceScreen)
            await pilot.press("escape")
            await pilot.pause()
            assert not any("▾" in str(each.label) for each in table.columns.values())
            assert table.row_count == 1
            await pilot.press("4")
            await until(lambda: "4 temp ▾" in [str(c.label) for c in table.columns.values()])
            await pilot.press("escape", "question_mark")
            await pilot.pause()
            assert "the worst first again" in str(app.screen.query_one("#help", Static).render())


async def test_tap_shows_what_flows_and_what_cannot_be_read(
    shell: Shell, nats_server: Server
) -> None:
    client = await nats.connect(f"nats://127.0.0.1:{nats_server.port}")
    listening = asyncio.create_task(shell.query("tap", "events.>", "--for", "20s", "-n", "2"))
    row = b'{"deviceId":"sda","arrayId":"host","metricType":"DiskTemp","value":41}'
    while not listening.done():
        await client.publish("events.metrics", b"[" + row + b"," + row + b"]")
        await client.publish("events.metrics", b"\x1b[2J")
        await asyncio.sleep(0.1)
    code, out, err = await listening
    await client.close()
    assert code == 0
    assert out.count("host/sda") == 2
    assert "DiskTemp 41" in out
    assert "\x1b" not in out
    assert "2 shown" in err


async def test_tap_ends_when_nobody_reads_it_any_more(nats_server: Server) -> None:
    def show(_: str) -> None:
        raise BrokenPipeError

    url = f"nats://127.0.0.1:{nats_server.port}"
    settings = load(ClientSettings, nats_url=url)
    wanted = tapping.Wanted(None, None, 1, as_json=False)
    listening = asyncio.create_task(tapping.listen(settings, ("events.>",), wanted, show, 10.0))
    client = await nats.connect(url)
    async with asyncio.timeout(60):
        while not listening.done():
            await client.publish("events.metrics", b"no JSON")
            await asyncio.sleep(0.1)
    await client.close()
    with pytest.raises(BrokenPipeError):
        await listening


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("tap", "a..b"), "expected a subject such as events.metrics.>"),
        (("tap", "a.>.b"), "> for all that follow, at the end"),
        (("tap", "--for", "soon"), "given 'soon', expected a duration"),
        (("plot", "device_id=disk-1"), "plot needs metric_type"),
        (("plot", "disk=1"), "plot takes no disk; it takes device_id"),
        (("plot", "device_id=x", "metric_type=y", "since_minutes=no"), "since_minutes: given no"),
        (("query", "devices", "--csv", "--json"), "--json and --csv: one of the two"),
    ],
)
async def test_wrong_words_are_one_sentence_and_exit_code_2(
    shell: Shell, words: tuple[str, ...], sentence: str
) -> None:
    code, _, err = await shell.query(*words)
    assert code == 2
    assert sentence in err
    assert "Traceback" not in err


async def test_a_plot_has_the_band_the_limits_and_the_scale(shell: Shell) -> None:
    what = ("device_id=disk-1", "metric_type=DiskTemp", "since_minutes=30")
    code, out, _ = await shell.query("plot", *what)
    assert code == 0
    assert "DiskTemp of disk-1" in out
    assert "(degC)" in out
    assert "critical 60" in out
    code, _, err = await shell.query("plot", "device_id=disk-1", "metric_type=Nothing")
    assert (code, "no reading of Nothing of disk-1" in err) == (1, True)


async def test_a_plot_is_written_as_a_picture(shell: Shell) -> None:
    if not importlib.util.find_spec("matplotlib"):
        pytest.skip("matplotlib is not installed: ./run.sh test installs it")
    what = ("device_id=disk-1", "metric_type=DiskTemp")
    code, _, err = await shell.query("plot", *what, "-o", "temp.png")
    assert (code, err) == (0, "")
    assert (shell.folder / "temp.png").read_bytes().startswith(b"\x89PNG")
    code, _, err = await shell.query("plot", *what, "-o", "nowhere/temp.png")
    assert (code, "nowhere/temp.png cannot be written" in err) == (2, True)


async def test_csv_has_a_line_for_each_row(shell: Shell) -> None:
    code, out, err = await shell.query("query", "devices", "--csv", "limt=1")
    assert err == "ignored: there is no 'limt' (did you mean limit?)\n"
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [(row["device_id"], row["metrics.DiskTemp.value"]) for row in rows] == [
        ("disk-1", "61.5"),
        ("disk-2", "35.0"),
    ]
