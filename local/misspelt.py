"""What is set and is no setting: mostly one with a slip of the pen, which would do nothing."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from dotenv import dotenv_values
from pydantic import SecretStr

from local.layout import ROOT
from local.services import SERVICES
from local.settings import ComposeSettings, LocalSettings
from spindle.settings import Settings

#: How like a setting a name must be, of 1: in the environment only a letter may differ.
_LIKE, _ALMOST_THE_SAME = 0.8, 0.96


def misspelt(file: Path) -> str:
    """Those names, each with the nearest setting; empty where there are none.

    In ``.env`` these are names that begin as settings of a service do, or are like a setting. The
    environment is everybody's: Kubernetes makes GATEWAY_PORT there of the name of a service.
    """
    known = set(_known())
    written: set[str] = set()
    with contextlib.suppress(OSError, UnicodeDecodeError):  # what reads the settings says so
        written = {name.upper() for name in dotenv_values(file, interpolate=False)} - known
    given = {name.upper() for name in os.environ} - known - written
    near = {name: _longer(name, known) or _like(name, known, _LIKE) for name in written}
    near |= {name: like for name in given if (like := _like(name, known, _ALMOST_THE_SAME))}
    ours = (*(f"{service.name}_".upper() for service in SERVICES), "SPINDLE_")
    return "; ".join(
        f"{name} is no setting{f', did you mean {meant}?' if meant else ''}"
        for name, meant in sorted(near.items())
        if meant or name.startswith(ours)
    )


def _longer(name: str, known: set[str]) -> str:
    """The setting that has all words of the name and more, as GATEWAY_HTTP_PORT of GATEWAY_PORT."""
    words = set(name.split("_"))
    found = sorted(each for each in known if words < set(each.split("_")))
    return found[0] if len(words) > 1 and found else ""


def _like(name: str, known: set[str], likeness: float) -> str:
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=likeness)), "")


def _known() -> Iterator[str]:
    """Settings, also those that are gone, of which is told elsewhere, and compose's variables."""
    services = (each.settings_type() for each in SERVICES)
    kinds: list[type[Settings]] = [LocalSettings, ComposeSettings, *services]
    for kind in kinds:
        for name, field in kind.model_fields.items():
            yield name.upper()
            if field.annotation is SecretStr:
                yield f"{name}_file".upper()
        for base in kind.__mro__:
            yield from getattr(base, "REMOVED", ())
    yield "SPINDLE_VENV"
    yield from re.findall(r"[A-Z]+_[A-Z_]+", (ROOT / "docker-compose.yml").read_text())
