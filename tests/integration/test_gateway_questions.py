"""The reader's questions over HTTP, and the document of them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from spindle import subjects
from tests.http_calls import call
from tests.integration.gateway_world import World, address, world
from tests.waiting import wait_until


def test_a_question_over_http_gets_the_same_json_as_over_nats(
    pipeline: World, gateway: str
) -> None:
    asked = {"query_type": "alerts_critical", "params": {"since_minutes": 1, "limit": 3}}

    async def ask(client: Client) -> bytes:
        return (await client.request(subjects.READER_QUERY, json.dumps(asked).encode())).data

    over_nats = pipeline.over_nats(ask)
    get = call(f"{gateway}/api/v1/alerts_critical?since_minutes=1&limit=3")
    post = call(f"{gateway}/api/v1/query", asked)
    assert (get.status, post.status) == (200, 200)
    assert get.body == post.body == over_nats


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("alerts_critical?since_minutes=-1", 400, "since_minutes: given '-1'"),
        ("alerts_critical?limit=1&limit=2", 400, "'limit' is given twice"),
        ("device_health", 400, "source_device"),
        ("no_such_question", 404, "no_such_question"),
        ("reader.%3E", 404, "no query type"),
        ("a%00b", 404, "no query type"),
    ],
)
def test_a_wrong_question_is_one_sentence(gateway: str, path: str, status: int, said: str) -> None:
    reply = call(f"{gateway}/api/v1/{path}")
    assert reply.status == status
    assert said in reply.message
    assert reply.json["status"] == "error"


def test_what_a_question_does_not_know_is_ignored_with_a_note(gateway: str) -> None:
    assert call(f"{gateway}/api/v1/alerts_critical?minutes=1").json["ignored"] == ["minutes"]
    clamped = call(f"{gateway}/api/v1/alerts_critical?min_criticality=11").json
    assert clamped["note"] == "min_criticality 11 is taken as 10"
    asked = {"query_type": "devices", "params": {"wanted": 1}, "version": 2}
    assert call(f"{gateway}/api/v1/query", asked).json["ignored"] == ["version", "wanted"]
    assert "ignored" not in call(f"{gateway}/api/v1/devices").json


def test_what_changes_something_takes_a_post_from_the_same_origin(gateway: str) -> None:
    asked = {"device_id": "nobody-knows-it"}
    got = call(f"{gateway}/api/v1/acknowledge?device_id=nobody-knows-it")
    assert (got.status, got.headers["allow"]) == (405, "POST")
    assert "takes a POST" in got.message
    url = f"{gateway}/api/v1/acknowledge"
    assert call(url, asked, origin="https://evil.example").status == 403
    assert call(url, asked, origin=gateway).message == "nothing was heard of nobody-knows-it"
    assert call(f"{gateway}/api/v1/nonsense", asked).status == 404
    assert call(url, b"{").status == 400
    assert call(f"{gateway}/api/v1/devices", {"limit": 1}).status == 200


def test_a_question_that_is_no_json_is_400(gateway: str) -> None:
    assert call(f"{gateway}/api/v1/query", b"{").status == 400
    assert call(f"{gateway}/api/v1/query", b"").status == 400


def test_without_a_reader_a_question_is_503(tmp_path: Path) -> None:
    with world(tmp_path) as alone:
        started = alone.start("gateway", wait=False)
        while not started.health() or call(f"{address(started)}/readyz").status != 200:
            time.sleep(0.05)
        reply = call(f"{address(started)}/api/v1/devices")
        assert (reply.status, reply.message) == (503, "no reader answers; is it started?")
        away = {"nats": "ok", "reader": "no reader answers; is it started?"}
        wait_until(lambda: started.health()["parts"] == away, otherwise=started.health)
        document = call(f"{address(started)}/openapi.json").json
        assert "/api/v1/{query_type}" in document["paths"]


def test_every_question_of_the_reader_is_in_the_openapi_document(gateway: str) -> None:
    from reader.questions.registry import QUERIES

    document = call(f"{gateway}/openapi.json").json
    for name, query in QUERIES.items():
        operation = document["paths"][f"/api/v1/{name}"]["post" if query.changes else "get"]
        assert operation["summary"] == query.description
        if query.changes:
            asked = operation["requestBody"]["content"]["application/json"]
            assert asked["schema"]["properties"].keys() == query.params.model_fields.keys()
            assert asked["examples"]["example"]["value"] == query.example
            continue
        parameters = {each["name"]: each for each in operation["parameters"]}
        assert parameters.keys() == query.params.model_fields.keys()
        for key, example in query.example.items():
            assert parameters[key]["example"] == example
    examples = document["paths"]["/api/v1/query"]["post"]["requestBody"]["content"]
    assert examples["application/json"]["examples"].keys() == QUERIES.keys()


def shape(value: Any) -> Any:
    """Keys and kinds; of a list its first row; numbers are alike, and null fits everything."""
    if isinstance(value, dict):
        kept = value.keys() - {"latency_p50_seconds", "latency_p99_seconds"}  # of the last minute
        return {key: shape(value[key]) for key in kept}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return "number" if number else type(value).__name__


def fits(example: Any, answer: Any) -> bool:
    """Whether two shapes agree, as far as both say something."""
    if "NoneType" in (example, answer) or [] in (example, answer):
        return True
    if isinstance(example, dict) and isinstance(answer, dict):
        return example.keys() == answer.keys() and all(fits(example[k], answer[k]) for k in answer)
    if isinstance(example, list) and isinstance(answer, list):
        return fits(example[0], answer[0])
    return bool(example == answer)


def test_the_examples_of_answers_have_the_shape_of_todays_answers(gateway: str) -> None:
    from reader.questions.registry import QUERIES

    document = call(f"{gateway}/openapi.json").json
    query = document["paths"]["/api/v1/query"]["post"]
    questions = query["requestBody"]["content"]["application/json"]["examples"]
    assert {"alerts_critical", "device_health", "anomaly_temperature"} <= questions.keys()
    for name, question in questions.items():
        if QUERIES[name].changes:  # of a device that is not there; see test_acknowledge
            continue
        reply = document["paths"][f"/api/v1/{name}"]["get"]["responses"]["200"]
        example = reply["content"]["application/json"]["example"]
        answer = call(f"{gateway}/api/v1/query", question["value"]).json
        answer.pop("truncated", None)
        assert fits(shape(example), shape(answer)), (name, shape(example), shape(answer))
        assert type(answer["data"]) is type(example["data"]), name


def test_the_documentation_page_asks_nothing_of_other_machines(gateway: str) -> None:
    page = call(f"{gateway}/docs").body.decode()
    assert "://" not in page
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"):
        assert f"/static-offline-docs/{name}" in page
        assert call(f"{gateway}/static-offline-docs/{name}").status == 200
