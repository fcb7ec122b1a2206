"""``/save_summary`` as a script meets it: real HTTP, a real nats-server."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from spindle import subjects
from tests.http_calls import call
from tests.integration.gateway_world import VISIT, World, address


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


def test_who_waits_to_send_a_body_that_is_too_large_is_not_asked_for_it(gateway: str) -> None:
    host, _, port = gateway.removeprefix("http://").partition(":")
    lines = "POST /save_summary HTTP/1.1", "Host: x", "Expect: 100-continue"
    asked = "\r\n".join((*lines, "Content-Length: 9000000", "\r\n"))
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(asked.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


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
