"""The gateway as a script meets it: real HTTP, a real nats-server, a real reader."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from spindle import subjects, timestamps
from spindle.bus import deadletters
from spindle.errors import BusUnavailable
from spindle.ledger.numbering import Claims
from tests.http_calls import call
from tests.integration.gateway_world import World, world
from tests.services import ServiceProcess
from tests.waiting import PATIENCE_SECONDS, wait_until

VISIT = {
    "vehicle_plate": "KA01AB1234",
    "entry_date_time": "2026-01-31T08:15:00Z",
    "exit_date_time": "2026-01-31T10:45:30Z",
}
EVENT = {
    "id": "e-1",
    "criticality": 9,
    "timestamp": "2026-01-31T12:00:00Z",
    "sourceDevice": "DiskUnit",
    "eventType": "DriveFailure",
}


def address(service: ServiceProcess) -> str:
    return f"http://127.0.0.1:{service.port}"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """nats-server, writer and reader; each test starts the gateways it needs."""
    with world(tmp_path_factory.mktemp("gateway")) as made:
        made.start("writer", wait=False)
        made.start("reader")
        yield made


@pytest.fixture(scope="module")
def gateway(pipeline: World) -> str:
    """The address of a gateway with its usual settings."""
    return address(pipeline.start("gateway", gateway_rate_per_second=0))


def saved_visits(pipeline: World) -> list[tuple[dict[str, str], dict[str, Any]]]:
    """Headers and payload of every visit the stream has taken, whoever has acknowledged it."""

    async def read(client: Client) -> list[tuple[dict[str, str], dict[str, Any]]]:
        js = client.jetstream()
        stream = subjects.PARKING_SUMMARIES_STREAM
        left = (await js.stream_info(stream)).state.messages
        config = ConsumerConfig(ack_policy=AckPolicy.NONE, deliver_policy=DeliverPolicy.ALL)
        pull = await js.pull_subscribe(subjects.PARKING_SUMMARY, stream=stream, config=config)
        found = await pull.fetch(left, timeout=30) if left else []
        await pull.unsubscribe()
        return [(dict(one.headers or {}), json.loads(one.data)) for one in found]

    return pipeline.over_nats(read)


# -- visits ----------------------------------------------------------------------------------------


def test_a_visit_is_answered_with_its_id_once_nats_has_it(pipeline: World, gateway: str) -> None:
    """The client that writes the CSV does not run here, so the stream still holds it."""
    reply = call(f"{gateway}/save_summary", VISIT)
    assert reply.status == 202
    assert reply.json["status"] == "accepted"
    (found,) = [one for one in saved_visits(pipeline) if one[1]["id"] == reply.json["id"]]
    headers, visit = found
    assert headers["Nats-Msg-Id"].endswith(reply.json["id"])
    assert visit["status"] == "manual"
    assert {name: visit[name] for name in VISIT} == VISIT
    assert visit["duration_seconds"] == reply.json["duration_seconds"] == 9030


def test_the_old_curl_works_whatever_content_type_it_sends(gateway: str) -> None:
    for kind in ("application/json", "application/x-www-form-urlencoded", "text/plain"):
        assert call(f"{gateway}/save_summary", VISIT, content_type=kind).status == 202


def test_mistakes_are_422_with_one_sentence_each(gateway: str) -> None:
    reply = call(f"{gateway}/save_summary", {**VISIT, "vehicle_plate": "", "exit_date_time": "now"})
    assert reply.status == 422
    assert [mistake.partition(":")[0] for mistake in reply.json["mistakes"]] == [
        "vehicle_plate",
        "exit_date_time",
    ]


def test_the_same_idempotency_key_saves_once(pipeline: World, gateway: str) -> None:
    """At either of two gateways, and however many ask at once."""
    other = address(pipeline.start("gateway"))
    body = {**VISIT, "vehicle_plate": "ONCE"}
    with ThreadPoolExecutor(8) as pool:
        replies = list(
            pool.map(
                lambda number: call(
                    f"{(gateway, other)[number % 2]}/save_summary", body, idempotency_key="k-1"
                ),
                range(16),
            )
        )
    assert {reply.status for reply in replies} == {202}
    (visit_id,) = {reply.json["id"] for reply in replies}
    assert [one["id"] for _, one in saved_visits(pipeline) if one["vehicle_plate"] == "ONCE"] == [
        visit_id
    ]


def test_an_idempotency_key_with_another_body_is_a_conflict(gateway: str) -> None:
    assert call(f"{gateway}/save_summary", VISIT, idempotency_key="k-2").status == 202
    other = call(f"{gateway}/save_summary", {**VISIT, "lot": "north"}, idempotency_key="k-2")
    assert other.status == 409
    assert "Idempotency-Key" in other.message
    assert call(f"{gateway}/save_summary", VISIT, idempotency_key="").status == 422


def test_without_a_key_each_post_is_a_visit_of_its_own(gateway: str) -> None:
    replies = [call(f"{gateway}/save_summary", VISIT) for _ in range(2)]
    assert replies[0].json["id"] != replies[1].json["id"]


def test_a_body_that_is_too_large_is_413(gateway: str) -> None:
    reply = call(f"{gateway}/save_summary", b"x" * 100_000)
    assert (reply.status, "larger than 65536 bytes" in reply.message) == (413, True)


def test_a_body_without_a_length_is_limited_too(gateway: str) -> None:
    connection = http.client.HTTPConnection(gateway.removeprefix("http://"), timeout=60)

    def chunks() -> Iterator[bytes]:
        for number in range(100):
            yield b"x" * 1000
            if number == 80:
                time.sleep(0.5)  # who is still sending hears the answer all the same

    headers = {"Transfer-Encoding": "chunked"}
    connection.request("POST", "/save_summary", chunks(), headers, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_a_body_that_never_comes_is_408(pipeline: World) -> None:
    slow = pipeline.start("gateway", constants={"gateway.routes.routes.BODY_SECONDS": 0.3})
    with socket.create_connection(("127.0.0.1", slow.port), timeout=10) as connection:
        connection.sendall(b"POST /save_summary HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")


def test_while_nats_is_away_it_is_503_and_all_is_well_when_it_is_back(tmp_path: Path) -> None:
    with world(tmp_path) as alone:
        alone.start("reader", wait=False)
        started = alone.start(
            "gateway", constants={"gateway.routes.manual_visits.PUBLISH_SECONDS": 1.0}
        )
        alone.nats.kill()
        while started.health()["status"] == "ok":
            time.sleep(0.05)
        reply = call(f"{address(started)}/save_summary", VISIT)
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        assert "NATS is away" in reply.message
        assert call(f"{address(started)}/readyz").status == 503
        assert call(f"{address(started)}/healthz").status == 503
        assert call(f"{address(started)}/api/v1/devices").status == 503
        assert call(f"{address(started)}/metrics").status == 200
        alone.nats.start()
        started.wait_healthy()
        assert call(f"{address(started)}/save_summary", VISIT).status == 202
        assert "Traceback" not in started.tail()


def test_it_answers_before_nats_is_there_and_stops_when_told(tmp_path: Path) -> None:
    started = ServiceProcess("gateway", tmp_path, nats_url="nats://127.0.0.1:1")
    started.start(wait=False)
    while not started.health():
        time.sleep(0.05)
    assert "NATS is away" in call(f"{address(started)}/readyz").message
    assert call(f"{address(started)}/save_summary", VISIT).status == 503
    metrics = call(f"{address(started)}/metrics").body.decode()
    assert 'gateway_part_ok{part="nats"} 0.0' in metrics
    assert "matched_events" not in metrics  # a zero that is none would look like a fresh counter
    assert started.stop() == 0


# -- questions -------------------------------------------------------------------------------------


def test_a_question_over_http_gets_the_same_json_as_over_nats(
    pipeline: World, gateway: str
) -> None:
    asked = {"query_type": "alerts_critical", "params": {"since_minutes": 1, "limit": 3}}

    async def ask(client: Client) -> bytes:
        return (await client.request(subjects.READER_QUERY, json.dumps(asked).encode())).data

    over_nats = pipeline.over_nats(ask)
    get = call(f"{gateway}/api/v1/alerts_critical?since_minutes=1&limit=3")
    post = call(f"{gateway}/api/v1/query", asked)
    assert (get.status, post.status) == (200, 200)
    assert get.body == post.body == over_nats


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("alerts_critical?since_minutes=-1", 400, "since_minutes: given '-1'"),
        ("alerts_critical?limit=1&limit=2", 400, "'limit' is given twice"),
        ("device_health", 400, "source_device"),
        ("no_such_question", 404, "no_such_question"),
        ("reader.%3E", 404, "no query type"),
        ("a%00b", 404, "no query type"),
    ],
)
def test_a_wrong_question_is_one_sentence(gateway: str, path: str, status: int, said: str) -> None:
    reply = call(f"{gateway}/api/v1/{path}")
    assert reply.status == status
    assert said in reply.message
    assert reply.json["status"] == "error"


def test_what_a_question_does_not_know_is_ignored_with_a_note(gateway: str) -> None:
    assert call(f"{gateway}/api/v1/alerts_critical?minutes=1").json["ignored"] == ["minutes"]
    clamped = call(f"{gateway}/api/v1/alerts_critical?min_criticality=11").json
    assert clamped["note"] == "min_criticality 11 is taken as 10"
    asked = {"query_type": "devices", "params": {"wanted": 1}, "version": 2}
    assert call(f"{gateway}/api/v1/query", asked).json["ignored"] == ["version", "wanted"]
    assert "ignored" not in call(f"{gateway}/api/v1/devices").json


def test_what_changes_something_takes_a_post_from_the_same_origin(gateway: str) -> None:
    asked = {"device_id": "nobody-knows-it"}
    got = call(f"{gateway}/api/v1/acknowledge?device_id=nobody-knows-it")
    assert (got.status, got.headers["allow"]) == (405, "POST")
    assert "takes a POST" in got.message
    url = f"{gateway}/api/v1/acknowledge"
    assert call(url, asked, origin="https://evil.example").status == 403
    assert call(url, asked, origin=gateway).message == "nothing was heard of nobody-knows-it"
    assert call(f"{gateway}/api/v1/nonsense", asked).status == 404
    assert call(url, b"{").status == 400
    assert call(f"{gateway}/api/v1/devices", {"limit": 1}).status == 200


@pytest.fixture
def letter_world(tmp_path: Path) -> Iterator[tuple[World, str]]:
    """A pipeline of its own: the writer's ledger tells of letters ever after."""
    with world(tmp_path) as made:
        made.start("writer")
        started = made.start("gateway", wait=False)
        while not started.health() or call(f"{address(started)}/readyz").status != 200:
            time.sleep(0.05)
        yield made, address(started)


