"""backup and restore where everything runs in containers.

The folders of the store lie in the volumes of the one service that has it. A database that is
stopped is its files; they go through tar in the service's own image, which keeps their owners.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local import output
from local.docker.containers import Containers, Failed
from spindle.errors import InvalidInput

_LOCAL_INSTEAD = "(for what runs without Docker: SPINDLE_MODE=local)"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a store's files are.

    :ivar root: the folder that the other names are relative to.
    :ivar mark: a file that every copy of this store holds.
    """

    service: str
    root: str
    folders: tuple[str, ...]
    mark: str


def place(environment: Mapping[str, str], command: str) -> Place:
    """The place of the store that the settings name.

    :raises InvalidInput: it is not in a volume of these containers.
    """
    store = environment.get("STORE_URL") or environment.get("INFLUXDB_HOST", "")
    if store.startswith("sqlite:////app/"):
        store = "sqlite:///" + store.removeprefix("sqlite:////app/")
    if store.startswith("sqlite:///.spindle/"):
        mark = store.removeprefix("sqlite:///").partition("?")[0]
        return Place("writer", "/app", (".spindle",), mark)
    if not store:
        folders = ("var/lib/influxdb2", "etc/influxdb2")
        return Place("influxdb", "/", folders, "var/lib/influxdb2/influxd.bolt")
    raise InvalidInput(
        f"{command} is for a store in the volumes of the containers here; STORE_URL or "
        "INFLUXDB_HOST names another, and InfluxDB has its own tools: influx backup (2.x), "
        "influxd backup (1.x)"
    )


def backup(containers: Containers, environment: Mapping[str, str], file: Path) -> None:
    """Write a checked copy of the store's folders to a file that only this user may read.

    :raises InvalidInput: the file exists, its folder does not, or something runs.
    :raises Failed: nothing could be copied.
    """
    where = _of_what_is_stopped(containers, environment, "backup")
    if file.exists():
        raise InvalidInput(f"{file} exists; name a file that does not")
    if not file.parent.is_dir():
        raise InvalidInput(f"there is no folder {file.parent}")
    half = file.with_name(file.name + ".part")
    try:
        if not (_copy(containers, where, half) and _is_copy(containers, where, half)):
            raise Failed(f"the data could not be copied; see above {_LOCAL_INSTEAD}")
        half.rename(file)
    finally:
        half.unlink(missing_ok=True)
    output.plain(f"{file}: the data of {where.service}, checked")


def restore(containers: Containers, environment: Mapping[str, str], file: Path) -> None:
    """Put a copy back; what was there is kept beside it.

    :raises InvalidInput: the file is no copy of this store, or something runs.
    :raises Failed: it could not be put back whole.
    """
    where = _of_what_is_stopped(containers, environment, "restore")
    if not file.is_file():
        raise InvalidInput(f"there is no file {file}")
    if not _is_copy(containers, where, file):
        raise InvalidInput(
            f"{file} is no copy that ./run.sh backup made of the data of {where.service}"
        )
    kept = file.with_name(f"{file.name}.before-{time.strftime('%Y%m%d-%H%M%S')}")
    if not _copy(containers, where, kept):
        kept.unlink(missing_ok=True)
        raise Failed("what is there now could not be copied first; nothing was changed")
    clear = "".join(f"rm -rf {folder}/* {folder}/.[!.]* && " for folder in where.folders)
    script = f"cd {where.root} && {clear}tar -xzf -"
    with file.open("rb") as content:
        done = containers.in_store(where.service, "sh", "-c", script, stdin=content)
    if done.returncode:
        raise Failed(f"the copy could not be put back whole; what was there before is {kept}")
    output.plain(f"restored from {file}; what was there before is {kept}")


def _of_what_is_stopped(
    containers: Containers, environment: Mapping[str, str], command: str
) -> Place:
    where = place(environment, command)
    if containers.runs():
        raise InvalidInput(
            f"{command} in containers needs them stopped, so that the files are of one moment: "
            f"./run.sh stop first {_LOCAL_INSTEAD}"
        )
    return where


def _copy(containers: Containers, where: Place, file: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        file.unlink()
    # Passwords and tokens are in a copy, too.
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        words = ("-C", where.root, "-czf", "-", *where.folders)
        return not containers.in_store(where.service, "tar", *words, stdout=out).returncode


def _is_copy(containers: Containers, where: Place, file: Path) -> bool:
    """Whether a file is a whole copy of this store."""
    with file.open("rb") as content:
        listed = containers.in_store(
            where.service, "tar", "-tzf", "-", stdin=content, capture_output=True
        )
    names = listed.stdout.decode(errors="replace").splitlines()
    if where.mark in names or f"./{where.mark}" in names:
        return not listed.returncode
    output.complain(f"run.sh: there is no {where.mark} in {file}")
    return False
