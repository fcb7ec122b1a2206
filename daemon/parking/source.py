"""The simulated parking lot as a source of ``parking.entry`` and ``parking.exit``."""

from __future__ import annotations

import asyncio
import logging
import threading

import orjson
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from daemon.messages import Message
from daemon.parking.lot import PREFIX, Habits, Lot, Passage
from daemon.settings import DaemonSettings
from spindle import bus, parking, subjects, timestamps

log = logging.getLogger("daemon.parking")

PAUSE_SECONDS = 1.0


class ParkingSource:
    """See ``Lot``. It says nothing until it is told who is inside."""

    name = "parking"

    def __init__(self, settings: DaemonSettings) -> None:
        habits = Habits(
            capacity=settings.parking_capacity,
            stay_seconds=settings.parking_stay_minutes * 60,
            unmatched_share=settings.parking_unmatched_share,
            factor=settings.parking_time_factor,
        )
        self._lot = Lot(habits, settings.simulated_seed)
        self._lock = threading.Lock()  # ticks run on threads
        self._adopted: list[str] | None = None  # None: nobody has said yet
        self._begun = False

    def adopt(self, plates: list[str]) -> None:
        """Begin, with these vehicles inside."""
        with self._lock:
            self._adopted = plates

    def tick(self, now_ns: int) -> list[Message]:
        """What happened since the last tick."""
        with self._lock:
            if self._adopted is None:
                return []
            if self._begun:
                passages = self._lot.step(now_ns)
            else:
                self._begun = True
                passages = self._lot.begin(now_ns, self._adopted)
            return [message(one) for one in passages]


async def who_is_inside(settings: DaemonSettings) -> list[str]:
    """Plates that an earlier simulation brought in and not out; waits until NATS answers.

    What others published is left alone: it is known by the ids of the entries.
    """
    client = await bus.connect(settings, "daemon-parking")
    try:
        while True:
            await bus.declare(client, settings)
            try:
                vehicles = await parking.read_inside(client.jetstream())
            except (NatsError, JetStreamError, TimeoutError) as error:
                log.info("waiting to read who is inside: %s", error or type(error).__name__)
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return [v.vehicle_plate for v in vehicles if v.entry_id.startswith(PREFIX)]
    finally:
        await bus.close(client)


def message(passage: Passage) -> Message:
    """Row 24's JSON; its id is the message's, so a repeat is recognised."""
    payload = {
        "id": passage.id,
        "vehicle_plate": passage.plate,
        f"{passage.kind}_date_time": timestamps.format_ns(passage.time_ns),
    }
    subject = subjects.PARKING_ENTRY if passage.kind == "entry" else subjects.PARKING_EXIT
    return Message(subjects.PARKING_STREAM, subject, orjson.dumps(payload), 1, passage.id)
