"""Health over MQTT: nats-server's own listener, the client as a service, a real MQTT client."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from nats.aio.msg import Msg
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.guarded_nats import Broker, guarded
from tests.services import ServiceProcess
from tests.waiting import until

CONFIG = "homeassistant/sensor/spindle-DiskUnit-array1-disk-3/config"
STATE = "spindle/health/DiskUnit-array1-disk-3"


class House:
    """What Home Assistant has heard: topic -> payload, of retained messages and of later ones."""

    def __init__(self, broker: Broker, user: str = "homeassistant", password: str = "") -> None:
        self.heard: dict[str, str] = {}
        self.refused = ""
        self.mqtt = paho.Client(CallbackAPIVersion.VERSION2)
        if user:
            self.mqtt.username_pw_set(user, password or broker.passwords[user])
        self.mqtt.on_message = self._take
        self.mqtt.on_connect = self._connected
        self.mqtt.connect("127.0.0.1", broker.mqtt_port)
        self.mqtt.loop_start()

    def _take(self, _mqtt: Any, _data: object, message: Any) -> None:
        self.heard[message.topic] = message.payload.decode()

    def _connected(self, mqtt: Any, _data: object, _flags: object, code: Any, *_: object) -> None:
        self.refused = str(code) if code.is_failure else ""
        mqtt.subscribe([("homeassistant/#", 1), ("spindle/#", 1)])


@contextlib.contextmanager
def house(broker: Broker, user: str = "homeassistant", password: str = "") -> Iterator[House]:
    made = House(broker, user, password)
    try:
        yield made
    finally:
        made.mqtt.disconnect()
        made.mqtt.loop_stop()


def answer(health: str) -> dict[str, Any]:
    device = {"source_device": "DiskUnit", "array_id": "array1", "simulated": True}
    reasons = [{"message": "DiskTemp 68 degC"}] if health != "ok" else []
    devices = [{**device, "device_id": "disk-3", "health": health, "metrics": {}}]
    sick = [{**device, "device": "disk-3", "health": health, "reasons": reasons}]
    return {"devices": devices if health else [], "fleet_health": {"devices": sick}}


async def test_home_assistant_is_told_of_each_device_and_knows_it_after_a_restart(
    tmp_path: Path,
) -> None:
    told = {"health": "ok"}
    with guarded(tmp_path, home_assistant=True) as broker:
        client = ServiceProcess(
            "client",
            tmp_path / "client",
            nats_url=broker.url,
            nats_user="client",
            nats_password=broker.passwords["client"],
            home_assistant=True,
            mqtt_port=broker.mqtt_port,
        )
        client.constants["client.home_assistant.SECONDS"] = 0.1
        async with broker.as_user("reader") as (reader, _):

            async def reply(message: Msg) -> None:
                asked = orjson.loads(message.data)["query_type"]
                data = answer(told["health"]).get(asked, [])
                await message.respond(orjson.dumps({"status": "success", "data": data}))

            await reader.subscribe("reader.query", cb=reply)
            client.start(wait=False)
            try:
                with house(broker) as first:
                    await until(lambda: STATE in first.heard and CONFIG in first.heard)
                    config = json.loads(first.heard[CONFIG])
                    assert config["state_topic"] == STATE
                    assert config["device"]["name"] == "disk-3 (simulated)"
                    assert json.loads(first.heard[STATE])["health"] == "ok"
                    assert first.heard[config["availability_topic"]] == "online"
                    told["health"] = "critical"
                    await until(lambda: "critical" in first.heard[STATE])
                    assert json.loads(first.heard[STATE])["why"] == "DiskTemp 68 degC"
                with house(broker) as later:  # what was said before it came is retained
                    await until(lambda: "critical" in later.heard.get(STATE, ""))
                    assert CONFIG in later.heard
                    told["health"] = ""  # retired
                    await until(lambda: later.heard[CONFIG] == later.heard[STATE] == "")
                    client.stop()
                    await until(lambda: later.heard["spindle/status"] == "offline")
            finally:
                client.stop()
                print(client.said())


async def test_nobody_else_hears_or_says_anything_over_mqtt(tmp_path: Path) -> None:
    with guarded(tmp_path, home_assistant=True) as broker:
        with house(broker, password="wrong") as stranger:
            await until(lambda: stranger.refused)
        with house(broker) as ours:
            heard: list[str] = []
            async with broker.as_user("operator") as (operator, _):

                async def take(message: Msg) -> None:
                    heard.append(message.subject)

                await operator.subscribe("events.>", cb=take)
                await operator.flush()
                await until(ours.mqtt.is_connected)
                ours.mqtt.publish("events/event", "{}", qos=0)
                ours.mqtt.publish("homeassistant/status", "online", qos=1).wait_for_publish(5)
                await operator.flush()
            assert heard == []
