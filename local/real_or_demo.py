"""What is watched: real drives alone, or the demonstration beside them. Remembered in the home."""

from __future__ import annotations

from collections.abc import Mapping

from local.layout import Home
from local.settings import setting
from spindle.errors import InvalidInput

SIMULATOR = "simulator"
_INVENTED = (SIMULATOR, "parking")
_REAL = "host"  # where nothing else is left
_FILE = "real-drives-alone"  # its presence is the choice


def remember(home: Home, environment: Mapping[str, str], *, real: bool) -> bool:
    """Remember the choice for all further starts; whether it differs from the one before.

    :raises InvalidInput: the demonstration is wanted, and DAEMON_SOURCES leaves it out.
    """
    sources = setting(environment, "DAEMON_SOURCES")
    if not real and SIMULATOR not in _names(sources):
        raise InvalidInput(
            f"--demo: DAEMON_SOURCES={sources} leaves the simulated fleet out; unset it, or name "
            f"{SIMULATOR} in it"
        )
    file = home.folder / _FILE
    before = file.exists()
    if real:
        home.make()
        file.touch()
    else:
        file.unlink(missing_ok=True)
    return before != real


def derived(home: Home, environment: Mapping[str, str]) -> dict[str, str]:
    """Settings that follow from the choice, and from DAEMON_SOURCES."""
    found: dict[str, str] = {}
    names = _names(setting(environment, "DAEMON_SOURCES"))
    if (home.folder / _FILE).exists():
        real = [name for name in names if name not in _INVENTED]
        if real != names:
            names = real or [_REAL]
            found["DAEMON_SOURCES"] = ",".join(names)
    if SIMULATOR not in names and "READER_SIMULATED" not in environment:
        found["READER_SIMULATED"] = "false"
    return found


def _names(sources: str) -> list[str]:
    return [name.strip() for name in sources.split(",") if name.strip()]
