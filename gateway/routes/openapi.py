"""The OpenAPI document: the routes' own declarations, and one path for each reader query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.failures import JSON, Problem
from gateway.routes.questions import Question
from spindle import timestamps

QUERY_PATH = "/api/v1/{}"
_ERROR = {"$ref": "#/components/schemas/Problem"}
_REASONS = {
    400: "The question is wrong; the sentence says how.",
    401: "GATEWAY_TOKEN is set and the request does not bring it.",
    403: "A page of another origin asks (GATEWAY_CORS_ORIGINS), or under a name that is not the "
    "gateway's (GATEWAY_ALLOWED_HOSTS).",
    404: "There is no such path or query type.",
    405: "The question changes something, and takes a POST.",
    408: "The body did not come in time.",
    409: "The Idempotency-Key was used for another visit.",
    413: "The body is larger than 65536 bytes.",
    422: "The body is wrong: one sentence for each mistake.",
    429: "Too many requests, or the reader is busy; Retry-After says when to try again.",
    502: "The reader has a fault; its log says more.",
    503: "NATS, the reader or its store is away; try again.",
    504: "The reader did not answer in time.",
}

_TIME = {"type": "string", "format": "date-time", "description": timestamps.EXPECTED}
VISIT_BODY: dict[str, Any] = {
    "type": "object",
    "required": ["vehicle_plate", "entry_date_time", "exit_date_time"],
    "properties": {
        "vehicle_plate": {"type": "string", "minLength": 1, "maxLength": 32},
        "entry_date_time": _TIME,
        "exit_date_time": {**_TIME, "description": "Not before entry_date_time."},
        "duration_seconds": {
            "type": "number",
            "description": "From entry to exit; computed where it is not given.",
        },
        "lot": {"type": "string", "description": "Which car park, a name; default main."},
    },
}
QUESTION_BODY: dict[str, Any] = {
    "type": "object",
    "required": ["query_type"],
    "properties": {
        "query_type": {"type": "string"},
        "params": {"type": ["object", "null"], "description": "See GET /api/v1/<query_type>."},
    },
}

VISIT_EXAMPLE = {
    "vehicle_plate": "KA01AB1234",
    "entry_date_time": "2026-01-31T08:15:00Z",
    "exit_date_time": "2026-01-31T10:45:30Z",
}

SAVED_EXAMPLE = {
    "status": "accepted",
    "id": "0b5c9d7e-7f2c-4b1e-9a55-0d3f4c1a2b6e",
    "duration_seconds": 9030.0,
}

HEALTH_EXAMPLE = {
    "service": "gateway",
    "status": "ok",
    "since": "2026-01-31T08:00:00Z",
    "parts": {"nats": "ok", "reader": "ok"},
}

STREAM_EXAMPLE = (
    "retry: 3000\n: connected\n\nevent: critical_event\n"
    'data: {"timestamp":"2026-01-31T12:00:00Z","sourceDevice":"DiskUnit","deviceId":"disk-7",'
    '"id":"e-1","criticality":9,"eventType":"DriveFailure"}\n\n'
)

METRICS_EXAMPLE = """\
# HELP matched_events Exits that were matched with their entry
# TYPE matched_events gauge
matched_events 812.0
"""


def failures(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The failures that a route documents, and those that every route has."""
    return {code: _failure(code) for code in sorted({*codes, 401, 403, 429})}


def _failure(code: int) -> dict[str, Any]:
    return {"description": _REASONS[code], "content": {JSON: {"schema": _ERROR}}}


def answer(example: Any = None) -> dict[str, Any]:
    """The response 200 of a reader query."""
    schema = {
        "type": "object",
        "required": ["status", "data"],
        "properties": {"status": {"type": "string", "const": "success"}, "data": {}},
    }
    content: dict[str, Any] = {"schema": schema}
    if example is not None:
        content["example"] = example
    return {"description": "The reader's answer.", "content": {JSON: content}}


def body(schema: Mapping[str, Any], **shown: Any) -> dict[str, Any]:
    """``openapi_extra`` of a route that takes JSON; ``shown`` are examples by name."""
    content = {"schema": schema, "examples": {k: {"value": v} for k, v in shown.items()}}
    return {"requestBody": {"required": True, "content": {JSON: content}}}


def parameter(
    place: str, name: str, text: str, example: str, *, required: bool = False, pattern: str = ""
) -> dict[str, Any]:
    """``openapi_extra`` of a route with one parameter, which is a string."""
    schema = {"type": "string"} | ({"pattern": pattern} if pattern else {})
    found = {"name": name, "in": place, "description": text, "schema": schema, "example": example}
    return {"parameters": [found | ({"required": True} if required else {})]}


def with_questions(
    document: dict[str, Any], questions: Mapping[str, Question], token: bool
) -> dict[str, Any]:
    """The document with every reader query in it.

    :param questions: none while no reader has told them: the generic path stands for all.
    :param token: requests must bring one.
    """
    paths = dict(document["paths"])
    generic = QUERY_PATH.format("{query_type}")
    if questions:
        paths.pop(generic, None)
        query = {**paths["/api/v1/query"], "post": _query(paths["/api/v1/query"], questions)}
        paths["/api/v1/query"] = query
    for name, question in questions.items():
        paths[QUERY_PATH.format(name)] = (
            {"post": _change(question)} if question.changes else {"get": _operation(question)}
        )
    components = dict(document.get("components", {}))
    components["schemas"] = {
        **components.get("schemas", {}),
        "Problem": Problem.model_json_schema(),
    }
    document = {**document, "paths": paths, "components": components}
    if token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _query(path: Mapping[str, Any], questions: Mapping[str, Question]) -> dict[str, Any]:
    shown = {
        name: {"query_type": name, "params": dict(question.example)}
        for name, question in questions.items()
    }
    known = {**QUESTION_BODY["properties"], "query_type": {"enum": sorted(questions)}}
    return {**path["post"], **body({**QUESTION_BODY, "properties": known}, **shown)}


def _operation(question: Question) -> dict[str, Any]:
    responses: dict[int | str, Any] = {200: answer(question.example_reply)}
    responses |= failures(400, 404, 502, 503, 504)
    return {
        "tags": ["questions"],
        "summary": question.description or question.name,
        "description": f"`data`: {question.reply}." if question.reply else "",
        "operationId": question.name,
        "parameters": [_parameter(each, question.example) for each in question.parameters],
        "responses": {str(code): response for code, response in responses.items()},
    }


def _change(question: Question) -> dict[str, Any]:
    """What changes something: its params are a body."""
    operation = _operation(question)
    asked = operation.pop("parameters")
    properties = {
        each["name"]: {**each["schema"], "description": each["description"]} for each in asked
    }
    schema = {"type": ["object", "null"], "properties": properties}
    return {**operation, **body(schema, example=dict(question.example))}


def _parameter(parameter: Mapping[str, Any], example: Mapping[str, Any]) -> dict[str, Any]:
    name = parameter["name"]
    schema = dict(parameter.get("schema") or {})
    if parameter.get("default") is not None:
        schema["default"] = parameter["default"]
    text = parameter.get("description", "")
    described = f"{text}; {parameter['allowed']}" if parameter.get("allowed") else text
    found = {"name": name, "in": "query", "description": described, "schema": schema}
    return found | ({"example": example[name]} if name in example else {})
