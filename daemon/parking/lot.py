"""A parking lot that does not exist: who comes, how long they stay, who leaves. Pure.

Arrivals are a Poisson process whose rate follows a day's curve, made by thinning; stays are
log-normal; whoever comes to a full lot turns away. Some plates belong to regulars. Beside each
exit of a vehicle inside there is, by chance, one of a vehicle whose entry nobody saw.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal
from uuid import UUID

NS = 1_000_000_000
DAY_SECONDS = 86_400.0
#: Arrivals by hour of the day (UTC), as a share of the day's mean: two rush hours, a quiet night.
CURVE = (
    0.3, 0.3, 0.3, 0.3, 0.3, 0.5, 0.9, 1.7, 2.1, 1.6, 1.2, 1.2,
    1.4, 1.3, 1.1, 1.1, 1.4, 1.9, 1.6, 1.1, 0.8, 0.6, 0.4, 0.4,
)  # fmt: skip
SIGMA = 0.8  # of the logarithm of a stay
MEAN_OCCUPANCY = 0.65  # share of the capacity, over a day
LEAST_AT_THE_START = 0.4
REGULARS, REGULAR_SHARE = 60, 0.3
LONGEST_STEP_NS = 60 * NS  # a machine that was asleep does not make up for it
#: Ids of simulated events: what they brought in, the simulator may bring out again.
PREFIX = "sim-"

_TOWNS = ("B", "HH", "M", "K", "F", "S", "L", "DD", "HB", "H", "N", "KA", "FR", "MS", "ROS", "LDK")
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"  # those that are not taken for digits


@dataclass(frozen=True, slots=True)
class Passage:
    """An entry or an exit."""

    kind: Literal["entry", "exit"]
    id: str
    plate: str
    time_ns: int


@dataclass(frozen=True, slots=True)
class Habits:
    """How the lot is used.

    :ivar capacity: vehicles that fit.
    :ivar stay_seconds: the median stay.
    :ivar unmatched_share: of all exits, those without an entry.
    :ivar factor: how many times faster than a clock everything happens.
    """

    capacity: int
    stay_seconds: float
    unmatched_share: float
    factor: float

    @property
    def mean_stay_seconds(self) -> float:
        return self.stay_seconds * math.exp(SIGMA**2 / 2)

    @property
    def arrivals_per_second(self) -> float:
        """Mean arrivals per second over a day, by the lot's own clock."""
        return MEAN_OCCUPANCY * self.capacity / self.mean_stay_seconds


class Lot:
    """The same habits, seed and times give the same passages; another start gives other ids.

    Its own clock runs in seconds, from 0 at the start, ``factor`` times as fast as time.
    """

    def __init__(self, habits: Habits, seed: int) -> None:
        self._habits = habits
        self._seed = seed
        self._random = Random()  # seeded at the start
        self._exits: list[tuple[float, str]] = []  # heap: when who leaves
        self._inside: set[str] = set()
        self._regulars: list[str] = []
        self._clock = 0.0
        self._offset = 0.0  # the time of day at the start, in seconds
        self._next_arrival = 0.0
        self._now_ns = 0  # time at the last step

    @property
    def inside(self) -> int:
        """How many vehicles are inside now."""
        return len(self._inside)

    def begin(self, now_ns: int, adopted: Sequence[str]) -> list[Passage]:
        """Open the lot with vehicles that are inside already, or with some that came before.

        :param adopted: plates that an earlier simulation brought in.
        """
        self._random.seed(f"{self._seed}/{now_ns}")
        self._now_ns = now_ns
        self._offset = now_ns / NS % DAY_SECONDS
        self._regulars = [self._plate() for _ in range(REGULARS)]
        self._next_arrival = self._arrival_after(0.0)
        for plate in adopted:
            self._enter(plate, self._stay() * self._random.random())
        return [] if adopted else self._early()

    def step(self, now_ns: int) -> list[Passage]:
        """What happened since the last step, oldest first."""
        passed = min(max(0, now_ns - self._now_ns), LONGEST_STEP_NS)
        until = self._clock + passed / NS * self._habits.factor
        found: list[Passage] = []
        while True:
            leaving = self._exits[0][0] if self._exits else math.inf
            at = min(leaving, self._next_arrival)
            if at > until:
                break
            time_ns = now_ns - int((until - at) / self._habits.factor * NS)
            found += self._leave(time_ns) if leaving <= at else self._arrive(at, time_ns)
        self._clock, self._now_ns = until, max(now_ns, self._now_ns)
        return found

    def _early(self) -> list[Passage]:
        """Vehicles that came before the start, with the times when they did."""
        share = max(LEAST_AT_THE_START, min(0.9, MEAN_OCCUPANCY * self._rate_at(0.0)))
        found = []
        for _ in range(int(share * self._habits.capacity)):
            stay, passed = self._stay(), self._random.random()
            plate = self._somebody()
            self._enter(plate, stay * (1 - passed))
            before_ns = int(stay * passed / self._habits.factor * NS)
            found.append(Passage("entry", self._id(), plate, self._now_ns - before_ns))
        return sorted(found, key=lambda passage: passage.time_ns)

    def _arrive(self, at: float, time_ns: int) -> list[Passage]:
        self._next_arrival = self._arrival_after(at)
        if len(self._inside) >= self._habits.capacity:
            return []
        plate = self._somebody()
        self._enter(plate, at + self._stay())
        return [Passage("entry", self._id(), plate, time_ns)]

    def _enter(self, plate: str, until: float) -> None:
        self._inside.add(plate)
        heapq.heappush(self._exits, (until, plate))

    def _leave(self, time_ns: int) -> list[Passage]:
        """One vehicle, and as many whose entry nobody saw as keep their share."""
        _, plate = heapq.heappop(self._exits)
        self._inside.discard(plate)
        found = [Passage("exit", self._id(), plate, time_ns)]
        while self._random.random() < self._habits.unmatched_share:
            found.append(Passage("exit", self._id(), self._stranger(), time_ns))
        return found

    def _arrival_after(self, at: float) -> float:
        """When the next vehicle comes: a Poisson process at the highest rate, thinned."""
        highest = max(CURVE)
        while True:
            at += self._random.expovariate(self._habits.arrivals_per_second * highest)
            if self._random.random() * highest < self._rate_at(at):
                return at

    def _rate_at(self, clock: float) -> float:
        """Arrivals per second at this time of day, interpolated between the hours."""
        hour = (self._offset + clock) % DAY_SECONDS / 3600
        before, share = int(hour), hour % 1
        return CURVE[before] * (1 - share) + CURVE[(before + 1) % 24] * share

    def _stay(self) -> float:
        return self._random.lognormvariate(math.log(self._habits.stay_seconds), SIGMA)

    def _somebody(self) -> str:
        """A plate that is not inside."""
        if self._random.random() < REGULAR_SHARE:
            plate = self._random.choice(self._regulars)
            if plate not in self._inside:
                return plate
        return self._stranger()

    def _stranger(self) -> str:
        while True:
            plate = self._plate()
            if plate not in self._inside and plate not in self._regulars:
                return plate

    def _plate(self) -> str:
        letters = "".join(self._random.choices(_LETTERS, k=self._random.choice((1, 2, 2))))
        number = self._random.randint(1, 9999)
        return f"{self._random.choice(_TOWNS)}-{letters}{number}"

    def _id(self) -> str:
        return PREFIX + str(UUID(int=self._random.getrandbits(128), version=4))
