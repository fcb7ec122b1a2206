"""The limits that the writer is held against: the database's, and NATS's."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy, StreamConfig

from spindle.store.base import Series
from spindle.store.sqlite import file, schema
from spindle.store.sqlite.writing import insert_points
from spindle.timestamps import parse

INFLUX_TRIALS = tuple(
    (connections, lines) for connections in (1, 2, 4) for lines in (10_000, 20_000)
)
SQLITE_TRIALS = (5_000, 20_000, 50_000)


def lines_of(points: list[bytes]) -> list[bytes]:
    """Ready-made line protocol, one line a point."""
    lines = []
    for text in points:
        point = orjson.loads(text)
        head = Series(point["sourceDevice"], point["metricType"], point["deviceId"], "").head
        lines.append(f"{head}{point['value']!r} {parse(point['timestamp'])}".encode())
    return lines


def influx_query(port: int, query: str) -> bytes:
    """POST one statement."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    body = f"q={query.replace(' ', '+')}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/query", body, headers)
    answer = connection.getresponse().read()
    connection.close()
    return answer


def _post(port: int, database: str, bodies: list[bytes]) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    for body in bodies:
        connection.request("POST", f"/write?db={database}&precision=ns", body)
        response = connection.getresponse()
        answer = response.read()
        if response.status != 204:
            raise RuntimeError(f"influxd answered {response.status}: {answer[:200]!r}")
    connection.close()


def influx_ceiling(port: int, lines: list[bytes], trial: tuple[int, int], name: str) -> float:
    """Points per second of ready-made bodies over some connections, in a database of its own."""
    connections, size = trial
    influx_query(port, f"CREATE DATABASE {name}")
    bodies = [b"\n".join(lines[low : low + size]) for low in range(0, len(lines), size)]
    shares = [bodies[each::connections] for each in range(connections)]
    with ThreadPoolExecutor(connections) as pool:
        start = time.perf_counter()
        list(pool.map(lambda share: _post(port, name, share), shares))
        seconds = time.perf_counter() - start
    influx_query(port, f"DROP DATABASE {name}")
    return len(lines) / seconds


def _sqlite_rows(db: sqlite3.Connection, points: list[bytes]) -> list[tuple[int, int, float]]:
    known: dict[tuple[str, str, str, str], int] = {}
    rows = []
    for text in points:
        point = orjson.loads(text)
        key = (point["sourceDevice"], point["metricType"], point["deviceId"], "")
        if key not in known:
            known[key] = int(db.execute(schema.ADD_SERIES, key).lastrowid or 0)
        rows.append((known[key], parse(point["timestamp"]), point["value"]))
    return rows


def sqlite_ceiling(points: list[bytes], size: int) -> float:
    """Points per second of ready-made rows into the same tables with the same promise (FULL)."""
    with tempfile.TemporaryDirectory() as folder:
        db = file.open_for_writing(Path(folder) / "ceiling.db", 10.0)
        rows = _sqlite_rows(db, points)
        batches = [sorted(rows[low : low + size]) for low in range(0, len(rows), size)]
        start = time.perf_counter()
        for batch in batches:
            db.execute("BEGIN IMMEDIATE")
            insert_points(db, batch)
            db.execute("COMMIT")
        seconds = time.perf_counter() - start
        db.close()
    return len(rows) / seconds


async def nats_ceiling(client: Client, messages: list[bytes], name: str) -> float:
    """Messages per second of a bare pull: nothing decoded, nothing acknowledged.

    The fastest way found: one inbox subscription, one pull request for all, a callback that
    appends to a list. (``fetch`` with one acknowledgement per message reaches a seventh of it.)
    """
    js = client.jetstream()
    await js.add_stream(
        StreamConfig(name=name, subjects=[f"bench.{name}"], retention=RetentionPolicy.LIMITS)
    )
    await publish(client, f"bench.{name}", messages)
    await js.add_consumer(name, ConsumerConfig(durable_name="bare", ack_policy=AckPolicy.NONE))
    arrived: list[Msg] = []
    done = asyncio.Event()

    async def append(message: Msg) -> None:
        arrived.append(message)
        if len(arrived) == len(messages):
            done.set()

    inbox = client.new_inbox()
    subscription = await client.subscribe(
        inbox, cb=append, pending_msgs_limit=0, pending_bytes_limit=0
    )
    request = orjson.dumps({"batch": len(messages), "expires": 60_000_000_000})
    start = time.perf_counter()
    await client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{name}.bare", request, reply=inbox)
    await asyncio.wait_for(done.wait(), 60)
    seconds = time.perf_counter() - start
    await subscription.unsubscribe()
    await js.delete_stream(name)
    return len(messages) / seconds


async def publish(client: Client, subject: str, messages: list[bytes]) -> None:
    """Put messages on a stream without waiting for each; the caller counts what is there."""
    for number, message in enumerate(messages):
        await client.publish(subject, message)
        if number % 2000 == 1999:
            await client.flush()
    await client.flush()