def kept_letters(gateway: str, total: int) -> list[dict[str, Any]]:
    """The dead letters once there are so many."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = call(f"{gateway}/api/v1/deadletters?limit=200").json["data"]["letters"]
        if len(found) == total or time.monotonic() > deadline:
            assert len(found) == total, found
            return list(found)
        time.sleep(0.05)


def test_a_dead_letter_is_replayed_once_even_where_an_earlier_replay_was_killed(
    letter_world: tuple[World, str],
) -> None:
    pipeline, gateway = letter_world

    async def prepare(client: Client) -> int:
        """Two letters, of which one was published again by somebody who was then killed."""
        js = client.jetstream()
        for _ in range(2):
            await js.publish("events.event.dead", b"not json")
        first, _ = await asyncio.to_thread(kept_letters, gateway, 2)

        async def killed(stream_name: str, seq: int) -> bool:
            raise TimeoutError

        js.delete_msg = killed  # type: ignore[method-assign]
        letter = await deadletters.one(js, first["number"])
        with pytest.raises(BusUnavailable):
            await deadletters.replay(js, letter, Claims("killed"))
        return (await js.stream_info(subjects.EVENTS_STREAM)).state.last_seq

    async def last(client: Client) -> int:
        return (await client.jetstream().stream_info(subjects.EVENTS_STREAM)).state.last_seq

    before = pipeline.over_nats(prepare)
    # What is still wrong comes back as a letter of its own.
    first, second, again = kept_letters(gateway, 3)
    assert "not JSON" in first["reason"]
    url, chosen = f"{gateway}/api/v1/deadletters/replay", {"numbers": [first["number"]]}
    assert call(url, chosen, origin="https://evil.example").status == 403
    assert call(url).status == 405
    assert call(url, chosen, origin=gateway).json == {
        "status": "success",
        "replayed": 1,
        "refused": [],
        "left": 2,
    }
    assert pipeline.over_nats(last) == before  # the stream has it from the first time
    assert [each["number"] for each in kept_letters(gateway, 2)] == [
        second["number"],
        again["number"],
    ]
    assert call(url, chosen).json["refused"] == [
        f"there is no dead letter {first['number']}; `list` shows those that there are"
    ]
    assert call(url, {"kind": "invalid"}).json["replayed"] == 2
    fresh = kept_letters(gateway, 2)
    assert min(each["number"] for each in fresh) > again["number"]
    assert pipeline.over_nats(last) >= before + 2


@pytest.mark.parametrize(
    "body", [{}, {"numbers": []}, {"numbers": [1], "kind": "invalid"}, [], {"x": 1}]
)
def test_a_replay_says_which_letters_it_takes(gateway: str, body: object) -> None:
    assert call(f"{gateway}/api/v1/deadletters/replay", body).status == 400
    assert call(f"{gateway}/api/v1/deadletters?limit=0").status == 400


def test_a_question_that_is_no_json_is_400(gateway: str) -> None:
    assert call(f"{gateway}/api/v1/query", b"{").status == 400
    assert call(f"{gateway}/api/v1/query", b"").status == 400


def test_without_a_reader_a_question_is_503(tmp_path: Path) -> None:
    with world(tmp_path) as alone:
        started = alone.start("gateway", wait=False)
        while not started.health() or call(f"{address(started)}/readyz").status != 200:
            time.sleep(0.05)
        reply = call(f"{address(started)}/api/v1/devices")
        assert (reply.status, reply.message) == (503, "no reader answers; is it started?")
        away = {"nats": "ok", "reader": "no reader answers; is it started?"}
        wait_until(lambda: started.health()["parts"] == away, otherwise=started.health)
        document = call(f"{address(started)}/openapi.json").json
        assert "/api/v1/{query_type}" in document["paths"]


def test_every_question_of_the_reader_is_in_the_openapi_document(gateway: str) -> None:
    from reader.questions.registry import QUERIES

    document = call(f"{gateway}/openapi.json").json
    for name, query in QUERIES.items():
        operation = document["paths"][f"/api/v1/{name}"]["post" if query.changes else "get"]
        assert operation["summary"] == query.description
        if query.changes:
            asked = operation["requestBody"]["content"]["application/json"]
            assert asked["schema"]["properties"].keys() == query.params.model_fields.keys()
            assert asked["examples"]["example"]["value"] == query.example
            continue
        parameters = {each["name"]: each for each in operation["parameters"]}
        assert parameters.keys() == query.params.model_fields.keys()
        for key, example in query.example.items():
            assert parameters[key]["example"] == example
    examples = document["paths"]["/api/v1/query"]["post"]["requestBody"]["content"]
    assert examples["application/json"]["examples"].keys() == QUERIES.keys()


def shape(value: Any) -> Any:
    """Keys and kinds; of a list its first row; numbers are alike, and null fits everything."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return "number" if number else type(value).__name__


