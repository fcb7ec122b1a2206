"""Which ports are needed, and who holds one that is taken."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psutil

_ENDING_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Port:
    """A port that a service will listen on, and the setting that moves it."""

    setting: str
    host: str
    number: int


def mistakes(ports: Sequence[Port]) -> list[str]:
    """One sentence for each port that two settings share."""
    seen: dict[int, Port] = {}
    found = []
    for port in ports:
        first = seen.setdefault(port.number, port)
        if first is not port:
            found.append(
                f"{first.setting} and {port.setting} are both {port.number}; "
                "each needs a port of its own"
            )
    return found


def taken(ports: Iterable[Port]) -> list[str]:
    """One sentence for each port that something else listens on."""
    return [_sentence(port) for port in ports if not (_is_free(port) or _becomes_free(port))]


def _becomes_free(port: Port) -> bool:
    """Whether a port that nobody is seen to hold is free within a second.

    A process counts as ended when its first thread has; its sockets close with the last.
    """
    deadline = time.monotonic() + _ENDING_SECONDS
    while time.monotonic() < deadline and not _holder(port.number):
        time.sleep(0.05)
        if _is_free(port):
            return True
    return False


def _is_free(port: Port) -> bool:
    family = socket.AF_INET6 if ":" in port.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do it: connections that linger in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.host, port.number))
        except OSError:
            return False
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((port.host, port.number)) != 0


def _sentence(port: Port) -> str:
    holder = _holder(port.number)
    by = f" by {holder}" if holder else ""
    return (
        f"port {port.number} is taken{by}; stop that, or set {port.setting} to a port that is free"
    )


def _holder(number: int) -> str:
    """``name (pid 12)`` of the process that listens, if the system tells; else empty."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN
            if listens and connection.laddr and connection.laddr.port == number and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""
