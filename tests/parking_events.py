"""Entries and exits for tests: histories, how they are delivered, and a brute-force matcher."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

import orjson

from spindle import timestamps
from spindle.timestamps import NS

NOON = 1_700_000_000 * NS


@dataclass(frozen=True, slots=True)
class Event:
    """One entry or exit as a publisher knows it."""

    kind: str
    id: str
    plate: str
    time_ns: int

    @property
    def subject(self) -> str:
        return f"parking.{self.kind}"

    @property
    def payload(self) -> bytes:
        data = {
            "id": self.id,
            "vehicle_plate": self.plate,
            f"{self.kind}_date_time": timestamps.format_ns(self.time_ns),
        }
        return orjson.dumps(data)


#: (plate, entry or None, exit)
Stay = tuple[str, str | None, str]


def history(count: int, vehicles: int, random: Random) -> list[Event]:
    """So many events in the order of their times; of five exits one has no entry."""
    inside: dict[str, bool] = {}
    found: list[Event] = []
    while len(found) < count:
        number = len(found)
        time_ns = NOON + number * NS + random.randrange(NS)
        plate = f"B-XY{random.randrange(vehicles)}"
        if inside.get(plate) and random.random() < 0.2:
            found.append(Event("exit", f"x{number}", f"GHOST {number}", time_ns))
            continue
        kind = "exit" if inside.get(plate) else "entry"
        inside[plate] = kind == "entry"
        found.append(Event(kind, f"{kind[0]}{number}", plate, time_ns))
    return found


def delivered(events: list[Event], swapped: float, repeated: float, random: Random) -> list[Event]:
    """The events as they arrive: a share of neighbours of one vehicle change places, and a share of
    all arrives again later."""
    order = list(events)
    places: dict[str, list[int]] = {}
    for place, event in enumerate(order):
        places.setdefault(event.plate, []).append(place)
    pairs = [
        pair for of_one in places.values() for pair in zip(of_one[::2], of_one[1::2], strict=False)
    ]
    for first, second in random.sample(pairs, min(len(pairs), int(len(events) * swapped / 2))):
        order[first], order[second] = order[second], order[first]
    again = {place for place in range(len(order)) if random.random() < repeated}
    late: list[tuple[int, Event]] = []
    found: list[Event] = []
    for place, event in enumerate(order):
        found.append(event)
        if place in again:
            late.append((place + random.randrange(1, 500), event))
        found += [one for due, one in late if due == place]
    return found + [one for due, one in late if due >= len(order)]


def brute_force(events: Iterable[Event]) -> tuple[Counter[Stay], set[str]]:
    """Every stay, and the plates of vehicles inside, by walking through all events in time."""
    stays: Counter[Stay] = Counter()
    inside: dict[str, int] = {}
    for event in sorted(set(events), key=lambda one: one.time_ns):
        if event.kind == "entry":
            assert event.plate not in inside
            inside[event.plate] = event.time_ns
        else:
            entry_ns = inside.pop(event.plate, None)
            entry = None if entry_ns is None else timestamps.format_ns(entry_ns)
            stays[event.plate, entry, timestamps.format_ns(event.time_ns)] += 1
    return stays, set(inside)
