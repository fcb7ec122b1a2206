"""``python -m client query`` as a user types it, on a terminal and into a pipe."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from reader.questions.registry import QUERIES
from spindle.store.base import EventRow, Series
from tests.asking import reading
from tests.memory_store import MemoryStore, away
from tests.servers import ROOT, Server, free_port


@dataclass
class Shell:
    """Runs the command with one NATS."""

    folder: Path
    nats_url: str

    async def query(self, *words: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error, output being a pipe."""
        process = await asyncio.create_subprocess_exec(
            *self._command(words),
            cwd=self.folder,
            env=self._env(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def query_on_a_terminal(self, *words: str) -> str:
        """What a person sees."""
        ours, theirs = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            *self._command(words), cwd=self.folder, env=self._env(), stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        shown = await asyncio.to_thread(_read_all, ours)
        assert await process.wait() == 0
        return shown

    def _command(self, words: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "client", *words]

    def _env(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG"}}
        return kept | {
            "PYTHONPATH": str(ROOT),
            "NATS_URL": self.nats_url,
            "COLUMNS": "200",
            "TERM": "xterm",
        }


def _read_all(terminal: int) -> str:
    found = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux says so when the other side is closed
            part = b""
        if not part:
            os.close(terminal)
            return found.decode()
        found += part


@pytest.fixture
async def shell(nats_server: Server, tmp_path: Path) -> AsyncIterator[Shell]:
    """A reader over a hot disk answers."""
    store, now = MemoryStore(), time.time_ns()
    await store.write_points([(Series("DiskUnit", "DiskTemp", "disk-1", "a-1"), now, 61.5)])
    await store.write_events(
        [EventRow(now, "e-1", "DiskUnit", "DriveFailure", "disk-1", "a-1", 9, "\x1b[2J[red]")]
    )
    async with reading(nats_server, store):
        yield Shell(tmp_path, f"nats://127.0.0.1:{nats_server.port}")


async def test_into_a_pipe_goes_the_readers_reply_as_json(shell: Shell) -> None:
    code, out, err = await shell.query("query", "device_health", "source_device=DiskUnit")
    reply = orjson.loads(out)
    assert (code, err) == (0, "")
    assert reply["status"] == "success"
    assert (reply["data"]["device"], reply["data"]["health"]) == ("DiskUnit", "critical")


async def test_a_terminal_shows_tables_and_json_on_demand(shell: Shell) -> None:
    shown = await shell.query_on_a_terminal("query", "device_health", "device_id=disk-1")
    assert "critical" in shown
    assert "DiskTemp 61.5 degC, at or above 60 degC" in shown
    assert not shown.lstrip().startswith("{")
    json = await shell.query_on_a_terminal("query", "devices", "--json")
    assert orjson.loads(json)["data"][0]["device_id"] == "disk-1"


async def test_a_publishers_text_cannot_steer_the_terminal(shell: Shell) -> None:
    shown = await shell.query_on_a_terminal("query", "alerts_critical", "--wide")
    assert "e-1" in shown
    assert "[red]" in shown
    assert "\x1b[2J" not in shown


async def test_without_a_question_all_questions_are_listed_the_fleets_health_first(
    shell: Shell,
) -> None:
    code, out, _ = await shell.query("query")
    rows = orjson.loads(out)["data"]
    assert (code, rows[0]["question"]) == (0, "fleet_health")
    assert {row["question"] for row in rows} == set(QUERIES)
    assert "in trouble" in await shell.query_on_a_terminal("query")


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("devcies",), 1, "query_type: given 'devcies', expected one of acknowledge, "),
        (("devcies",), 1, "(did you mean devices?)"),
        (("devices", "limit=-1"), 1, "devices: limit: given '-1', expected a whole number from 1"),
        (("devices", "limit"), 2, "given 'limit', expected key=value"),
        (("devices", "--wait", "long"), 2, "Invalid value for '--wait'"),
    ],
)
async def test_a_wrong_question_is_one_sentence_on_standard_error(
    shell: Shell, words: tuple[str, ...], code: int, sentence: str
) -> None:
    got, out, err = await shell.query("query", *words)
    assert (got, out) == (code, "")
    assert sentence in err
    assert "Traceback" not in err


async def test_wrong_settings_are_all_named_with_exit_code_2(shell: Shell) -> None:
    (shell.folder / ".env").write_text("CLIENT_POLL_SECONDS=often\nCLIENT_MIN_CRITICALITY=11\n")
    code, _, err = await shell.query("query", "devices")
    assert code == 2
    assert "CLIENT_POLL_SECONDS: given 'often'" in err
    assert "CLIENT_MIN_CRITICALITY: given '11'" in err


async def test_without_a_reader_the_query_waits_with_a_message_and_exits_69(
    nats_server: Server, tmp_path: Path
) -> None:
    alone = Shell(tmp_path, f"nats://127.0.0.1:{nats_server.port}")
    code, out, err = await alone.query("query", "devices", "--wait", "0.6")
    assert (code, out) == (69, "")
    first, last = err.strip().split("\n")
    assert first == "no reader answers on reader.query; waiting up to 0.6 s"
    assert last == "no reader answers on reader.query; is it started?"


async def test_a_reader_that_comes_while_the_query_waits_answers_it(
    nats_server: Server, tmp_path: Path
) -> None:
    waiting = Shell(tmp_path, f"nats://127.0.0.1:{nats_server.port}")
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(waiting.query("query", "devices", "--wait", "30"), name="query")
        await asyncio.sleep(1)
        async with reading(nats_server, MemoryStore()):
            code, out, _ = await asked
    assert (code, orjson.loads(out)["data"]) == (0, [])


async def test_without_nats_the_query_exits_69_and_repeats_no_password(tmp_path: Path) -> None:
    url = f"nats://someone:hunter2@127.0.0.1:{free_port()}"
    code, out, err = await Shell(tmp_path, url).query("query", "devices", "--wait", "1")
    assert (code, out) == (69, "")
    assert "NATS does not answer at 127.0.0.1:" in err
    assert "hunter2" not in err


async def test_a_store_that_is_away_is_the_readers_sentence_and_exit_code_1(
    nats_server: Server, tmp_path: Path
) -> None:
    store = MemoryStore()
    store.failing = away()
    async with reading(nats_server, store):
        shell = Shell(tmp_path, f"nats://127.0.0.1:{nats_server.port}")
        code, _, err = await shell.query("query", "devices", "--wait", "10")
    assert code == 1
    assert "the store is not there yet: the database is away" in err.strip().split("\n")[-1]


async def test_help_says_what_each_command_does_and_its_exit_codes(shell: Shell) -> None:
    _, general, _ = await shell.query("--help")
    assert "Without a command: watch" in general
    _, query, _ = await shell.query("query", "--help")
    assert "69 no answer" in query
