"""Every question the reader answers, declared once.

Dispatch, the sentences of refusals, the micro endpoints and their metadata and the manual are all
made from ``QUERIES``: a new question is one more entry in ``QUESTIONS`` of a room ``answers_*``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reader.answering.context import Query
from reader.questions import anomalies, capacity, devices, ledger, parking, series
from spindle.errors import InvalidQuery
from spindle.models import shown

_ROOMS = (
    devices,
    anomalies,
    capacity,
    series,
    parking,
    ledger,
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
