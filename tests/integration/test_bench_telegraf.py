"""``./run.sh bench telegraf``, with a program in Telegraf's place that takes its configuration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.servers import ROOT, find

#: Takes from the queue group, writes to the database, acknowledges: what is measured, no faster.
STAND_IN = """\
#!{python}
import asyncio, json, signal, sys, tomllib, urllib.request
sys.path.insert(0, {root!r})
import nats
from spindle.timestamps import parse

given = tomllib.load(open(sys.argv[sys.argv.index("--config") + 1], "rb"))
source = given["inputs"]["nats_consumer"][0]
target = given["outputs"]["influxdb"][0]
url = f"{{target['urls'][0]}}/write?db={{target['database']}}&precision=ns"
lose = {lose}

def line(point):
    tags = ",".join(f"{{tag}}={{point[tag]}}" for tag in source["tag_keys"] if tag in point)
    time = parse(point[source["json_time_key"]])
    return f"{{source['name_override']}},{{tags}} value={{float(point['value'])}} {{time}}"

async def main():
    client = await nats.connect(source["servers"][0])
    js = client.jetstream()
    group = source["queue_group"]
    taken = await js.subscribe(
        source["jetstream_subjects"][0], queue=group, durable=group, manual_ack=True
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, sys.exit)
    batch = []
    while True:
        try:
            batch.append(await taken.next_msg(timeout=0.1))
        except TimeoutError:
            pass
        else:
            if len(batch) < 500:
                continue
        if batch:
            whole = [json.loads(message.data) for message in batch]
            points = [p for some in whole for p in (some if isinstance(some, list) else [some])]
            body = "\\n".join(map(line, points[lose:])).encode()
            await asyncio.to_thread(urllib.request.urlopen, urllib.request.Request(url, body))
            for message in batch:
                await message.ack()
            batch = []

asyncio.run(main())
"""


def bench(folder: Path, *words: str, path: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", "telegraf", *words]
    environment = {"PATH": path, "HOME": str(folder)}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def stand_in(folder: Path, lose: int) -> str:
    """A PATH with it; it leaves out the first points of each batch."""
    program = folder / "telegraf"
    program.write_text(STAND_IN.format(python=sys.executable, root=str(ROOT), lose=lose))
    program.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


needs_servers = pytest.mark.skipif(
    not (find("influxd") and find("nats-server")), reason="influxd or nats-server is not installed"
)
lacks_telegraf = pytest.mark.skipif(bool(find("telegraf")), reason="telegraf itself is installed")


@lacks_telegraf
def test_without_telegraf_it_says_how_to_get_it(tmp_path: Path) -> None:
    done = bench(tmp_path, path="/usr/bin:/bin")
    assert done.returncode == 1
    assert "telegraf is not on PATH" in done.stderr
    assert "github.com/influxdata/telegraf/releases" in done.stderr
    assert "Traceback" not in done.stderr


@needs_servers
@lacks_telegraf
def test_both_take_the_same_points_and_all_are_counted(tmp_path: Path) -> None:
    words = ("--points", "2000", "--repeats", "1", "--json")
    done = bench(tmp_path, *words, path=stand_in(tmp_path, lose=0))
    assert done.returncode == 0, done.stderr
    envelopes, single = map(orjson.loads, done.stdout.splitlines())
    assert (envelopes["load"], single["load"]) == ("envelopes", "single")
    assert envelopes["goal"] == 3.0
    for pair in (envelopes, single):
        assert pair["database"].startswith("InfluxDB 1.")
        assert pair["spindle"]["stored"] == pair["telegraf"]["stored"] == 2000
        assert pair["ratio"] == pytest.approx(
            pair["spindle"]["points_per_s"] / pair["telegraf"]["points_per_s"]
        )


@needs_servers
@lacks_telegraf
def test_a_telegraf_that_ends_is_not_waited_for(tmp_path: Path) -> None:
    path = stand_in(tmp_path, lose=0)
    (tmp_path / "telegraf").write_text("#!/bin/sh\necho 'E! no such plugin' >&2\nexit 1\n")
    done = bench(tmp_path, "--points", "1000", "--repeats", "1", path=path)
    assert done.returncode == 1
    assert "telegraf ended with 1: E! no such plugin" in done.stderr
    assert "Traceback" not in done.stderr


@needs_servers
@lacks_telegraf
def test_what_is_lost_is_noticed(tmp_path: Path) -> None:
    words = ("--points", "1000", "--repeats", "1", "--json")
    done = bench(tmp_path, *words, path=stand_in(tmp_path, lose=1))
    assert done.returncode == 1
    assert "Telegraf stored" in done.stderr
    assert "of 1000 points" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_url_with_a_database_is_refused(tmp_path: Path) -> None:
    done = bench(tmp_path, "--url", "influxdb://h:8086/db", path="/usr/bin:/bin")
    assert done.returncode == 2
    assert "without a database's name" in done.stderr
