"""The example replies that questions declare, which the gateway's document shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from reader.questions.registry import QUERIES

ANSWERS = {name: orjson.loads(query.example_reply) for name, query in QUERIES.items()}

#: A file, an address, a name of a machine or of a drive in it.
OF_A_MACHINE = re.compile(
    r"(^|\s)(/|~)\w+/|://|\b\d+\.\d+\.\d+\.\d+\b|localhost|/dev/|\b[sv]d[a-z]\b"
)


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


def test_an_example_has_something_to_say() -> None:
    """Each was taken where something had happened."""
    for name, answer in ANSWERS.items():
        assert answer["status"] == "success"
        assert answer["data"], name
    assert ANSWERS["device_health"]["data"]["reasons"]
    assert ANSWERS["fleet_health"]["data"]["devices"]
    assert ANSWERS["capacity_forecast"]["data"][0]["verdict"] != "unknown"


def test_no_example_tells_of_the_machine_that_it_was_made_on() -> None:
    assert [text for text in texts(ANSWERS) if OF_A_MACHINE.search(text)] == []
