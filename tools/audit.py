"""Known vulnerabilities of the pins, by pip-audit, where it is installed and an index answers.

It is no dependency of ours: it would bring seventeen packages and a pip of its own into every
developer's environment.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from local import output

#: An index that cannot be reached is tried for so long.
SECONDS = 120


def audit(pinned: Sequence[Path]) -> int:
    """Say what is known of the pinned packages; 1 where something is, else 0.

    :param pinned: requirements files with hashes, as pip-compile makes them.
    """
    program = shutil.which("pip-audit", path=str(Path(sys.executable).parent)) or shutil.which(
        "pip-audit"
    )
    if program is None:
        output.plain("pip-audit is not installed (pip install pip-audit): nothing was looked up")
        return 0
    files = [word for file in pinned for word in ("-r", str(file))]
    command = [program, *files, "--require-hashes", "--disable-pip", "--format", "json"]
    try:
        done = subprocess.run(  # noqa: S603 - the program found above
            [*command, "--progress-spinner", "off"],
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, subprocess.TimeoutExpired):
        output.plain("no index answered: nothing was looked up")
        return 0
    return _told(found)


def _told(found: Sequence[dict[str, Any]]) -> int:
    known = [each for each in found if "skip_reason" not in each]
    for each in known:
        for fault in each["vulns"]:
            fixed = ", ".join(fault["fix_versions"]) or "none yet"
            output.complain(f"{each['name']} {each['version']}: {fault['id']}; fixed in: {fixed}")
    if not known:
        output.plain("no index knew any of the packages: nothing was looked up")
        return 0
    faulty = sum(bool(each["vulns"]) for each in known)
    output.plain(f"{len(known)} of {len(found)} packages looked up, {faulty} with known faults")
    return 1 if faulty else 0
