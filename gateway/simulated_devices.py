"""Which devices do not exist: what is told of them as it happens says so."""

from __future__ import annotations

import contextlib
from typing import Any

import orjson
from nats.aio.client import Client

from gateway.settings import GatewaySettings
from spindle import models, subjects
from spindle.bus.bucket_follower import BucketFollower
from spindle.errors import InvalidInput
from spindle.models import DeviceFacts
from spindle.service.run import Service

_MOST = 100_000  # devices


class SimulatedDevices:
    """Follows the facts of devices."""

    def __init__(self, service: Service[GatewaySettings]) -> None:
        self._service = service
        self._known: set[tuple[str, str, str]] = set()

    def follower(self, client: Client, listener: Client) -> BucketFollower:
        """What keeps this up to date, until the service stops."""
        heard = f"{subjects.FACTS}."
        return BucketFollower(
            subjects.DEVICES_BUCKET, heard, self._take, client, listener, self._service.pause
        )

    def _take(self, _key: str, payload: bytes) -> None:
        with contextlib.suppress(ValueError, InvalidInput):
            facts = models.parse(
                DeviceFacts, orjson.loads(payload), self._service.clock.latest_ns()
            )
            key = facts.source_device, facts.device_id, facts.array_id or ""
            if facts.simulated and len(self._known) < _MOST:
                self._known.add(key)
            else:
                self._known.discard(key)

    def marks(self, source_device: str, device_id: str, array_id: str | None) -> dict[str, Any]:
        """``{"simulated": True}`` of such a device; its facts may name no array."""
        known = {(source_device, device_id, array) for array in (array_id or "", "")}
        return {"simulated": True} if known & self._known else {}
