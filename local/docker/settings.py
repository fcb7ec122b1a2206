"""What containers are given: settings, of which some are refused first, and the user's files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from local.layout import home_of
from local.nats import users as nats_users
from local.services import SERVICES
from local.settings import ComposeSettings, LocalSettings, setting
from spindle.errors import InvalidInput
from spindle.settings import Settings, secrets_of_files

#: What opens a door to who reaches it, and has a default that everybody knows.
_KNOWN_TO_ALL = ("INFLUXDB_INIT_PASSWORD", "INFLUXDB_TOKEN", "GRAFANA_ADMIN_PASSWORD")
_COMPOSE_TOKEN = "spindle-loopback-token"  # noqa: S105 - InfluxDB's in docker-compose.yml
_AUTHS = ("users", "guest", "none")
_LOOPBACK = re.compile(r"localhost|\[?::1\]?|127(\.\d{1,3}){3}")


def secrets_of(environment: Mapping[str, str]) -> dict[str, str]:
    """What the files of secrets hold that are set: files of this machine, not of containers.

    :raises InvalidInput: which file cannot be read, or is not needed.
    """
    given = {name.lower(): value for name, value in environment.items()}
    kinds: list[type[Settings]] = [LocalSettings, ComposeSettings]
    kinds += [each.settings_type() for each in SERVICES]
    try:
        found = dict(each for kind in kinds for each in secrets_of_files(kind, given))
    except OSError as error:
        raise InvalidInput(f"{error.filename}: {error.strerror}") from None
    return {name.upper(): secret for name, secret in found.items()}


def check_reach(environment: Mapping[str, str]) -> None:
    """Whether ports open to other machines have secrets of their own.

    :raises InvalidInput: which settings still have the value that everybody knows.
    """
    address = setting(environment, "BIND_ADDRESS")
    if _LOOPBACK.fullmatch(address):
        return
    # Compose takes an empty one for unset.
    same = [
        name
        for name in _KNOWN_TO_ALL
        if not environment.get(name) or environment[name] in {setting({}, name), _COMPOSE_TOKEN}
    ]
    if same:
        raise InvalidInput(
            f'BIND_ADDRESS: given "{address}", which other machines reach, while '
            f"{', '.join(same)} {'has its' if len(same) == 1 else 'have their'} default: set "
            "values of your own, or leave BIND_ADDRESS at 127.0.0.1"
        )


def nats_auth(environment: Mapping[str, str], *, make: bool) -> dict[str, str]:
    """What compose's NATS and its users need to be told: NATS_AUTH, and each one's password.

    :param make: passwords that there are none of yet.
    :raises InvalidInput: NATS_AUTH is none of its values, or a password would not be understood.
    """
    auth = setting(environment, "NATS_AUTH")
    if make and auth not in _AUTHS:
        raise InvalidInput(f'NATS_AUTH: given "{auth}", expected {", ".join(_AUTHS)}')
    if auth == "users" and _LOOPBACK.fullmatch(setting(environment, "BIND_ADDRESS")):
        auth = "guest"
    told = {"NATS_AUTH": auth}
    home = home_of(setting(environment, "SPINDLE_HOME"))
    if auth == "none" or not (make or home.nats_passwords.exists()):
        return told
    if make:
        home.make()
    for user, password in nats_users.passwords(home.nats_passwords).items():
        name = nats_users.variable(user)
        told[name] = environment.get(name) or password
        if make and not re.fullmatch("[A-Za-z][A-Za-z0-9]*", told[name]):
            raise InvalidInput(f"{name}: expected letters and digits, a letter first")
    return told


def check(environment: Mapping[str, str]) -> None:
    """Whether InfluxDB's container can set itself up with these settings.

    With others it ends, is started again and ends again: its entrypoint hands them to
    ``influx setup``.

    :raises InvalidInput: which setting, what was given and what is allowed.
    """
    check_reach(environment)
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


def shown(folder: Path, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Docker's options for what a command may see, and its words as they are then.

    The folder that it is called from is mounted with all below it, and so is the folder of each
    word that names a file elsewhere: ``/mnt/past.jsonl``, ``../past.jsonl``, ``--output=/mnt/x``.
    The container's user is who owns the last of these folders, and so may write there.
    """
    places = {folder: "/past"}
    told = []
    for word in words:
        option, equals, path = word.rpartition("=") if word.startswith("--") else ("", "", word)
        if path.startswith(("/", "../")):
            file = (folder / path).resolve()
            if file.parent.is_dir():  # else the command says that there is none
                place = places.setdefault(file.parent, f"/past-{len(places)}")
                path = f"{place}/{file.name}"
        told.append(f"{option}{equals}{path}")
    owner = next(reversed(places)).stat()
    options = ["--user", f"{owner.st_uid}:{owner.st_gid}"]
    for each, place in places.items():
        options += ["--volume", f"{each}:{place}"]
    return [*options, "--workdir", "/past", "--env", "PYTHONPATH=/app"], told
