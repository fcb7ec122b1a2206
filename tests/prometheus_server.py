"""A real Prometheus and its promtool, as ``./run.sh test`` unpacks them."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers import ROOT, Server, find, free_port

RULES = ROOT / "prometheus" / "rules.yml"
RULE_TESTS = sorted((ROOT / "prometheus" / "tests").glob("*.yml"))
MISSING = "{} is not installed: on Debian ./run.sh test unpacks package prometheus"


def program(name: str) -> str:
    """The path of ``prometheus`` or ``promtool``; the test is skipped where there is none."""
    found = find(name)
    if found is None:
        pytest.skip(MISSING.format(name))
    return found


def prometheus(
    folder: Path, targets: dict[str, int], rules: Path = RULES, every: str = "1s"
) -> Server:
    """A Prometheus that scrapes ports of this machine, with our rules; not started yet.

    :param targets: job -> port.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "global": {"scrape_interval": every, "evaluation_interval": every},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
            for job, port in targets.items()
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = [
        program("prometheus"),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    return Server(command, port, folder / "prometheus.log", f"http://127.0.0.1:{port}/-/ready")


def query(server: Server, expression: str) -> list[tuple[dict[str, str], float]]:
    """What an expression evaluates to now: labels and value of each series."""
    url = f"http://{server.url}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(url, timeout=10) as page:
        answer: dict[str, Any] = json.load(page)
    return [(one["metric"], float(one["value"][1])) for one in answer["data"]["result"]]
