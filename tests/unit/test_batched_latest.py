"""Many questions about one device each, in the same moment, share queries of the store."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from reader.lookups.stored import shared_queries as module
from reader.lookups.stored.shared_queries import AT_ONCE, MOST_DEVICES, BatchedLatest
from spindle.errors import StoreUnavailable
from spindle.store.base import Latest, Selection, Store


class SlowStore:
    """Answers when it is told to; knows ``disk-<n>`` with the reading n."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[str, ...], int]] = []
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def latest(
        self, which: Selection, since_ns: int, until_ns: int | None = None
    ) -> list[Latest]:
        devices = which.device_ids or ()
        self.asked.append((devices, since_ns))
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return [
            Latest("DiskUnit", metric, device, "", 1, float(device.removeprefix("disk-")))
            for device in devices
            if device.startswith("disk-")
            for metric in ("DiskTemp", "IOPs")
        ]


def asking(
    newest: BatchedLatest, store: SlowStore, *devices: str
) -> list[asyncio.Task[list[Latest]]]:
    return [
        asyncio.create_task(newest.readings(cast("Store", store), device, 100 + n))
        for n, device in enumerate(devices)
    ]


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_asks_in_the_same_moment_is_answered_by_one_query_each_with_its_own() -> None:
    store = SlowStore()
    store.go.set()
    found = await asyncio.gather(
        *asking(BatchedLatest(), store, "disk-1", "disk-2", "disk-1", "other")
    )
    assert store.asked == [(("disk-1", "disk-2", "other"), 100)]
    assert [[one.value for one in each] for each in found] == [[1, 1], [2, 2], [1, 1], []]


async def test_one_alone_is_asked_for_at_once_and_later_ones_go_together() -> None:
    store, newest = SlowStore(), BatchedLatest()
    tasks = asking(newest, store, "disk-0")
    await settle()
    assert store.asked == [(("disk-0",), 100)]
    for n in range(MOST_DEVICES + 3):
        tasks += asking(newest, store, f"disk-{100 + n}")
        await settle()
    assert len(store.asked) == 1, "they wait for the first"
    store.go.set()
    await asyncio.gather(*tasks)
    assert [len(devices) for devices, _ in store.asked] == [1, MOST_DEVICES, 3]


async def test_a_query_that_takes_long_does_not_hold_up_the_next_but_there_are_never_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.001)
    store, newest = SlowStore(), BatchedLatest()
    tasks = []
    for n in range(AT_ONCE + 3):
        tasks += asking(newest, store, f"disk-{n}")
        await asyncio.sleep(0.01)
    assert [len(devices) for devices, _ in store.asked] == [1] * AT_ONCE
    store.go.set()
    await asyncio.gather(*tasks)
    assert [len(devices) for devices, _ in store.asked] == [1] * AT_ONCE + [3]


async def test_a_failure_is_told_to_all_who_waited_for_it_and_not_kept() -> None:
    store, newest = SlowStore(), BatchedLatest()
    store.error = StoreUnavailable("away")
    tasks = asking(newest, store, "disk-1", "disk-2", "disk-1")
    await settle()
    store.go.set()
    assert [type(each) for each in await asyncio.gather(*tasks, return_exceptions=True)] == [
        StoreUnavailable
    ] * 3
    store.error = None
    [again] = await asyncio.gather(*asking(newest, store, "disk-1"))
    assert again[0].value == 1


async def test_who_gives_up_disturbs_nobody() -> None:
    store, newest = SlowStore(), BatchedLatest()
    impatient, patient, other = asking(newest, store, "disk-1", "disk-1", "disk-2")
    await settle()
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    store.go.set()
    assert [(await patient)[0].value, (await other)[0].value] == [1, 2]
