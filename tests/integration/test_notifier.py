"""The client tells people: a real NATS server, a real SMTP server, a real HTTP receiver."""

from __future__ import annotations

import asyncio
import email
import email.message
import email.policy
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import nats
import orjson
import pytest
from aiosmtpd.controller import Controller

from spindle import subjects
from tests.servers import ROOT, Server, free_port
from tests.services import ServiceProcess
from tests.waiting import until


class Inbox:
    """An SMTP server that keeps what it gets."""

    def __init__(self, port: int) -> None:
        self.mails: list[email.message.EmailMessage] = []
        self._server = Controller(self, hostname="127.0.0.1", port=port)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, email.message.EmailMessage)
        self.mails.append(mail)
        return "250 OK"

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    @property
    def subjects(self) -> list[str]:
        return [str(mail["subject"]) for mail in self.mails]


class Hook:
    """An HTTP receiver that keeps what it gets."""

    def __init__(self, port: int) -> None:
        got: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                got.append(orjson.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.got = got
        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def places(nats_server: Server, tmp_path: Path) -> Iterator[tuple[ServiceProcess, Inbox, int]]:
    """A client that tells an inbox, which runs, and a hook, of which there is only the port."""
    smtp, http = free_port(), free_port()
    client = ServiceProcess(
        "client",
        tmp_path / "client",
        nats_url=f"nats://127.0.0.1:{nats_server.port}",
        notify_urls=f"mailto://127.0.0.1:{smtp}?from=spindle@example.org&to=me@example.org"
        f" json://127.0.0.1:{http}/hook?retry=0",
    )
    client.constants["client.notify.notifier.GROUP_SECONDS"] = 0.3
    inbox = Inbox(smtp)
    inbox.start()
    try:
        yield client, inbox, http
    finally:
        inbox.stop()
        client.stop()
        print(client.said())


def change(device: str, old: str, new: str) -> bytes:
    reason = {"severity": new, "message": f"DiskTemp 68 degC, at or above 60 degC ({new})"}
    return orjson.dumps(
        {
            "device": device, "source_device": "DiskUnit", "array_id": "array1",
            "old_state": old, "new_state": new, "time": "2026-11-28T09:00:00Z",
            "simulated": False, "reasons": [] if new == "ok" else [reason],
        }
    )  # fmt: skip


def part(client: ServiceProcess) -> str:
    """What ``/healthz`` says of telling people."""
    parts: Any = client.health().get("parts") or {}
    return str(parts.get("notify"))


async def publish(server: Server, *payloads: bytes) -> None:
    connection = await nats.connect(f"nats://127.0.0.1:{server.port}")
    for payload in payloads:
        await connection.jetstream().publish(f"{subjects.HEALTH_CHANGED}.DiskUnit.d", payload)
    await connection.close()


async def test_a_change_arrives_once_and_its_end_too_though_another_address_is_down(
    places: tuple[ServiceProcess, Inbox, int], nats_server: Server
) -> None:
    client, inbox, http = places
    client.start(wait=False)
    await until(lambda: part(client) == "ok")
    await publish(nats_server, change("disk-3", "ok", "critical"))
    await until(lambda: len(inbox.mails) == 1)
    await publish(nats_server, change("disk-3", "critical", "ok"))
    await until(lambda: len(inbox.mails) == 2)
    assert inbox.subjects == ["array1/disk-3: critical", "array1/disk-3: well again"]
    body = inbox.mails[0].get_body(("plain",))
    assert body is not None
    assert "DiskTemp 68 °C, at or above 60 °C (critical)." in body.get_content()
    assert "/#/device/DiskUnit/disk-3/array1" in body.get_content()
    await until(lambda: "tried again: json://127.0.0.1" in part(client))
    hook = Hook(http)  # it is back, and hears of what was meanwhile
    await until(lambda: len(hook.got) == 1)
    assert hook.got[0]["title"] == "array1/disk-3: well again"
    assert "was critical" in hook.got[0]["message"]
    await until(lambda: part(client) == "ok")
    assert len(inbox.mails) == 2
    hook.stop()


async def test_many_at_once_are_one_message_and_nothing_is_lost_over_a_restart(
    places: tuple[ServiceProcess, Inbox, int], nats_server: Server
) -> None:
    client, inbox, http = places
    hook = Hook(http)
    client.start(wait=False)
    await until(lambda: part(client) == "ok")
    await publish(nats_server, b"nonsense", *(change(f"d{n}", "ok", "critical") for n in range(12)))
    await until(lambda: len(inbox.mails) == 1)
    assert inbox.subjects == ["12 devices: 12 critical"]
    client.stop()
    await publish(nats_server, change("d1", "critical", "ok"))
    client.start(wait=False)
    await until(lambda: len(inbox.mails) == 2)
    assert inbox.subjects[1] == "array1/d1: well again"
    await until(lambda: len(hook.got) == 2)
    hook.stop()


async def test_notify_test_tells_each_address_and_says_which_failed(
    places: tuple[ServiceProcess, Inbox, int], tmp_path: Path
) -> None:
    client, inbox, http = places
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **client.settings, "COLUMNS": "200"}
    command = [sys.executable, "-m", "client", "notify-test"]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert inbox.subjects == ["Spindle: a test"]
    assert [line.split()[-1] for line in done.stdout.splitlines() if "mailto" in line] == ["told"]
    assert f"127.0.0.1:{http}" in done.stdout
    env["NOTIFY_URLS"] = ""
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "NOTIFY_URLS is empty" in done.stderr) == (2, True)
