"""The client as a service: real processes, a real nats-server, a reader that a test plays."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import nats
import orjson
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from client.files import critical_lines as summary
from spindle import subjects, timestamps
from tests import servers
from tests.servers import Server
from tests.services import ServiceProcess
from tests.waiting import until

NOW = "2027-01-15T08:00:00.123456789Z"


def row(event_id: str, criticality: int = 9, source: str = "DiskUnit") -> dict[str, Any]:
    return {
        "time": NOW,
        "event_id": event_id,
        "source_device": source,
        "event_type": "DriveFailure",
        "criticality": criticality,
    }


class Reader:
    """Answers ``alerts_critical`` with its rows.

    :ivar asked: the params of every question.
    :ivar refusal: when set, the message of an error instead.
    :ivar answers: of so many questions it answers all but the last; 0 for all.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.refusal = ""
        self.page = 1000
        self.answers = 0

    async def answer(self, msg: Msg) -> None:
        question = orjson.loads(msg.data)
        assert question["query_type"] == "alerts_critical"
        self.asked.append(question["params"])
        if self.answers and len(self.asked) % self.answers == 0:
            return
        if self.refusal:
            await msg.respond(orjson.dumps({"status": "error", "message": self.refusal}))
            return
        until, offset = question["params"].get("until", "z"), question["params"].get("offset", 0)
        left = [each for each in self.rows if each["time"] <= until][offset:]
        page = left[: self.page]
        reply: dict[str, Any] = {"status": "success", "data": page, "summary": []}
        if self.page < len(left):
            reply["truncated"] = True
        await msg.respond(orjson.dumps(reply))


@contextlib.asynccontextmanager
async def playing(server: Server, subject: str = "reader.query") -> AsyncIterator[Reader]:
    """A reader on the subject."""
    connection: Client = await nats.connect(f"nats://127.0.0.1:{server.port}")
    reader = Reader()
    await connection.subscribe(subject, cb=reader.answer)
    await connection.flush()
    try:
        yield reader
    finally:
        await connection.close()


@pytest.fixture
def client(nats_server: Server, tmp_path: Path) -> Any:
    process = ServiceProcess(
        "client",
        tmp_path / "client",
        nats_url=f"nats://127.0.0.1:{nats_server.port}",
        client_poll_seconds=0.05,
        client_log_max_bytes=2000,
    )
    process.constants["client.main.LOG_BACKUPS"] = 50
    process.constants["client.files.critical_poller.TIMEOUT_SECONDS"] = 1.0
    yield process
    process.stop()
    print(process.said())  # pytest shows it beside a failure


def written(client: ServiceProcess) -> Counter[str]:
    """How often each event stands in the log and its renamed predecessors."""
    found: Counter[str] = Counter()
    for path in client.folder.glob("client_output.log*"):
        if path.suffix not in (".state", ".lock", ".new"):
            lines = path.read_text().split("\n")
            found.update(key.event_id for key, *_ in summary.read_back(lines))
    return found


async def test_each_critical_event_is_written_once_with_its_time_and_counted(
    nats_server: Server, client: ServiceProcess
) -> None:
    async with playing(nats_server) as reader:
        reader.rows = [row("e-1"), row("e-2", source="CloudStorage")]
        client.start(wait=False)
        await until(lambda: len(written(client)) == 2)
        reader.rows.insert(0, row("e-3"))
        await until(lambda: len(written(client)) == 3)
        await until(lambda: len(reader.asked) > 10)
    text = (client.folder / "client_output.log").read_text()
    assert set(written(client).values()) == {1}
    assert "2 new critical events: CloudStorage 1, DiskUnit 1" in text
    assert "1 new critical event: DiskUnit 1" in text
    assert timestamps.format_ns(timestamps.parse(NOW)) in text
    assert reader.asked[0]["min_criticality"] == 8
    assert client.total("client_events_written_total") == 3
    assert client.total("client_polls_total") >= 10


