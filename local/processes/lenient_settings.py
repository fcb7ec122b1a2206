"""Settings with mistakes in them, for what must work all the same: stop, status, logs.

What runs was started with settings that were right, and left its own files: they count.
"""

from __future__ import annotations

import contextlib
from typing import TypeVar, cast

from local.layout import Home, UnusableFolder, home_of
from local.nats import server as nats
from local.processes import running
from local.processes.pipeline import Pipeline, read_pages
from local.processes.supervisor import Control
from local.services import SERVICES
from local.settings import LocalSettings
from spindle.errors import InvalidSettings
from spindle.settings import Settings, load

_S = TypeVar("_S", bound=Settings)


def load_what_is_right(kind: type[_S]) -> tuple[_S, list[str]]:
    """The settings, with the default in place of each that is wrong; and the mistakes."""
    try:
        return load(kind), []
    except InvalidSettings as error:
        mistakes = list(error.mistakes)
    fields = kind.model_fields
    wrong = {mistake.partition(":")[0].lower() for mistake in mistakes} & set(fields)
    defaults = {name: fields[name].get_default(call_default_factory=True) for name in wrong}
    for more in (defaults, {**defaults, "_env_file": None}):  # the file may be what is unreadable
        with contextlib.suppress(InvalidSettings):
            return load(kind, **more), mistakes
    return cast(_S, kind.model_construct()), mistakes


def load_local() -> tuple[LocalSettings, Home, list[str]]:
    """What run.sh needs to know, where what runs keeps its files, and the mistakes.

    Where SPINDLE_HOME cannot be a folder, the folder is that of what this checkout runs.
    """
    settings, mistakes = load_what_is_right(LocalSettings)
    if "nats_url" not in settings.model_fields_set:
        url = nats.nats_url(settings.nats_port)
        settings = settings.model_copy(update={"nats_url": url})
    try:
        home = home_of(settings.spindle_home)
        home.check()
    except UnusableFolder as error:
        mistakes.append(str(error))
        default = home_of(LocalSettings.model_fields["spindle_home"].default)
        home = next(iter(running.homes()), default)
    return settings, home, mistakes


def pages(settings: LocalSettings, home: Home) -> tuple[dict[str, str], list[str]]:
    """Service -> address of its ``/healthz``, in the order of start; and the mistakes.

    Of what runs, as it was started; else as the settings say.
    """
    own, mistakes = {}, []
    for service in SERVICES:
        own[service.name], wrong = load_what_is_right(service.settings_type())
        mistakes += wrong
    recorded = read_pages(home) if Control(home).pid() else {}
    return recorded or Pipeline(settings, home, own).pages(), mistakes
