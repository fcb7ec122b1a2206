"""The design that Spindle replaces: core NATS, a task and an HTTP write for every message.

No acknowledgement, no batch: each message is decoded, made a ``Point`` and written by itself, as
many at once as there are threads to wait for the answers.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import orjson
import urllib3
from influxdb_client.client.write.point import Point
from influxdb_client.domain.write_precision import WritePrecision
from nats.aio.client import Client
from nats.aio.msg import Msg

from spindle.store.sqlite import schema
from spindle.timestamps import parse

SUBJECT = "old.metrics"
SECONDS = 3.0
THREADS = 8

Write = Callable[[bytes], None]


async def points_per_second(
    client: Client, messages: list[bytes], write: Write, threads: int
) -> float:
    """How many messages are written per second, one by one."""
    pool = ThreadPoolExecutor(threads)
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Future[None]] = set()
    done = 0

    async def handle(message: Msg) -> None:
        nonlocal done
        task = loop.run_in_executor(pool, write, message.data)
        tasks.add(task)

        def count(ended: asyncio.Future[None]) -> None:
            nonlocal done
            tasks.discard(ended)
            if not ended.cancelled():
                ended.result()
                done += 1

        task.add_done_callback(count)

    subscription = await client.subscribe(SUBJECT, cb=handle)
    start = time.perf_counter()
    feed = asyncio.create_task(_feed(client, messages, lambda: len(tasks)), name="feed")
    await asyncio.sleep(SECONDS)
    rate = done / (time.perf_counter() - start)
    feed.cancel()
    await asyncio.gather(feed, return_exceptions=True)
    await subscription.unsubscribe()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    pool.shutdown()
    return rate


async def _feed(client: Client, messages: list[bytes], waiting: Callable[[], int]) -> None:
    """As fast as they are taken; without a bound the old design only grew."""
    for message in messages:
        while waiting() > 1000:  # noqa: ASYNC110 - the old design has no event to wait for
            await asyncio.sleep(0.001)
        await client.publish(SUBJECT, message)


def influx_write(port: int, database: str) -> Write:
    """One point, one request, on kept connections."""
    http = urllib3.PoolManager(maxsize=THREADS, block=True)
    url = f"http://127.0.0.1:{port}/write?db={database}&precision=ns"

    def write(payload: bytes) -> None:
        metric = orjson.loads(payload)
        point = (
            Point("device_metrics")
            .tag("source_device", metric["sourceDevice"])
            .tag("metric_type", metric["metricType"])
            .tag("device_id", metric["deviceId"])
            .field("value", float(metric["value"]))
            .time(parse(metric["timestamp"]), WritePrecision.NS)
        )
        answer = http.request("POST", url, body=point.to_line_protocol())
        if answer.status != 204:
            raise RuntimeError(f"influxd answered {answer.status}")

    return write


def sqlite_write(db: sqlite3.Connection) -> Write:
    """One point, one transaction, on the one connection (so: one thread)."""
    known: dict[tuple[str, str, str, str], int] = {}

    def write(payload: bytes) -> None:
        metric = orjson.loads(payload)
        key = (metric["sourceDevice"], metric["metricType"], metric["deviceId"], "")
        if key not in known:
            known[key] = int(db.execute(schema.ADD_SERIES, key).lastrowid or 0)
        row = (known[key], parse(metric["timestamp"]), metric["value"])
        db.execute("BEGIN IMMEDIATE")
        db.execute(schema.ADD_POINT, row)
        db.execute("COMMIT")

    return write
