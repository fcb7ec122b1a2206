"""``POST /save_summary``: a visit written down by hand goes the way of every other visit."""

from __future__ import annotations

import hashlib
import logging
import re
import uuid

import orjson
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import APIError

from gateway.failures import Failed, away
from gateway.nats_link import NATS_AWAY, Link
from gateway.settings import GatewaySettings
from spindle import models, subjects
from spindle.bus import numbered
from spindle.bus.buckets import Bucket, Overtaken, declare_bucket
from spindle.errors import BusUnavailable, InvalidInput
from spindle.ledger.numbering import Claims
from spindle.models import ParkingSummary
from spindle.service.checked_clock import CheckedClock
from spindle.text import shown

log = logging.getLogger("gateway")

LONGEST_KEY = 255
KEY = f"^[ -~]{{1,{LONGEST_KEY}}}$"  # an Idempotency-Key, as the API's document says too
PUBLISH_SECONDS = 5.0  # that NATS may take to acknowledge a visit
_KEY_SPACE = uuid.UUID("5f1c8f2e-3e0f-4b64-9a0e-3f6f4b1d2a77")  # ids made of Idempotency-Keys
_DONE = b" saved"
#: What a caller may say of a visit; its id and status are the gateway's.
FIELDS = ("vehicle_plate", "entry_date_time", "exit_date_time", "duration_seconds", "lot")


def visit(body: bytes, latest_ns: int) -> ParkingSummary:
    """The visit of a request's body. Pure.

    :param latest_ns: times after this are refused as lying in the future.
    :raises Failed: 422 with one sentence per mistake.
    """
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        mistake = f"not JSON: {error.msg} (at byte {error.pos})"
        raise Failed(422, mistake, [mistake]) from None
    if not isinstance(data, dict):
        mistake = f"expected a JSON object, given {shown(data)}"
        raise Failed(422, mistake, [mistake])
    given = {name: data[name] for name in FIELDS if name in data}
    try:
        return models.parse(ParkingSummary, {**given, "status": "manual"}, latest_ns)
    except InvalidInput as error:
        raise Failed(422, "; ".join(error.mistakes) or str(error), error.mistakes) from None


def checked_key(key: str) -> str:
    """An Idempotency-Key that can be taken.

    :raises Failed: 422.
    """
    if not re.fullmatch(KEY, key):
        raise Failed(
            422, f"Idempotency-Key: expected 1 to {LONGEST_KEY} printable ASCII characters"
        )
    return key


class ManualVisits:
    """Publishes visits, each once for its Idempotency-Key."""

    def __init__(self, link: Link, settings: GatewaySettings, clock: CheckedClock) -> None:
        self._link = link
        self._settings = settings
        self._clock = clock
        self._claims = Claims("gateway")
        self._keys: Bucket | None = None  # the bucket of known keys, once it is open

    async def save(self, body: bytes, key: str | None) -> ParkingSummary:
        """The visit, with its id, once NATS has acknowledged it.

        :param key: the Idempotency-Key; with the same key and body again nothing is published.
        :raises Failed: 422 a mistake, 409 the key came with another body, 503 NATS is away.
        """
        parsed = visit(body, self._clock.latest_ns())
        name = checked_key(key) if key is not None else None
        visit_id = str(uuid.uuid5(_KEY_SPACE, name) if name else uuid.uuid4())
        saved = parsed.model_copy(update={"id": visit_id})
        js = self._link.client.jetstream(timeout=PUBLISH_SECONDS)
        try:
            if name is None:
                await self._publish(js, saved)
            else:
                await self._publish_once(js, saved, name)
        except TimeoutError:
            raise away(
                f"{NATS_AWAY}; the visit may or may not be saved: repeating it with the same "
                "Idempotency-Key does no harm"
            ) from None
        except (NatsError, BusUnavailable) as error:
            raise away(f"NATS did not take the visit: {_why(error)}") from None
        log.info(
            "visit %s by hand: %s, %g s",
            visit_id,
            shown(saved.vehicle_plate),
            saved.duration_seconds,
        )
        return saved

    async def _publish_once(self, js: JetStreamContext, saved: ParkingSummary, name: str) -> None:
        """The key stands in a bucket with what it came with, before and after the visit is saved.

        So a gateway that was killed in between publishes the same id again, which is harmless.
        """
        bucket = self._keys = self._keys or await open_keys(js, self._settings)
        digest = hashlib.sha256(name.encode()).hexdigest()
        print_ = hashlib.sha256(saved.to_json()).hexdigest().encode()
        try:
            await bucket.replace(digest, print_, 0)
        except Overtaken:
            known = (await bucket.get(digest)).value
            if not known.startswith(print_):
                raise Failed(
                    409, "Idempotency-Key: it was used for another visit; use a new key for each"
                ) from None
            if known.endswith(_DONE):
                return
        await self._publish(js, saved)
        await bucket.put(digest, print_ + _DONE)

    async def _publish(self, js: JetStreamContext, saved: ParkingSummary) -> None:
        stream, subject = subjects.PARKING_SUMMARIES_STREAM, subjects.PARKING_SUMMARY
        manual = f"manual-{saved.id}"
        await numbered.publish(js, self._claims, manual, stream, subject, saved.to_json())
        for of_the_ledger, payload in self._claims.news():
            await self._link.client.publish(of_the_ledger, payload)


async def open_keys(js: JetStreamContext, settings: GatewaySettings) -> Bucket:
    """The bucket of known keys; made where it is missing, safely at once by many gateways."""
    await declare_bucket(js, subjects.GATEWAY_KEYS_BUCKET, settings)
    return Bucket(js, subjects.GATEWAY_KEYS_BUCKET)


def _why(error: Exception) -> str:
    if isinstance(error, APIError):
        return error.description or f"code {error.err_code}"
    return str(error) or type(error).__name__
