"""Points that the database refuses, inside batches of good ones."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator

from tests.chaos.numbers import HOUR_NS, Message
from tests.chaos.side_by_side import scenario
from tests.chaos.stores import FOREIGN
from tests.chaos.world import World, long_or_short

DAY_NS = 24 * HOUR_NS


@scenario("influxdb")
async def test_a_type_conflict_and_a_point_outside_retention_do_not_take_their_neighbours_along(
    world: World,
) -> None:
    await world.start_writer(retention_hours=168)
    now = time.time_ns()
    conflict, outside = now - 4 * DAY_NS, now - 30 * DAY_NS
    world.influx.write(f'device_metrics,device_id={FOREIGN} value="a text" {conflict}')
    world.influx.write(f"events,device_id={FOREIGN} criticality=1.5 {conflict}")
    numbers = world.numbers
    kinds: Iterator[Callable[[], Message]] = itertools.cycle(
        (
            lambda: numbers.refused_metrics(40, {7: conflict, 8: outside, 39: conflict}),
            lambda: numbers.refused_metrics(1, {0: outside}),
            lambda: numbers.refused_events(9, {4: conflict, 5: outside}),
            lambda: numbers.metrics(20),
        )
    )
    messages = int(long_or_short(1_000, 60))

    def make() -> Message:
        return next(kinds)()

    await world.publisher(make, rate=40).run(messages)
    await world.nothing_lost()
    assert numbers.dead == messages // 4 * 6