async def until_taken(stream: JetStreamContext) -> None:
    """The client has taken all changes of health, and acknowledged them."""
    async with asyncio.timeout(60):
        while True:
            info = await stream.consumer_info(subjects.HEALTH_STREAM, subjects.CLIENT_CONSUMER)
            if not info.num_pending and not info.num_ack_pending:
                return
            await asyncio.sleep(0.05)


async def test_an_end_is_written_once_over_a_restart_and_after_the_reader_was_away(
    nats_server: Server, client: ServiceProcess
) -> None:
    subject = f"{subjects.HEALTH_CHANGED}.DiskUnit.DiskUnit"
    change: dict[str, Any] = {
        "device": "DiskUnit", "source_device": "DiskUnit", "array_id": None, "reasons": [],
        "old_state": "critical", "new_state": "ok", "time": timestamps.format_ns(time.time_ns()),
    }  # fmt: skip
    async with playing(nats_server) as reader:
        reader.rows = [row("e-1")]
        reader.rows[0]["time"] = timestamps.format_ns(time.time_ns() - timestamps.NS)
        client.start(wait=False)
        await until(lambda: len(written(client)) == 1)
        await until(lambda: "ends: ok" in client.said())
        client.kill()
        reader.refusal = "away"
        publisher = await nats.connect(f"nats://127.0.0.1:{nats_server.port}")
        stream = publisher.jetstream()
        await stream.publish(subject, orjson.dumps(change), headers={"Nats-Msg-Id": "end-1"})
        asked = len(reader.asked)
        client.start(wait=False)
        await until(lambda: len(reader.asked) > asked + 5)
        assert len(written(client)) == 1
        reader.refusal = ""
        await until(lambda: len(written(client)) == 2)
        await stream.publish(subject, orjson.dumps(change), headers={"Nats-Msg-Id": "end-2"})

        await until_taken(stream)
        await publisher.close()
    assert written(client) == {"e-1": 1, "end-1": 1}
    assert _text(client.folder / "client_output.log").endswith('message "over: ok, was critical"\n')


async def test_no_event_is_written_twice_however_often_the_client_is_killed(
    nats_server: Server, client: ServiceProcess
) -> None:
    async with playing(nats_server) as reader:
        for life in range(4):
            client.start(wait=False)
            for number in range(10):
                reader.rows.insert(0, row(f"e-{life}-{number}"))
                asked = len(reader.asked)
                await until(lambda asked=asked: len(reader.asked) > asked)  # type: ignore[misc]
            client.kill()  # at whatever point it is: rotating, appending, saving
        client.start(wait=False)
        await until(lambda: len(written(client)) == 40)
        asked = len(reader.asked)
        await until(lambda: len(reader.asked) > asked + 3)
    assert set(written(client).values()) == {1}
    assert (client.folder / "client_output.log.1").exists()


async def test_after_its_own_downtime_the_client_asks_back_to_its_last_poll(
    nats_server: Server, client: ServiceProcess
) -> None:
    client.folder.mkdir()
    state = client.folder / "client_output.log.state"
    now = timestamps.NS * 1_600_000_000
    state.write_bytes(orjson.dumps({"last_poll": timestamps.format_ns(now), "written": []}))
    client.settings["RETENTION_HOURS"] = "100"
    async with playing(nats_server) as reader:
        client.start(wait=False)
        await until(lambda: len(reader.asked) > 1)
    assert reader.asked[0]["since_minutes"] == 6000  # years ago, but the store keeps 100 hours
    assert 60 <= reader.asked[-1]["since_minutes"] < 61


