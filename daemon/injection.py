"""Requests on ``simulation.inject``: begin a fault on a simulated device, or end one.

``{"fault": "overheat", "device_id": "array1-disk3", "for": "5m"}`` begins one (``for`` may be
missing), ``{"fault": "stop", "device_id": ...}`` ends it. The answer is
``{"status": "success", "data": <the truth about it>}`` or ``{"status": "error", "message": ...}``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any

import orjson
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from daemon.simulator.source import Simulator
from spindle.errors import InvalidInput
from spindle.models import shown

log = logging.getLogger("daemon.injection")

STOP = "stop"
KEYS = ("fault", "device_id", "for")
_EXPECTED = (
    'expected a JSON object such as {"fault":"overheat","device_id":"array1-disk3","for":"5m"}'
)


class Injection:
    """Answers requests for faults; without a simulator, that there is none."""

    def __init__(self, simulator: Simulator | None) -> None:
        self._simulator = simulator

    async def answer(self, request: Msg) -> None:
        """Do what one request asks for, and say what was done."""
        try:
            # In a thread: a tick of a large fleet may hold what this needs.
            data = await asyncio.to_thread(self.obey, request.data, time.time_ns())
            reply: dict[str, Any] = {"status": "success", "data": data}
        except InvalidInput as error:
            reply = {"status": "error", "message": str(error)}
        if request.reply:
            with contextlib.suppress(NatsError):  # whoever asked asks again
                await request.respond(orjson.dumps(reply))

    def obey(self, payload: bytes, now_ns: int) -> Any:
        """The truth about the fault that was begun or ended.

        :raises InvalidInput: the request is none that can be followed.
        """
        wanted = _parse(payload)
        if self._simulator is None:
            raise InvalidInput("nothing is simulated here: simulator is not among DAEMON_SOURCES")
        if wanted.get("fault") == STOP:
            done = self._simulator.stop(wanted.get("device_id"), now_ns)
        else:
            done = self._simulator.inject(
                wanted.get("fault"), wanted.get("device_id"), wanted.get("for"), now_ns
            )
        log.info("%s on %s until %s", done["fault"], done["device_id"], done["to"])
        return done


def _parse(payload: bytes) -> dict[str, Any]:
    try:
        wanted = orjson.loads(payload)
    except orjson.JSONDecodeError:
        wanted = None
    if not isinstance(wanted, dict):
        raise InvalidInput(f"the request is no JSON object: {_EXPECTED}")
    if unknown := [shown(key) for key in wanted if key not in KEYS]:
        raise InvalidInput(f"given {', '.join(unknown)}, expected only {', '.join(KEYS)}")
    return wanted