def fits(example: Any, answer: Any) -> bool:
    """Whether two shapes agree, as far as both say something."""
    if "NoneType" in (example, answer) or [] in (example, answer):
        return True
    if isinstance(example, dict) and isinstance(answer, dict):
        return example.keys() == answer.keys() and all(fits(example[k], answer[k]) for k in answer)
    if isinstance(example, list) and isinstance(answer, list):
        return fits(example[0], answer[0])
    return bool(example == answer)


def test_the_examples_of_answers_have_the_shape_of_todays_answers(gateway: str) -> None:
    from reader.questions.registry import QUERIES

    document = call(f"{gateway}/openapi.json").json
    query = document["paths"]["/api/v1/query"]["post"]
    questions = query["requestBody"]["content"]["application/json"]["examples"]
    assert {"alerts_critical", "device_health", "anomaly_temperature"} <= questions.keys()
    for name, question in questions.items():
        if QUERIES[name].changes:  # of a device that is not there; see test_acknowledge
            continue
        reply = document["paths"][f"/api/v1/{name}"]["get"]["responses"]["200"]
        example = reply["content"]["application/json"]["example"]
        answer = call(f"{gateway}/api/v1/query", question["value"]).json
        answer.pop("truncated", None)
        assert fits(shape(example), shape(answer)), (name, shape(example), shape(answer))
        assert type(answer["data"]) is type(example["data"]), name


