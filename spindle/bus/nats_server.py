"""What the broker promises: its version, and when it writes to the disk. Pure but for one read.

Sources: Jepsen, NATS 2.12.1 (acknowledged messages lost at a power cut within ``sync_interval``);
nats-server pull requests 8475 and 8456 (a block that is compacted inline was not synced).
"""

from __future__ import annotations

import re
from typing import Literal

import orjson

Fsync = Literal["always", "interval", "unknown"]

#: The first release of each line that syncs all that it acknowledges, and has the repairs to the
#: file store of 2.14.0.
REPAIRED = ((2, 14, 6), (2, 15, 1))
_TIMEOUT_SECONDS = 2.0


def version_warning(version: str) -> str | None:
    """One sentence when this nats-server can lose what it acknowledged, else None."""
    match = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version)
    if match is None:
        return f"nats-server reports the version {version!r}, so its repairs are not known"
    number = (int(match[1]), int(match[2]), int(match[3]))
    first = next((each for each in REPAIRED if each[:2] == number[:2]), REPAIRED[-1])
    if number >= first:
        return None
    return (
        f"nats-server {version} can lose acknowledged messages at a power cut, also with "
        "sync_interval: always; 2.14.6 and 2.15.1 are repaired"
    )


def fsync_of(monitor_url: str) -> Fsync:
    """When the broker behind this monitoring address syncs its files; blocks up to 2 s."""
    import urllib3  # noqa: PLC0415 - a third of what the command line would load

    timeout = urllib3.Timeout(total=_TIMEOUT_SECONDS)
    try:
        answer = urllib3.request("GET", f"{monitor_url}/varz", timeout=timeout, retries=False)
        return fsync_from_varz(orjson.loads(answer.data))
    except (urllib3.exceptions.HTTPError, orjson.JSONDecodeError):
        return "unknown"


def fsync_from_varz(varz: object) -> Fsync:
    """The same from the monitoring page's content (``jetstream.config.sync_always``)."""
    config = varz.get("jetstream", {}).get("config", {}) if isinstance(varz, dict) else {}
    if not config:
        return "unknown"
    return "always" if config.get("sync_always") else "interval"
