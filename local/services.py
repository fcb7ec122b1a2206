"""What is run, in one place: names, aliases of the old platform, order of start and of draining."""

from __future__ import annotations

import difflib
import importlib
import inspect
from dataclasses import dataclass

from spindle.errors import InvalidInput
from spindle.settings import Settings

NATS, GATEWAY = "nats", "gateway"


@dataclass(frozen=True, slots=True)
class Service:
    """One Python service, run as ``python -m <name>``.

    :ivar alias: what the old platform called it; accepted where a person names a service.
    """

    name: str
    alias: str = ""

    @property
    def port_setting(self) -> str:
        """The setting of the port on which ``/healthz`` and ``/metrics`` answer."""
        return f"{self.name}_http_port"

    def settings_type(self) -> type[Settings]:
        """The service's own settings class, from its ``settings.py``."""
        module = importlib.import_module(f"{self.name}.settings")
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, Settings) and kind.__module__ == module.__name__:
                return kind
        raise LookupError(f"{module.__name__} defines no subclass of Settings")


#: In the order of start; they are drained the other way round, so that what is published is stored.
SERVICES = (
    Service("writer", "writer-service-go"),
    Service("reader", "reader-service-py"),
    Service("client", "client-service-go"),
    Service(GATEWAY),
    Service("daemon", "daemon-service-go"),
)

START_ORDER = (NATS, *(service.name for service in SERVICES))
DRAIN_ORDER = tuple(reversed(START_ORDER))
_ALIASES = {service.alias: service.name for service in SERVICES if service.alias}


def resolve(word: str) -> str:
    """The service that a person means by its name or its old one.

    :raises InvalidInput: with the names there are.
    """
    name = _ALIASES.get(word, word)
    if name not in START_ORDER:
        near = difflib.get_close_matches(word.lower(), START_ORDER, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        there = ", ".join(START_ORDER)
        raise InvalidInput(f'there is no service "{word}"; there are {there}{hint}')
    return name
