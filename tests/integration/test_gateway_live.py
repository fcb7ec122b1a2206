"""What happens now, as server-sent events."""

from __future__ import annotations

import http.client
import json
import socket
import time
from typing import Any

from nats.aio.client import Client

from spindle import timestamps
from tests.http_calls import call
from tests.integration.gateway_world import EVENT, VISIT, World, address


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
    assert "Traceback" not in started.said()
    assert '"error"' not in started.said()
    deaf.close()
    quick.close()


def test_open_streams_do_not_keep_the_gateway_from_stopping(pipeline: World) -> None:
    started = pipeline.start("gateway", constants={"gateway.http.server.GRACE_SECONDS": 600})
    stream = Stream(address(started))
    assert started.stop() == 0
    assert stream.response.read() == b""
