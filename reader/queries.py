"""Every question the reader answers, declared once.

Dispatch, the sentences of refusals, the micro endpoints and their metadata and the manual are all
made from ``QUERIES``: a new question is one more entry in ``QUESTIONS`` of a room ``answers_*``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reader import (
    answers_anomalies,
    answers_devices,
    answers_forecast,
    answers_parking,
    answers_pipeline,
    answers_series,
)
from reader.question import Query
from spindle.errors import InvalidQuery
from spindle.models import shown

_ROOMS = (
    answers_devices,
    answers_anomalies,
    answers_forecast,
    answers_series,
    answers_parking,
    answers_pipeline,
)

QUERIES: Mapping[str, Query[Any]] = {
    query.name: query for room in _ROOMS for query in room.QUESTIONS
}


def find(name: object) -> Query[Any]:
    """The query type of that name.

    :raises InvalidQuery: with the list of what exists.
    """
    query = QUERIES.get(name) if isinstance(name, str) else None
    if query is None:
        raise InvalidQuery(f"query_type: given {shown(name)}, expected one of {', '.join(QUERIES)}")
    return query
