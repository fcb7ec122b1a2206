"""Two hosts that each call a disk ``sda``: two devices in every answer, from publisher to page."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from reader.detection import anomaly
from reader.watching import fleet_health, ownership, session
from spindle.store.base import Series, Store
from spindle.timestamps import NS, format_ns
from tests.asking import ask, reading
from tests.servers import Server
from tests.waiting import until

HOT, COOL = 70.0, 35.0


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(fleet_health, "HEALTH_SECONDS", 0.1)
    monkeypatch.setattr(anomaly, "STEP_SECONDS", 1.0)
    monkeypatch.setattr(ownership, "BEAT_SECONDS", 0.1)


class Hosts:
    """What both publish, each second, stored and heard by the watch."""

    def __init__(self, store: Store, client: Client) -> None:
        self._store, self._client = store, client

    async def say(self, begin_ns: int, seconds: int, hot: float = HOT) -> None:
        for array, value in (("hostA", hot), ("hostB", COOL)):
            series = Series("DiskUnit", "DiskTemp", "sda", array)
            said = [(begin_ns + n * NS, value + 0.01 * (n * 7 % 5)) for n in range(seconds)]
            await self._store.write_points([(series, at, v) for at, v in said])
            payload = [
                {
                    "timestamp": format_ns(at),
                    "sourceDevice": "DiskUnit",
                    "deviceId": "sda",
                    "arrayId": array,
                    "metricType": "DiskTemp",
                    "value": v,
                }
                for at, v in said
            ]
            await self._client.publish("events.metrics", orjson.dumps(payload))
        await self._client.flush()


@pytest.mark.fault("1")
async def test_two_hosts_sda_stay_two_and_reasons_name_the_host(
    nats_server: Server, store: Store, client: Client
) -> None:
    told: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []

    async def hear(message: Msg) -> None:
        said = orjson.loads(message.data)
        (changes if message.subject.startswith("health.") else told).append(said)

    for subject in ("events.event.>", "health.changed.>"):
        await client.subscribe(subject, cb=hear)
    hosts, now = Hosts(store, client), time.time_ns() // NS * NS
    await hosts.say(now - 700 * NS, 640, hot=COOL + 1)
    async with reading(nats_server, store, reader_watch=True):

        async def is_followed() -> bool:
            return (await ask(client, "anomalies")).get("source") == "watch"

        await until(is_followed)
        await hosts.say(now - 60 * NS, 61)
        await until(lambda: told and changes)

        (change,) = changes
        assert (change["device"], change["array_id"]) == ("sda", "hostA")
        assert {event["arrayId"] for event in told} == {"hostA"}

        both = await ask(client, "device_health", device_id="sda")
        assert both["data"]["health"] == "critical"
        assert both["data"]["counts"] == {"ok": 1, "unknown": 0, "warning": 0, "critical": 1}
        assert both["note"] == (
            "sda is 2 devices: DiskUnit of hostA, DiskUnit of hostB; array_id=... or "
            "source_device=... asks for one"
        )
        assert {reason["array_id"] for reason in both["data"]["reasons"]} == {"hostA"}
        assert both["data"]["reasons"][0]["message"].startswith("hostA: DiskTemp 70")

        states = {}
        for array in ("hostA", "hostB"):
            reply = await ask(client, "device_health", device_id="sda", array_id=array)
            assert "note" not in reply
            states[array] = reply["data"]["health"]
        assert states == {"hostA": "critical", "hostB": "ok"}

        fleet = (await ask(client, "fleet_health"))["data"]
        assert fleet["devices_known"] == 2
        assert [(row["device"], row["array_id"]) for row in fleet["devices"]] == [("sda", "hostA")]
        rows = (await ask(client, "devices", device_id="sda"))["data"]
        assert [(row["array_id"], round(row["metrics"]["DiskTemp"]["value"])) for row in rows] == [
            ("hostA", 70),
            ("hostB", 35),
        ]
        unusual = (await ask(client, "anomalies", device_id="sda"))["data"]
        assert {row["array_id"] for row in unusual} == {"hostA"}
        assert (await ask(client, "anomalies", device_id="sda", array_id="hostB"))["data"] == []
        risen = await ask(client, "anomaly_temperature", device_id="sda")
        assert (risen["data"]["array_id"], risen["data"]["devices_compared"]) == ("hostA", 2)
        series = await ask(client, "series", device_id="sda", array_id="hostB")
        assert {row["array_id"] for row in series["data"]} == {"hostB"}
        assert "note" in await ask(client, "series", device_id="sda")
        events = await ask(client, "alerts_critical", device_id="sda", array_id="hostB")
        assert events["data"] == []
