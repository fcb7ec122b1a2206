"""Settings on their way into containers: what is refused first, and what services are given."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from decimal import Decimal

from local.services import SERVICES
from local.settings import setting
from spindle.errors import InvalidInput


def check(environment: Mapping[str, str]) -> None:
    """Whether InfluxDB's container can set itself up with these settings.

    With others it ends, is started again and ends again: its entrypoint hands them to
    ``influx setup``.

    :raises InvalidInput: which setting, what was given and what is allowed.
    """
    hours = setting(environment, "RETENTION_HOURS")
    if not keeps_so_long(hours):
        raise InvalidInput(
            f'RETENTION_HOURS: given "{hours}"; InfluxDB in containers takes 0 (for ever) or '
            "1 to 2562047, such as 168 or 1.5, in whole seconds"
        )
    length = len(os.fsencode(setting(environment, "INFLUXDB_INIT_PASSWORD")))
    if length < 8:
        raise InvalidInput(
            f"INFLUXDB_INIT_PASSWORD: given {length} characters; InfluxDB takes 8 and more"
        )
    token = environment.get("INFLUXDB_TOKEN", "")
    if token and not token.strip():
        raise InvalidInput(
            "INFLUXDB_TOKEN: given only spaces; InfluxDB takes any other text, "
            "or leave it empty for the default"
        )


def handed_on(
    environment: Mapping[str, str], compose_file: str
) -> dict[str, dict[str, dict[str, None]]]:
    """Service -> its settings that are set and that the compose file does not see to itself.

    Names without values: compose takes those from its own environment, as they are, where a value
    in ``.env`` would have its ``$`` eaten and one of the shell would not reach a service.
    """
    seen_to = set(re.findall(r"^ +([A-Z][A-Z0-9_]+):", compose_file, re.MULTILINE))
    found = {}
    for service in SERVICES:
        own = {name.upper() for name in service.settings_type().model_fields}
        names = sorted((own & environment.keys()) - seen_to)
        if names:
            found[service.name] = {"environment": dict.fromkeys(names)}
    return found


def keeps_so_long(hours: str) -> bool:
    """Whether ``influx setup`` takes a retention: none, or an hour and more in whole seconds."""
    if not re.fullmatch(r"\d+(\.\d+)?", hours, re.ASCII):
        return False
    exact = Decimal(hours)
    return exact == 0 or (1 <= exact <= 2562047 and exact * 3600 % 1 == 0)
