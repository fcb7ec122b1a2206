"""What the services read of parking's buckets: vehicles inside, and visits ever counted."""

from __future__ import annotations

from nats.errors import NoRespondersError
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from spindle import parking, subjects
from spindle.bus.buckets import Bucket
from spindle.parking import Inside, Totals


async def read_inside(js: JetStreamContext) -> list[Inside]:
    """Every vehicle inside, in no order; none where no matcher has ever run.

    :raises nats.errors.Error: NATS is away.
    """
    try:
        return [
            vehicle
            async for _, entry in Bucket(js, subjects.PARKING_BUCKET).last_values()
            if entry.live and (vehicle := parking.inside(entry.value))
        ]
    except NotFoundError:
        return []


async def read_vehicle(js: JetStreamContext, plate: str) -> Inside | None:
    """The vehicle with this plate, if it is inside; None where no matcher has ever run.

    :raises nats.errors.Error: NATS is away.
    """
    try:
        entry = await Bucket(js, subjects.PARKING_BUCKET).get(parking.key_of(plate))
    except NoRespondersError:
        return None
    return parking.inside(entry.value) if entry.live else None


async def read_totals(js: JetStreamContext) -> Totals:
    """The totals as they stand.

    :raises nats.errors.Error: NATS is away, or the bucket is not declared.
    """
    bucket = Bucket(js, subjects.PARKING_TOTALS_BUCKET)
    return parking.decode_totals((await bucket.get(subjects.PARKING_TOTALS_KEY)).value)