def test_the_documentation_page_asks_nothing_of_other_machines(gateway: str) -> None:
    page = call(f"{gateway}/docs").body.decode()
    assert "://" not in page
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"):
        assert f"/static-offline-docs/{name}" in page
        assert call(f"{gateway}/static-offline-docs/{name}").status == 200


# -- who may ask -----------------------------------------------------------------------------------


def test_with_a_token_everything_but_healthz_wants_it(pipeline: World) -> None:
    url = address(pipeline.start("gateway", gateway_token="s3cret"))
    paths = ("metrics", "readyz", "docs", "openapi.json", "api/v1/devices", "api/v1/stream", "nope")
    for path in paths:
        reply = call(f"{url}/{path}")
        assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer"), path
        for wrong in ("Bearer s3cre", "Bearer s3crets", "Basic s3cret", "s3cret", "Bearer"):
            assert call(f"{url}/{path}", authorization=wrong).status == 401
    assert call(f"{url}/save_summary", VISIT).status == 401
    assert call(f"{url}/healthz").status == 200
    page = call(f"{url}/")
    assert page.status == 200  # it asks for the token before it asks for any data
    files = re.findall(r'(?:src|href)="(page/[^"]+)"', page.body.decode())
    assert len(files) >= 4
    for path in files:
        assert call(f"{url}/{path}").status == 200, path
    assert call(f"{url}/page/../metrics").status in (401, 404)
    assert call(f"{url}/metrics", authorization="Bearer s3cret").status == 200
    assert call(f"{url}/save_summary", VISIT, authorization="bearer s3cret").status == 202


