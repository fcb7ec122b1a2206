"""The user's files, as a container is shown them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


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
