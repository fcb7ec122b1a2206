"""What is set: ``.env`` with the environment laid over it, before anything is checked."""

from __future__ import annotations

import os
import re
from pathlib import Path

from dotenv import dotenv_values

from spindle.errors import InvalidSettings

_VARIABLE = re.compile(r"\$\{([^}:]*)\}")  # with a default behind a colon it is meant


def environment(file: Path) -> dict[str, str]:
    """Every setting as services understand them: of ``.env``, and of the environment, which wins.

    Names are in capitals; what is empty counts as not set.

    :raises InvalidSettings: the file cannot be read, or would lose a part of a value.
    """
    try:
        said, written = dotenv_values(file), dotenv_values(file, interpolate=False)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise InvalidSettings([f".env: holds the byte 0x{byte:02x}, expected UTF-8"]) from None
    except OSError as error:
        raise InvalidSettings([f"{file}: {error.strerror}"]) from None
    known = said.keys() | os.environ.keys()
    if eaten := [
        f"{name}: ${{{variable}}} in .env is the value of a variable that is not set; a secret "
        f"with such signs may stand in a file that {name}_FILE names"
        for name, value in written.items()
        for variable in _VARIABLE.findall(value or "")
        if variable not in known
    ]:
        raise InvalidSettings(eaten)
    both = [*said.items(), *os.environ.items()]
    return {name.upper(): value for name, value in both if value}
