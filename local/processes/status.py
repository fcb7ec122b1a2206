"""What runs and how it is: supervisord's word and each service's own ``/healthz``, as one table."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from local.nats import server as nats
from local.processes.supervisor import ProcessState
from local.services import NATS

PROBE_SECONDS = 3.0


def _any_certificate() -> ssl.SSLContext:
    """The gateway's certificate is of the name that others know it by, not of 127.0.0.1."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


#: What runs on this machine is asked directly, whatever proxy the environment names.
_DIRECT = urllib.request.build_opener(
    urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=_any_certificate())
)


@dataclass(frozen=True, slots=True)
class Row:
    """One service's line in ``status``.

    :ivar since: RFC 3339, UTC; empty when unknown.
    :ivar health: ``ok``, or the reason why not.
    """

    service: str
    state: str
    since: str
    pid: int
    health: str

    @property
    def healthy(self) -> bool:
        return self.health == "ok"


def row(process: ProcessState, answer: Mapping[str, Any] | None) -> Row:
    """What is shown of one service, from what supervisord and ``/healthz`` say.

    :param answer: the JSON of ``/healthz``; None when nothing answered.
    """
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(process.since)) if process.since else ""
    return Row(process.name, process.state.lower(), since, process.pid, _health_of(process, answer))


def _health_of(process: ProcessState, answer: Mapping[str, Any] | None) -> str:
    if process.state in ("BACKOFF", "EXITED", "FATAL"):
        return "it ends by itself and is started again; its log says why"
    if process.state not in ("RUNNING", "STARTING"):
        return "-"
    if answer is None:
        return "does not answer yet"
    parts: Mapping[str, str] = answer.get("parts") or {}
    failing = [f"{part}: {why}" for part, why in parts.items() if why != "ok"]
    if failing:
        return "; ".join(failing)
    status = str(answer.get("status", "unknown"))
    return "ok" if status == "ok" else str(answer.get("error", status))


def rows(states: Mapping[str, ProcessState], pages: Mapping[str, str]) -> list[Row]:
    """Every service's row; asks all of them at once.

    :param pages: service -> address of its ``/healthz``.
    """
    with ThreadPoolExecutor(max_workers=max(len(states), 1)) as pool:
        answers = pool.map(lambda name: fetch(pages[name]), states)
        return [
            row(process, answer) for process, answer in zip(states.values(), answers, strict=True)
        ]


def fetch(url: str) -> dict[str, Any] | None:
    """The JSON object at ``url``, whatever its status; None when nothing useful answers."""
    try:
        with _DIRECT.open(url, timeout=PROBE_SECONDS) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:
        body = error.read()
    except (OSError, http.client.HTTPException):
        return None
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def broker(page: str) -> nats.Broker:
    """What the local NATS says of itself.

    :param page: the address of its ``/healthz``.
    """
    varz = fetch(page.removesuffix("/healthz") + "/varz")
    return nats.broker(varz) if varz else nats.UNKNOWN_BROKER


def page(service: str, host: str, port: int, *, tls: bool = False) -> str:
    """Where a service's ``/healthz`` is asked from this machine."""
    if service == NATS or host in ("0.0.0.0", "::", ""):  # noqa: S104 - asked, not bound
        host = "127.0.0.1"
    scheme = "https" if tls else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/healthz"
