"""Parking from entry to visit: a real writer, a real nats-server, SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nats
import orjson
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from reader.answering import params
from reader.questions import parking as parking_questions
from spindle import subjects
from spindle.bus import deadletters, parking_buckets
from spindle.bus.buckets import Bucket
from spindle.settings import Settings
from spindle.store.base import VisitSelection
from spindle.store.registry import open_store
from tests.servers import Server
from tests.services import ServiceProcess
from tests.waiting import until


@pytest.fixture
def writer(tmp_path: Path, settings: Settings) -> Iterator[ServiceProcess]:
    process = ServiceProcess(
        "writer",
        tmp_path,
        nats_url=settings.nats_url,
        store_url=settings.store,
        retention_hours=0,
        parking_reorder_seconds=1,
    )
    process.start()
    yield process
    process.stop()


@pytest.fixture
async def visits(client: Client) -> list[dict[str, Any]]:
    """What is published on parking.summary."""
    found: list[dict[str, Any]] = []

    async def hear(message: Msg) -> None:
        found.append(orjson.loads(message.data))

    await client.subscribe(subjects.PARKING_SUMMARY, cb=hear)
    return found


def entry(name: str, plate: str, second: int, **more: object) -> bytes:
    time = f"2026-01-01T10:00:{second:02d}+01:00"
    return orjson.dumps({"id": name, "vehicle_plate": plate, "entry_date_time": time, **more})


def leave(name: str, plate: str, second: int, **more: object) -> bytes:
    time = f"2026-01-01T10:00:{second:02d}+01:00"
    return orjson.dumps({"id": name, "vehicle_plate": plate, "exit_date_time": time, **more})


async def letters(client: Client) -> list[deadletters.DeadLetter]:
    return [letter async for letter in deadletters.letters(deadletters.js_of(client))]


async def test_a_vehicle_is_inside_until_its_exit_makes_a_visit(
    client: Client, writer: ServiceProcess, visits: list[dict[str, Any]], settings: Settings
) -> None:
    js = client.jetstream()
    await js.publish("parking.entry", entry("e1", "B-XY1234", 1))
    await until(lambda: writer.total("parking_vehicles_inside") == 1)
    entry_inside = await Bucket(js, "parking").get("B-XY1234")
    assert entry_inside.live
    value = orjson.loads(entry_inside.value)
    assert value["entry_time"] == "2026-01-01T09:00:01Z"
    assert value["parking_enter_data"]["id"] == "e1"
    [inside] = await parking_buckets.read_inside(js)
    assert inside == await parking_buckets.read_vehicle(js, "B-XY1234")
    await js.publish("parking.exit", leave("x1", "B-XY1234", 31))
    await until(lambda: len(visits) == 1)
    assert {key: visits[0][key] for key in ("vehicle_plate", "duration_seconds", "status")} == {
        "vehicle_plate": "B-XY1234",
        "duration_seconds": 30.0,
        "status": "matched",
    }
    await until(lambda: writer.total("parking_vehicles_inside") == 0)
    assert await parking_buckets.read_inside(js) == []
    await until(lambda: writer.total("writer_stored_points_total") == 1)
    store = open_store(settings)
    [row] = await store.visits(VisitSelection(plate="B-XY1234"), 0)
    await store.close()
    assert (row.visit_id, row.duration_seconds) == (visits[0]["id"], 30.0)
    assert (await parking_buckets.read_totals(js)).matched == 1
    assert await letters(client) == []


async def test_disorder_repeats_and_envelopes_are_understood(
    client: Client, writer: ServiceProcess, visits: list[dict[str, Any]]
) -> None:
    js = client.jetstream()
    await js.publish("parking.exit", leave("x1", "B 1", 9))
    await js.publish("parking.exit.north", leave("g", "GHOST", 9, lot="north"))
    both = b"[" + entry("e1", "B 1", 1, lot="west") + b"," + entry("e2", "B 2", 2) + b"]"
    await js.publish("parking.entry", both)
    await js.publish("parking.entry", both)
    await js.publish("parking.exit", leave("x1", "B 1", 9))
    await until(lambda: len(visits) == 2)
    matched, unmatched = visits
    assert (matched["vehicle_plate"], matched["lot"]) == ("B 1", "west")
    assert (unmatched["vehicle_plate"], unmatched["status"]) == ("GHOST", "unmatched")
    assert unmatched["reason"] == "no entry came within 1 s (PARKING_REORDER_SECONDS)"
    assert "entry_date_time" not in unmatched
    assert unmatched["processing_seconds"] < 5  # the waiting was meant
    assert [one.vehicle_plate for one in await parking_buckets.read_inside(js)] == ["B 2"]
    assert writer.total("parking_duplicates_total") == 3


async def test_what_cannot_be_a_visit_is_a_dead_letter_with_its_reason(
    client: Client, writer: ServiceProcess, visits: list[dict[str, Any]]
) -> None:
    js = client.jetstream()
    bad = [b"nonsense", entry("e", "", 1), leave("x", "B-1", 1).replace(b"+01:00", b""), b"[]"]
    for payload in bad:
        await js.publish("parking.exit" if b"exit" in payload else "parking.entry", payload)
    await js.publish("parking.entry", entry("first", "B-2", 1))
    await js.publish("parking.entry", entry("second", "B-2", 5))
    await js.publish(subjects.PARKING_SUMMARY, b'{"vehicle_plate":"B-3"}')
    await until(lambda: writer.total("parking_anomalies_total") == 1)
    await until(lambda: writer.total("writer_dead_lettered_points_total") == 1)
    found = {letter.kind: letter for letter in await letters(client)}
    assert sorted(letter.kind for letter in await letters(client)) == [
        *["invalid"] * 5,
        "second_entry",
    ]
    assert orjson.loads(found["second_entry"].payload)["id"] == "first"
    assert "a second entry at 2026-01-01T09:00:05Z" in found["second_entry"].reason
    assert visits == [{"vehicle_plate": "B-3"}]


async def test_visits_published_by_others_are_stored_and_counted_as_manual_once(
    client: Client, writer: ServiceProcess, settings: Settings
) -> None:
    js = client.jetstream()
    visit = {
        "vehicle_plate": "B-9",
        "entry_date_time": "2026-01-01T10:00:00Z",
        "exit_date_time": "2026-01-01T11:00:00Z",
    }
    for _ in range(3):
        await js.publish(subjects.PARKING_SUMMARY, orjson.dumps(visit))
    await until(lambda: writer.total("writer_stored_points_total") == 3)
    store = open_store(settings)
    [row] = await store.visits(VisitSelection(status="manual"), 0)
    await store.close()
    assert row.duration_seconds == 3600
    assert (await parking_buckets.read_totals(js)).manual == 1


async def test_matching_goes_on_after_nats_was_away_and_after_the_bucket_was_deleted(
    client: Client, writer: ServiceProcess, settings: Settings, nats_server: Server
) -> None:
    await client.jetstream().publish("parking.entry", entry("e1", "B-1", 1))
    await until(lambda: writer.total("parking_vehicles_inside") == 1)
    nats_server.kill()
    nats_server.start()
    again = await nats.connect(settings.nats_url)
    js = again.jetstream()
    await js.publish("parking.exit", leave("x1", "B-1", 5))
    await js.publish("parking.exit", leave("g1", "GHOST", 5))
    await until(lambda: writer.total("parking_visits_total") == 2)
    await js.delete_stream(subjects.bucket_stream(subjects.PARKING_BUCKET))
    await js.publish("parking.entry", entry("e2", "B-2", 1))
    await js.publish("parking.exit", leave("x2", "B-2", 5))
    await until(lambda: writer.total("parking_visits_total") == 3)
    await until(lambda: writer.health().get("status") == "ok")
    await again.close()


def test_every_question_about_parking_has_an_example_that_is_allowed() -> None:
    for query in parking_questions.QUESTIONS:
        params.parse(query.name, query.params, dict(query.example))
