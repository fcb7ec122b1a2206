"""The simulated parking lot as a source of ``parking.entry`` and ``parking.exit``."""

from __future__ import annotations

import asyncio
import logging

import orjson
from nats.errors import Error as NatsError
from pydantic import Field

from daemon.messages import Message
from daemon.parking.lot import PREFIX, Habits, Lot, Passage
from daemon.source import Source, SourceSettings
from spindle import bus, subjects, timestamps
from spindle.bus import parking_buckets
from spindle.settings import Settings

log = logging.getLogger("daemon.parking")

PAUSE_SECONDS = 1.0
#: Of all exits, those of vehicles whose entry nobody saw: what the old platform simulated.
UNMATCHED_SHARE = 0.2
STAY_SECONDS = 75 * 60.0  # the median stay


class ParkingSettings(SourceSettings):
    """How large the simulated parking lot is, and how busy."""

    parking_capacity: int = Field(
        200, ge=1, le=1_000_000, description="Vehicles that fit into the simulated parking lot."
    )
    parking_time_factor: float = Field(
        1.0,
        gt=0,
        le=100_000,
        description="How many times faster than a clock the simulated parking lot runs: "
        "288 is a day in five minutes.",
    )


class ParkingSource(Source):
    """The vehicles that pass a lot's gates; see ``Lot``."""

    name = "parking"
    about = "a parking lot that does not exist"
    settings_type = ParkingSettings

    def __init__(self, settings: ParkingSettings, seed: int = 1) -> None:
        super().__init__(settings)
        self._settings = settings
        habits = Habits(
            capacity=settings.parking_capacity,
            stay_seconds=STAY_SECONDS,
            unmatched_share=UNMATCHED_SHARE,
            factor=settings.parking_time_factor,
        )
        self._lot = Lot(habits, seed)
        self._adopted: list[str] = []  # plates that an earlier simulation brought in
        self._begun = False

    async def start(self) -> None:
        """Learn from NATS which vehicles are inside."""
        self._adopted = await who_is_inside(self._settings)

    def read(self, now_ns: int) -> list[Message]:
        """Entries and exits since the last reading."""
        if self._begun:
            passages = self._lot.step(now_ns)
        else:
            self._begun = True
            passages = self._lot.begin(now_ns, self._adopted)
        return [message(one) for one in passages]


async def who_is_inside(settings: Settings) -> list[str]:
    """Plates that an earlier simulation brought in and not out; waits until NATS answers.

    What others published is left alone: it is known by the ids of the entries.
    """
    client = await bus.connect(settings, "daemon-parking")
    try:
        while True:
            await bus.declare(client, settings)
            try:
                vehicles = await parking_buckets.read_inside(client.jetstream())
            except (NatsError, TimeoutError) as error:
                log.info("waiting to read who is inside: %s", error or type(error).__name__)
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return [v.vehicle_plate for v in vehicles if v.entry_id.startswith(PREFIX)]
    finally:
        await bus.close(client)


def message(passage: Passage) -> Message:
    """One entry or exit as a message; its id is the message's, so a repeat is recognised."""
    payload = {
        "id": passage.id,
        "vehicle_plate": passage.plate,
        f"{passage.kind}_date_time": timestamps.format_ns(passage.time_ns),
    }
    subject = subjects.PARKING_ENTRY if passage.kind == "entry" else subjects.PARKING_EXIT
    return Message(subjects.PARKING_STREAM, subject, orjson.dumps(payload), 1, passage.id)
