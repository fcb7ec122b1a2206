"""The manual of the questions, made from their declarations: for ``$SRV.INFO`` and the docs."""

from __future__ import annotations

from typing import Any

import orjson
from pydantic_core import PydanticUndefined

from reader import params
from reader.queries import QUERIES, Query
from spindle import subjects


def parameters(query: Query[Any]) -> list[dict[str, Any]]:
    """``[{name, description, allowed, default}]`` in the order they are declared."""
    return [
        {
            "name": name,
            "description": field.description or "",
            "allowed": params.allowed(field),
            "default": None if field.default is PydanticUndefined else field.default,
        }
        for name, field in query.params.model_fields.items()
    ]


def metadata(query: Query[Any]) -> dict[str, str]:
    """What ``nats micro info reader`` shows of the query's endpoint."""
    return {
        "description": query.description,
        "params": orjson.dumps(parameters(query)).decode(),
        "reply": query.reply,
        "example": orjson.dumps(query.example).decode(),
    }


def markdown() -> str:
    """The questions as a section of the manual."""
    return "\n".join(_section(query) for query in QUERIES.values())


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
    shown = "" if default is None else f"`{default:g}`"
    return (
        f"| `{parameter['name']}` | {parameter['description']} | {parameter['allowed']} | {shown} |"
    )