async def test_a_last_poll_under_a_clock_that_was_ahead_hides_nothing_that_came_since(
    nats_server: Server, client: ServiceProcess
) -> None:
    client.folder.mkdir()
    state = client.folder / "client_output.log.state"
    now = time.time_ns()
    ahead, newest = now + 30 * 86_400 * timestamps.NS, now - 5 * 3600 * timestamps.NS
    written = ["DiskUnit", "sda", "e-1", newest]
    state.write_bytes(
        orjson.dumps({"last_poll": timestamps.format_ns(ahead), "written": [written]})
    )
    async with playing(nats_server) as reader:
        client.start(wait=False)
        await until(lambda: len(reader.asked) > 1)
    assert 360 <= reader.asked[0]["since_minutes"] < 362  # five hours and an hour's margin


async def test_more_events_than_one_answer_holds_are_fetched_page_by_page(
    nats_server: Server, client: ServiceProcess
) -> None:
    async with playing(nats_server) as reader:
        reader.page = 7
        reader.rows = [row(f"e-{n}") for n in range(30)]
        client.start(wait=False)
        await until(lambda: len(written(client)) == 30)
    assert [params.get("offset", 0) for params in reader.asked[:5]] == [0, 7, 14, 21, 28]
    assert {params.get("until", NOW) for params in reader.asked} == {NOW}  # all of one instant


async def test_a_page_that_is_not_answered_is_asked_for_again_and_the_others_are_not_lost(
    nats_server: Server, client: ServiceProcess
) -> None:
    """Begun anew at each failure, a storm of many pages would never be written."""
    async with playing(nats_server) as reader:
        reader.page, reader.answers = 7, 3
        reader.rows = [row(f"e-{n}") for n in range(30)]
        client.start(wait=False)
        await until(lambda: len(written(client)) == 30)
    assert [params.get("offset", 0) for params in reader.asked[:7]] == [0, 7, 14, 14, 21, 28, 28]
    assert "did not answer" in client.said()


