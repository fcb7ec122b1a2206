"""Each device's health for Home Assistant, over NATS's own MQTT listener (HOME_ASSISTANT=true).

A device is announced by a discovery message; its state follows whenever it changes. Both are
retained: Home Assistant that starts later knows them at once. A device that is retired goes there,
too.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from nats.aio.client import Client

from client.ask import TIMEOUT_SECONDS, ask
from client.settings import ClientSettings
from spindle.bus.listener import mqtt_user_of
from spindle.errors import SpindleError
from spindle.service.run import Service

if TYPE_CHECKING:
    from paho.mqtt.client import Client as Mqtt

PART = "home_assistant"
SECONDS = 10.0
MOST_DEVICES = 1000
STATUS = "spindle/status"  # topic: online, or offline once this client is gone
STATES = ("ok", "warning", "critical", "unknown")
_LONGEST = 250  # characters of an attribute: Home Assistant takes 255 of a state


def messages(devices: Sequence[Mapping[str, Any]], page: str) -> Iterator[tuple[str, str]]:
    """Topic and payload of what is retained of each device. Pure.

    :param devices: as ``fleet_health`` and ``devices`` list them, with ``health`` and ``message``.
    :param page: address of the page, empty for no link.
    """
    for each in devices:
        own = (each["source_device"], each["array_id"] or "", each["device_id"])
        name = "-".join(re.sub(r"[^A-Za-z0-9_-]", "_", part) for part in own if part)
        topic = f"spindle/health/{name}"
        made_up = " (simulated)" if each.get("simulated") else ""
        device = {
            "identifiers": [f"spindle-{name}"],
            "name": f"{each['device_id']}{made_up}",
            "model": each.get("model") or each["source_device"],
            **({"configuration_url": f"{page.rstrip('/')}/"} if page else {}),
        }
        yield (
            f"homeassistant/sensor/spindle-{name}/config",
            json.dumps(
                {
                    "name": "Health",
                    "unique_id": f"spindle-{name}-health",
                    "device_class": "enum",
                    "options": STATES,
                    "state_topic": topic,
                    "value_template": "{{ value_json.health }}",
                    "json_attributes_topic": topic,
                    "availability_topic": STATUS,
                    "device": device,
                }
            ),
        )
        said = {"health": each["health"], "why": each["message"][:_LONGEST]}
        yield topic, json.dumps(said | ({"simulated": True} if made_up else {}))


class HomeAssistant:
    """Publishes what has changed, every few seconds; owns the health part ``home_assistant``."""

    def __init__(self, service: Service[ClientSettings], client: Client) -> None:
        self._service, self._client = service, client
        self._told: dict[str, str] = {}  # topic -> payload
        self._refused = ""

    async def run(self) -> None:
        """Sign in, and publish until the service stops."""
        mqtt = self._signed_in()
        try:
            while True:
                await self._publish(mqtt)
                if not await self._service.pause(SECONDS if mqtt.is_connected() else 1.0):
                    return
        finally:
            if mqtt.is_connected():
                mqtt.publish(STATUS, "offline", qos=1, retain=True).wait_for_publish(1.0)
            mqtt.disconnect()
            mqtt.loop_stop()

    def _signed_in(self) -> Mqtt:
        from paho.mqtt import client as paho  # noqa: PLC0415 - only where it is wanted
        from paho.mqtt.enums import CallbackAPIVersion  # noqa: PLC0415

        settings = self._service.settings
        mqtt = paho.Client(CallbackAPIVersion.VERSION2, client_id="spindle")
        if settings.nats_user:
            password = settings.nats_password.get_secret_value()
            mqtt.username_pw_set(mqtt_user_of(settings.nats_user), password)
        mqtt.will_set(STATUS, "offline", qos=1, retain=True)
        mqtt.on_connect = self._connected
        host = urlsplit(settings.nats_url.split(",")[0]).hostname or "127.0.0.1"
        mqtt.connect_async(host, settings.mqtt_port)
        mqtt.loop_start()
        return mqtt

    def _connected(self, mqtt: Mqtt, _data: object, _flags: object, code: Any, *_: object) -> None:
        """Called by a thread of the MQTT client's, at each connection."""
        self._refused = str(code) if code.is_failure else ""
        if not code.is_failure:
            self._told = {}
            mqtt.publish(STATUS, "online", qos=1, retain=True)

    async def _publish(self, mqtt: Mqtt) -> None:
        health = self._service.health
        if not mqtt.is_connected():
            port = self._service.settings.mqtt_port
            health.failing(PART, f"MQTT does not answer at port {port} {self._refused}".rstrip())
            return
        try:
            wanted = dict(messages(await self._devices(), self._service.settings.notify_page_url))
        except SpindleError as error:
            health.failing(PART, f"waiting for the reader: {error}")
            return
        gone = dict.fromkeys(self._told.keys() - wanted.keys(), "")
        for topic, payload in (wanted | gone).items():
            if self._told.get(topic) != payload:
                mqtt.publish(topic, payload, qos=1, retain=True)
        self._told = wanted
        health.ok(PART)

    async def _devices(self) -> list[dict[str, Any]]:
        subject = self._service.settings.nats_subject_request
        fleet, devices = await asyncio.gather(
            *(
                ask(self._client, subject, question, {"limit": MOST_DEVICES}, TIMEOUT_SECONDS)
                for question in ("fleet_health", "devices")
            )
        )
        why = {_key(each, "device"): each["reasons"] for each in fleet["data"]["devices"]}
        for each in devices["data"]:
            reasons = why.get(_key(each, "device_id"))
            each["message"] = reasons[0]["message"] if reasons else ""
        return list(devices["data"])


def _key(row: Mapping[str, Any], name: str) -> tuple[str, str, str]:
    return row["source_device"], row["array_id"] or "", row[name]
