"""Answers as a running pipeline gave them, for the OpenAPI document.

``python -m gateway.examples http://127.0.0.1:5000`` asks each question's own example at a running
gateway and writes the answers down anew; a test compares their shape with what is answered today.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "answers.json"
ROWS = 2  # of a list; the shape is what matters

#: What a reader query answers, by query type.
ANSWERS: dict[str, dict[str, Any]] = json.loads(FILE.read_text())

VISIT = {
    "vehicle_plate": "KA01AB1234",
    "entry_date_time": "2026-01-31T08:15:00Z",
    "exit_date_time": "2026-01-31T10:45:30Z",
}

SAVED = {
    "status": "accepted",
    "id": "0b5c9d7e-7f2c-4b1e-9a55-0d3f4c1a2b6e",
    "duration_seconds": 9030.0,
}

HEALTH = {
    "service": "gateway",
    "status": "ok",
    "since": "2026-01-31T08:00:00Z",
    "parts": {"nats": "ok", "reader": "ok"},
}

STREAM = (
    "retry: 3000\n: connected\n\nevent: critical_event\n"
    'data: {"timestamp":"2026-01-31T12:00:00Z","sourceDevice":"DiskUnit","deviceId":"disk-7",'
    '"id":"e-1","criticality":9,"eventType":"DriveFailure"}\n\n'
)

METRICS = """\
# HELP matched_events Exits that were matched with their entry
# TYPE matched_events gauge
matched_events 812.0
"""


def main(url: str) -> None:
    """Write the answers of the gateway at ``url``; a question that fails keeps its old one."""
    document = json.loads(_ask(f"{url}/openapi.json"))
    content = document["paths"]["/api/v1/query"]["post"]["requestBody"]["content"]
    answers = {}
    for name, example in sorted(content["application/json"]["examples"].items()):
        try:
            found = json.loads(_ask(f"{url}/api/v1/query", example["value"]))
        except urllib.error.HTTPError as error:
            print(f"{name}: {error.read().decode()}", file=sys.stderr)
            found = ANSWERS.get(name)
        if found:
            answers[name] = _short(found)
    FILE.write_text(json.dumps(answers, indent=1, ensure_ascii=False) + "\n")


def _ask(url: str, body: Any = None) -> bytes:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(url, data, timeout=30) as reply:  # noqa: S310 - the user's own URL
        return bytes(reply.read())


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(each) for each in value[:ROWS]]
    if isinstance(value, dict):
        return {key: _short(each) for key, each in value.items()}
    return value


if __name__ == "__main__":
    main(*sys.argv[1:])