def test_bound_elsewhere_without_a_token_it_exits_with_code_2(pipeline: World) -> None:
    started = pipeline.start("gateway", wait=False, gateway_host="0.0.0.0")
    assert started.process is not None
    assert started.process.wait(20) == 2
    assert started.tail().startswith("gateway: GATEWAY_TOKEN: empty, and the gateway would answer")
    assert len(started.tail().splitlines()) == 1


def test_a_port_that_is_taken_is_exit_code_3(pipeline: World) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        started = ServiceProcess("gateway", pipeline.folder)
        started.settings["GATEWAY_HTTP_PORT"] = str(holder.getsockname()[1])
        started.start(wait=False)
        assert started.process is not None
        assert started.process.wait(20) == 3
    assert "GATEWAY_HTTP_PORT" in started.tail()


def test_an_address_that_asks_too_often_is_told_when_to_ask_again(pipeline: World) -> None:
    started = pipeline.start(
        "gateway",
        constants={"gateway.http.guard.BURST_SECONDS": 30.0},
        gateway_rate_per_second=0.1,
    )
    statuses = [call(f"{address(started)}/docs").status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    reply = call(f"{address(started)}/save_summary", VISIT)
    assert (reply.status, 0 < int(reply.headers["retry-after"]) <= 10) == (429, True)
    assert call(f"{address(started)}/healthz").status == 200
    assert call(f"{address(started)}/metrics").status == 200


def test_cors_is_off_unless_an_origin_is_named(pipeline: World, gateway: str) -> None:
    page = "https://status.example.com"
    assert "access-control-allow-origin" not in call(f"{gateway}/docs", origin=page).headers
    assert call(f"{gateway}/save_summary", VISIT, origin=page).status == 403
    assert call(f"{gateway}/save_summary", VISIT, origin=gateway).status == 202
    url = address(pipeline.start("gateway", gateway_cors_origins=page, gateway_token="t"))
    preflight = call(
        f"{url}/save_summary", None, "OPTIONS", origin=page, access_control_request_method="POST"
    )
    assert preflight.status == 200
    assert preflight.headers["access-control-allow-origin"] == page
    refused = call(f"{url}/save_summary", VISIT, origin=page)
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, page)
    assert call(f"{url}/save_summary", VISIT, origin=page, authorization="Bearer t").status == 202
    other = call(f"{url}/docs", origin="https://evil.example", authorization="Bearer t")
    assert "access-control-allow-origin" not in other.headers