@pytest.mark.timeout(400)
@pytest.mark.fault("h5")
async def test_a_storm_is_written_whole_however_many_events_it_has(
    nats_server: Server, client: ServiceProcess
) -> None:
    """A hundred thousand, in instants of uneven size, while more of them come in."""
    storm, begin = 100_000, timestamps.parse(NOW)
    client.settings |= {"CLIENT_LOG_MAX_BYTES": "0", "CLIENT_POLL_SECONDS": "600"}
    async with playing(nats_server) as reader:
        reader.page = 4500
        times = [timestamps.format_ns(begin - n // (1 + n % 7)) for n in range(storm)]
        reader.rows = [{**row(f"e-{n}"), "time": time} for n, time in enumerate(times)]
        reader.rows.sort(key=lambda each: (each["time"], each["event_id"]), reverse=True)
        client.start(wait=False)
        await until(lambda: len(reader.asked) > 5)
        reader.rows[:0] = [{**row(f"late-{n}"), "time": times[0]} for n in range(5000)]

        async def are_written() -> bool:
            return await asyncio.to_thread(client.total, "client_events_written_total") >= storm

        await until(are_written, 300)
    found = written(client)
    assert set(found.values()) == {1}
    assert not {f"e-{n}" for n in range(storm)} - found.keys()


async def test_the_client_waits_for_the_reader_and_says_so_once(
    nats_server: Server, client: ServiceProcess
) -> None:
    client.start(wait=False)
    await until(lambda: "no reader answers on reader.query" in client.said())
    async with playing(nats_server) as reader:
        reader.refusal = "the store is away"
        await until(lambda: "the store is away" in client.said())
        asked = len(reader.asked)
        await until(lambda: len(reader.asked) > asked + 5)
        assert client.health()["status"] == "failing"
        reader.refusal = ""
        reader.rows = [row("e-1")]
        await until(lambda: client.health().get("status") == "ok")
    said = client.said()
    assert said.count("no reader answers") == 1
    assert said.count("the store is away") == 1
    assert client.total("client_poll_failures_total") >= 6
    assert written(client) == {"e-1": 1}


async def test_the_client_survives_nats_going_and_coming_back(
    tmp_path: Path, client: ServiceProcess
) -> None:
    server = servers.nats_server(tmp_path / "own")
    client.settings["NATS_URL"] = f"nats://127.0.0.1:{server.port}"
    client.start(wait=False)
    await until(lambda: "NATS is away" in client.said())
    with servers.running(server):
        async with playing(server) as reader:
            reader.rows = [row("e-1")]
            await until(lambda: client.health().get("status") == "ok")
    await until(lambda: client.health().get("status") == "failing")
    with servers.running(server):
        async with playing(server) as reader:
            reader.rows = [row("e-1"), row("e-2")]
            await until(lambda: len(written(client)) == 2)
    assert written(client) == {"e-1": 1, "e-2": 1}


async def test_the_subject_and_the_least_criticality_are_settable(
    nats_server: Server, client: ServiceProcess
) -> None:
    client.settings |= {"NATS_SUBJECT_REQUEST": "old.reader", "CLIENT_MIN_CRITICALITY": "5"}
    async with playing(nats_server, "old.reader") as reader:
        client.start(wait=False)
        await until(lambda: bool(reader.asked))
    assert reader.asked[0]["min_criticality"] == 5


async def test_an_answer_that_is_none_is_a_failure_of_the_reader_not_of_the_client(
    nats_server: Server, client: ServiceProcess
) -> None:
    async with playing(nats_server) as reader:
        reader.rows = [{"time": "yesterday"}]
        client.start(wait=False)
        await until(lambda: "not understood: a row has no event_id" in client.said())
        reader.rows = [row("e-1")]
        await until(lambda: written(client) == {"e-1": 1})


async def test_stopped_the_client_exits_0_even_while_a_question_is_unanswered(
    nats_server: Server, client: ServiceProcess
) -> None:
    silent = await nats.connect(f"nats://127.0.0.1:{nats_server.port}")
    heard: list[Msg] = []

    async def hear(msg: Msg) -> None:
        heard.append(msg)

    await silent.subscribe("reader.query", cb=hear)
    client.constants["client.files.critical_poller.TIMEOUT_SECONDS"] = 60.0
    client.start(wait=False)
    await until(lambda: bool(heard))
    assert await asyncio.to_thread(client.stop) == 0
    await silent.close()


async def test_a_second_client_on_the_same_file_exits_with_code_4_and_a_sentence(
    nats_server: Server, client: ServiceProcess
) -> None:
    async with playing(nats_server):
        client.start(wait=False)
        await until(lambda: client.health().get("status") == "ok")
        second = ServiceProcess("client", client.folder, **{
            key.lower(): value for key, value in client.settings.items()
        })  # fmt: skip
        second.start(wait=False)
        assert second.process is not None
        await until(lambda: second.process is not None and second.process.poll() is not None)
        assert second.process.returncode == 4
        assert "another client writes to client_output.log" in second.said()


async def test_a_reader_that_comes_a_little_later_is_not_waited_for_a_whole_poll(
    nats_server: Server, client: ServiceProcess
) -> None:
    client.settings["CLIENT_POLL_SECONDS"] = "600"
    client.start(wait=False)
    await until(lambda: "waiting for the reader" in str(client.health()))
    async with playing(nats_server) as reader:
        reader.rows = [row("e-1")]
        await until(lambda: written(client) == {"e-1": 1})


async def test_a_log_that_cannot_be_opened_is_told_and_tried_again(
    nats_server: Server, client: ServiceProcess
) -> None:
    in_the_way = client.folder / "reports"
    client.folder.mkdir()
    in_the_way.write_text("a file where a folder should be")
    client.settings["CLIENT_OUTPUT"] = "reports/client_output.log"
    async with playing(nats_server) as reader:
        reader.rows = [row("e-1")]
        client.start(wait=False)
        await until(lambda: "CLIENT_OUTPUT cannot be used" in str(client.health()))
        assert client.process is not None
        assert client.process.poll() is None
        assert "Traceback" not in client.said()
        in_the_way.unlink()
        await until(lambda: "e-1" in _text(in_the_way / "client_output.log"))


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
