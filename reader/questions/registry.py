"""Every question that the reader answers, found in the files of this folder.

A file declares its questions in ``QUESTIONS``; NATS subjects, the endpoints and their metadata, the
manual and, through the metadata, the HTTP routes are all made from them.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from reader import questions
from reader.answering.context import Query


def _declared() -> Iterator[Query[Any]]:
    for name in sorted(each.name for each in pkgutil.iter_modules(questions.__path__)):
        yield from getattr(import_module(f"{questions.__name__}.{name}"), "QUESTIONS", ())


def _by_name() -> dict[str, Query[Any]]:
    queries: dict[str, Query[Any]] = {}
    for query in _declared():
        if queries.setdefault(query.name, query) is not query:
            raise ValueError(f"two questions are called {query.name}")
    return queries


QUERIES: Mapping[str, Query[Any]] = _by_name()
