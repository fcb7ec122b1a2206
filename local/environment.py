"""The environment that services are run with: settings that follow from other settings."""

from __future__ import annotations

import json
import sys

from local import nats
from local.layout import INSTANCE_VARIABLE, ROOT, Home, home_of
from local.settings import LocalSettings

#: Variables that supervisord's commands name, for paths may hold what its configuration may not.
PYTHON, NATS_SERVER, NATS_CONFIG = "SPINDLE_PYTHON", "SPINDLE_NATS_SERVER", "SPINDLE_NATS_CONFIG"


def derived(settings: LocalSettings) -> dict[str, str]:
    """Settings that follow from NATS_PORT and SPINDLE_HOME, unless they are set themselves."""
    found = {}
    if "nats_url" not in settings.model_fields_set:
        found["NATS_URL"] = nats.nats_url(settings.nats_port)
    if not settings.store_url and not settings.influxdb_host:
        folder = home_of(settings.spindle_home).folder
        if folder != ROOT / str(LocalSettings.model_fields["spindle_home"].default):
            found["STORE_URL"] = f"sqlite:///{folder}/spindle.db"
    return found


def of_process(settings: LocalSettings, home: Home) -> dict[str, str]:
    """What every process of this checkout gets beside the user's own environment."""
    return {
        **derived(settings),
        INSTANCE_VARIABLE: str(home.folder),
        PYTHON: sys.executable,
        **({NATS_SERVER: nats.find_server()} if nats.is_local(settings) else {}),
        NATS_CONFIG: str(home.nats_config),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }


def credentials(settings: LocalSettings, home: Home, user: str) -> dict[str, str]:
    """``NATS_USER`` and ``NATS_PASSWORD`` of one service, once they have been made."""
    if settings.nats_auth != "users" or not home.nats_passwords.exists():
        return {}
    known = json.loads(home.nats_passwords.read_text())
    return {"NATS_USER": user, "NATS_PASSWORD": known[user]}
