"""A new question is one file, as CONTRIBUTING.md shows it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.repo_copy import repo_copy, run, shown_in_contributing

#: What the reader, the reference and the gateway make of the questions there are.
KNOWN = """
import asyncio, json
from types import SimpleNamespace
from gateway.routes import questions, openapi
from reader.answering.context import QueryContext
from reader.answering.params import parse
from reader.answering.runner import question
from reader.main import endpoints
from reader.questions.registry import QUERIES
from reader.settings import ReaderSettings
from spindle.store.base import Series
from tests.memory_store import MemoryStore
from tools.reference import reference

served = [
    {"name": each.name, "subject": each.subject, "metadata": each.metadata}
    for each in endpoints(None)
]
questions = questions.read(json.dumps({"endpoints": served}).encode())
paths = {"/api/v1/query": {"post": {}}, "/api/v1/{query_type}": {"get": {}}}
document = openapi.with_questions({"paths": paths}, questions, token=False)

async def answer():
    store, minute = MemoryStore(), 60 * 10**9
    now = 10**6 * minute
    for device, age in {"sda": 40, "sdb": 1}.items():
        series = Series("DiskUnit", "DiskTemp", device, "")
        await store.write_points([(series, now - age * minute, 40.0)])
    asked = b'{"query_type": "silent_devices", "params": {"minutes": "30"}}'
    query, given, _ = question(QUERIES, None, asked)
    context = QueryContext(store, None, ReaderSettings(), now, None, None)
    return (await query.handler(context, parse(query.name, query.params, given))).data

name = "silent_devices"
print(json.dumps({
    "registry": name in QUERIES,
    "subject": f"reader.{name}" in [each["subject"] for each in served],
    "reference": f"### `{name}`" in reference(),
    "route": document["paths"].get(f"/api/v1/{name}"),
    "answer": asyncio.run(answer()) if name in QUERIES else None,
}))
"""


def known(folder: Path) -> dict[str, object]:
    done = run(folder, "-c", KNOWN)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def contents(folder: Path) -> dict[Path, bytes]:
    return {each: each.read_bytes() for each in folder.rglob("*.py")}


def test_one_file_is_touched_and_the_reader_the_reference_and_the_gateway_know_it(
    tmp_path: Path,
) -> None:
    copy = repo_copy(tmp_path)
    assert not any(known(copy).values())
    before = contents(copy)
    (code,) = shown_in_contributing("Add a question")
    (copy / "reader" / "questions" / "silence.py").write_text(code)
    assert len(contents(copy).items() - before.items()) == 1

    found = known(copy)
    assert found["registry"] and found["subject"] and found["reference"]
    assert found["answer"] == [{"device": "sda", "last_seen": "1971-11-26T10:00:00Z"}]
    route = found["route"]
    assert isinstance(route, dict)
    assert route["get"]["summary"] == "Which devices have not reported for a while?"
    assert [each["name"] for each in route["get"]["parameters"]] == [
        "source_device", "device_id", "array_id", "minutes",
    ]  # fmt: skip
    content = route["get"]["responses"]["200"]["content"]["application/json"]
    assert content["example"]["data"][0].keys() == {"device", "last_seen"}