def test_what_is_not_there_is_one_sentence_in_json(gateway: str) -> None:
    reply = call(f"{gateway}/nope")
    assert (reply.status, reply.headers["content-type"]) == (404, "application/json")
    assert reply.message == "there is no '/nope'; /docs shows what there is"
    assert call(f"{gateway}/save_summary").status == 405
    assert call(f"{gateway}/healthz", b"x", "DELETE").status == 405


# -- live ------------------------------------------------------------------------------------------


class Stream:
    """A client of ``/api/v1/stream`` that reads line by line."""

    def __init__(self, url: str, query: str = "") -> None:
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
        self._connection.request("GET", f"/api/v1/stream{query}")
        self.response = self._connection.getresponse()
        if self.response.status == 200:
            assert self.lines(3) == ["retry: 3000", ": connected", ""]

    def lines(self, count: int) -> list[str]:
        return [self.response.readline().decode().rstrip("\n") for _ in range(count)]

    def event(self) -> tuple[str, Any]:
        """Kind and data of the next event; comments are passed over."""
        while not (kind := self.lines(1)[0]).startswith("event: "):
            assert kind.startswith(":") or not kind
        data, _ = self.lines(2)
        return kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))

    def close(self) -> None:
        self.response.close()
        self._connection.close()


def test_what_happens_now_is_told_as_server_sent_events(pipeline: World, gateway: str) -> None:
    stream, visits = Stream(gateway), Stream(gateway, "?kinds=visit")
    assert stream.response.headers["Content-Type"].startswith("text/event-stream")
    pipeline.publish("events.event.DiskUnit.d-1", [{**EVENT, "criticality": 3}, EVENT])
    pipeline.publish("events.event", {**EVENT, "id": "e-2"})

    async def change(client: Client) -> None:
        await client.publish("health.changed.DiskUnit.d-1", b'{"old":"ok","new":"critical"}')
        await client.flush()

    assert [stream.event()[1]["id"] for _ in range(2)] == ["e-1", "e-2"]
    pipeline.over_nats(change)
    assert stream.event() == ("health_change", {"old": "ok", "new": "critical"})
    saved = call(f"{gateway}/save_summary", VISIT).json["id"]
    for one in (stream, visits):
        kind, visit = one.event()
        assert (kind, visit["id"]) == ("visit", saved)
        one.close()


def test_an_event_of_a_simulated_device_says_so_as_it_happens(
    pipeline: World, gateway: str
) -> None:
    device = {"sourceDevice": "DiskUnit", "deviceId": "made-up", "arrayId": "array9"}
    pipeline.publish(
        "events.facts.DiskUnit.made-up",
        {**device, "timestamp": timestamps.format_ns(time.time_ns()), "simulated": True},
    )
    stream = Stream(gateway, "?kinds=critical_event")
    pipeline.publish("events.event", {**EVENT, "id": "real"})
    pipeline.publish("events.event", {**EVENT, **device, "id": "invented"})
    assert [stream.event()[1].get("simulated") for _ in range(2)] == [None, True]
    stream.close()


