"""The manual of the questions, made from their declarations: for ``$SRV.INFO`` and the docs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from pydantic_core import PydanticUndefined

from reader.answering import params
from reader.answering.context import Query
from spindle import subjects

#: What pydantic calls a bound that stands behind a validator of our own.
_BOUNDS = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}


def parameters(query: Query[Any]) -> list[dict[str, Any]]:
    """``[{name, description, allowed, default, schema}]`` in the order they are declared.

    :returns: ``allowed`` in words; ``schema`` the same as JSON schema, for what reads no words.
    """
    schemas = query.params.model_json_schema()["properties"]
    return [
        {
            "name": name,
            "description": field.description or "",
            "allowed": params.allowed(field),
            "default": None if field.default is PydanticUndefined else field.default,
            "schema": _schema(schemas[name]),
        }
        for name, field in query.params.model_fields.items()
    ]


def _schema(whole: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter's JSON schema without its names, and without the null of "not given"."""
    options = [each for each in whole.get("anyOf", [whole]) if each.get("type") != "null"]
    return {
        _BOUNDS.get(key, key): value
        for key, value in options[0].items()
        if key not in ("title", "description", "default")
    }


def metadata(query: Query[Any]) -> dict[str, str]:
    """What ``nats micro info reader`` shows of the query's endpoint."""
    return {
        "description": query.description,
        "params": orjson.dumps(parameters(query)).decode(),
        "reply": query.reply,
        "example": orjson.dumps(query.example).decode(),
        **({"changes": "true"} if query.changes else {}),
        "example_reply": orjson.dumps(orjson.loads(query.example_reply)).decode(),
    }


def markdown(queries: Iterable[Query[Any]]) -> str:
    """The questions as a section of the manual."""
    return "\n".join(_section(query) for query in queries)


def _section(query: Query[Any]) -> str:
    question = orjson.dumps({"query_type": query.name, "params": query.example}).decode()
    rows = "\n".join(_row(parameter) for parameter in parameters(query))
    return (
        f"### `{query.name}`\n\n{query.description}\n\n"
        f"| parameter | what | allowed | default |\n|---|---|---|---|\n{rows}\n\n"
        f"`data`: {query.reply}.\n\n"
        f"```\nnats request {subjects.READER_QUERY} '{question}'\n```\n"
    )


def _row(parameter: dict[str, Any]) -> str:
    default = parameter["default"]
    shown = (
        "" if default is None else f"`{default}`" if isinstance(default, str) else f"`{default:g}`"
    )
    return (
        f"| `{parameter['name']}` | {parameter['description']} | {parameter['allowed']} | {shown} |"
    )
