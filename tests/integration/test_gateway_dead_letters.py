"""Dead letters over HTTP: listed, and replayed once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from spindle import subjects
from spindle.bus import deadletters
from spindle.errors import BusUnavailable
from spindle.ledger.numbering import Claims
from tests.http_calls import call
from tests.integration.gateway_world import World, address, world
from tests.waiting import PATIENCE_SECONDS


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