def test_a_quiet_stream_is_kept_open_by_comments(pipeline: World) -> None:
    started = pipeline.start("gateway", constants={"gateway.routes.live.HEARTBEAT_SECONDS": 0.1})
    stream = Stream(address(started))
    assert stream.lines(4) == [": still here", "", ": still here", ""]
    stream.close()


def test_streams_are_limited_in_number(pipeline: World) -> None:
    started = pipeline.start("gateway", constants={"gateway.http.stream.MOST_LISTENERS": 1})
    first, second = Stream(address(started)), Stream(address(started))
    assert second.response.status == 503
    assert "1 clients listen already" in json.loads(second.response.read())["message"]
    assert started.metrics()["gateway_streams"] == 1
    first.close()
    while started.metrics()["gateway_streams"]:
        time.sleep(0.05)
    Stream(address(started)).close()


def test_a_kind_that_does_not_exist_is_400(gateway: str) -> None:
    reply = call(f"{gateway}/api/v1/stream?kinds=weather")
    assert (reply.status, "'weather'" in reply.message) == (400, True)


def test_a_stream_that_nobody_reads_is_dropped_and_the_others_go_on(pipeline: World) -> None:
    started = pipeline.start(
        "gateway",
        constants={
            "gateway.http.stream.QUEUE_SIZE": 20,
            "gateway.routes.live.HEARTBEAT_SECONDS": 60.0,
        },
    )
    deaf = socket.create_connection(("127.0.0.1", started.port))
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\n\r\n")
    quick = Stream(address(started))
    long = {**EVENT, "eventMessage": "x" * 8000}
    dropped, number = 0.0, 0
    while not dropped:
        assert number < 5000
        batch = [{**long, "id": str(number + step)} for step in range(10)]
        pipeline.publish("events.event", *batch)
        assert [quick.event()[1]["id"] for _ in batch] == [one["id"] for one in batch]
        number += len(batch)
        dropped = started.metrics()["gateway_streams_dropped_total"]
    assert dropped == 1
    assert started.metrics()["gateway_streams"] == 1
    assert "Traceback" not in started.tail()
    assert '"error"' not in started.tail()
    deaf.close()
    quick.close()


def test_open_streams_do_not_keep_the_gateway_from_stopping(pipeline: World) -> None:
    started = pipeline.start("gateway", constants={"gateway.http.server.GRACE_SECONDS": 600})
    stream = Stream(address(started))
    assert started.stop() == 0
    assert stream.response.read() == b""


# -- metrics ---------------------------------------------------------------------------------------


def test_requests_are_counted_by_route_and_never_by_what_a_client_makes_up(
    pipeline: World,
) -> None:
    started = pipeline.start("gateway")
    for path in ("nope/1", "nope/2", "api/v1/device_health?source_device=DiskUnit"):
        call(f"{address(started)}/{path}")
    found = started.metrics()
    assert found['gateway_requests_total{route="none",status="404"}'] == 2
    assert found['gateway_requests_total{route="/api/v1/{query_type}",status="200"}'] == 1
    assert found['gateway_request_seconds_count{route="/api/v1/{query_type}"}'] == 1


def test_the_promised_names_of_parking_are_there_and_bare(gateway: str) -> None:
    """Row 27 of the promises."""
    names = {
        line.partition("{")[0].partition(" ")[0]
        for line in call(f"{gateway}/metrics").body.decode().splitlines()
        if not line.startswith("#")
    }
    assert {"matched_events", "unmatched_events"} <= names
    for part in ("bucket", "sum", "count"):
        assert f"event_processing_latency_seconds_{part}" in names


def test_a_gateway_that_was_frozen_goes_on(pipeline: World) -> None:
    started = pipeline.start("gateway")
    started.send(signal.SIGSTOP)
    time.sleep(0.5)
    started.send(signal.SIGCONT)
    assert call(f"{address(started)}/api/v1/devices").status == 200
