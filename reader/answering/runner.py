"""Answers questions: a bounded number at the same time, each within a time limit."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from typing import Any

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from reader.answering import params, replies
from reader.answering.context import Answer, Query, QueryContext
from reader.answering.replies import Failure, TimedOut
from reader.lookups.single_flight import SingleFlight
from reader.lookups.stored.store_ready import StoreReady
from spindle.errors import Busy, InvalidQuery
from spindle.text import shown

log = logging.getLogger("reader")

Queries = Mapping[str, Query[Any]]

#: Questions answered at the same time. Each holds rows in memory; beyond a few hundred, one machine
#: answers none of them sooner, and a caller does better to ask again than to wait for its time-out.
MOST_AT_ONCE = 256
#: An answer also serves identical questions for so long: several dashboards that refresh together
#: cost one query, and a person does not see the difference.
SHARED_SECONDS = 1.0
_SHARED_ANSWERS, _SHARED_BYTES = 10_000, 32 * 2**20
READ_ONLY = "read_only"  #: key of a question that may change nothing, as a GET
_HEADROOM = 4096  # bytes of a message that are not the reply: subject and headers


class Metrics:
    """The reader's own Prometheus metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, registry=registry)
        self.requests = counter(
            "reader_requests_total",
            "Questions answered, by query type and status",
            ["query_type", "status"],
        )
        self.seconds = Histogram(
            "reader_request_seconds",
            "Seconds from taking a question to its answer",
            ["query_type"],
            registry=registry,
        )
        self.busy = counter("reader_busy_total", "Questions refused because the reader was busy")
        self.cached = counter(
            "reader_cached_total", "Questions answered by what an identical one had just found"
        )
        self.in_progress = Gauge(
            "reader_in_progress", "Questions being answered now", registry=registry
        )


class QuestionRunner:
    """Takes questions as bytes and gives their replies as bytes.

    :param context: makes what handlers work with, at the moment of a question.
    """

    def __init__(
        self,
        queries: Queries,
        context: Callable[[], QueryContext],
        store_ready: StoreReady,
        registry: CollectorRegistry,
    ) -> None:
        self._queries = queries
        self._context = context
        self._store_ready = store_ready
        self._metrics = Metrics(registry)
        self._shared = SingleFlight[tuple[str, params.Params, tuple[str, ...], str], bytes](
            SHARED_SECONDS, _SHARED_ANSWERS, _SHARED_BYTES
        )
        self._in_progress = 0  # questions being answered now

    async def answer(self, name: str | None, payload: bytes) -> bytes | Failure:
        """The reply's payload, or why there is none. A wrong question never raises.

        :param name: the query type where the subject says it; None where the payload does.
        """
        label = name or "none"
        started = time.perf_counter()
        reply: bytes | Failure
        try:
            query, given, extra = question(self._queries, name, payload)
            label = query.name
            reply = await self._within_budget(query, given, extra)
        except Exception as error:
            reply = replies.failure(error)
            if reply.code == "500":
                log.error("%s: %s: %s", label, type(error).__name__, error, exc_info=True)
        status = reply.status if isinstance(reply, Failure) else "success"
        self._metrics.requests.labels(label, status).inc()
        self._metrics.seconds.labels(label).observe(time.perf_counter() - started)
        return reply

    async def _within_budget(self, query: Query[Any], given: object, extra: Iterable[str]) -> bytes:
        asked = params.parse(query.name, query.params, given)
        ignored = (*extra, *params.ignored(query.params, given))
        note = params.note(asked, given, extra)
        if query.needs_store:
            self._store_ready.require()
        if query.changes:
            try:
                return await self._reply(query, asked, ignored, note)
            finally:
                self._shared.clear()  # what was answered before may be otherwise now
        same = query.name, asked, ignored, note
        if self._shared.has(same):
            self._metrics.cached.inc()
        return await self._shared.get(same, lambda: self._reply(query, asked, ignored, note))

    async def _reply(
        self, query: Query[Any], asked: params.Params, ignored: tuple[str, ...], note: str
    ) -> bytes:
        if self._in_progress >= MOST_AT_ONCE:
            self._metrics.busy.inc()
            raise Busy(f"busy: {MOST_AT_ONCE} questions are being answered; ask again in a moment")
        self._in_progress += 1
        self._metrics.in_progress.set(self._in_progress)
        try:
            context = self._context()
            answer = await _within_time(query, asked, context)
        finally:
            self._in_progress -= 1
            self._metrics.in_progress.set(self._in_progress)
        marked = context.watch_findings.facts.marked(answer.data)
        note = "; ".join(filter(None, (answer.beside.get("note"), note, context.clock_doubt)))
        beside = dict(answer.beside) | ({"ignored": ignored} if ignored else {})
        beside |= {"note": note} if note else {}
        answer = replace(answer, data=marked, beside=beside)
        return replies.success(answer, context.nats.max_payload - _HEADROOM)


async def _within_time(query: Query[Any], asked: params.Params, context: QueryContext) -> Answer:
    limit = context.settings.reader_query_timeout_seconds
    try:
        async with asyncio.timeout(limit) as budget:
            return await query.handler(context, asked)
    except TimeoutError:
        if not budget.expired():
            raise
        raise TimedOut(
            f"{query.name}: not answered within {limit:g} s "
            "(READER_QUERY_TIMEOUT_SECONDS); ask for less, or later"
        ) from None


def question(
    queries: Queries, name: str | None, payload: bytes
) -> tuple[Query[Any], object, list[str]]:
    """Which query is asked, its parameters as they were sent, and further keys of the question.

    :param name: the query type where the subject says it; None where the payload does.
    :raises InvalidQuery: the payload is not what the subject takes.
    """
    if name is not None:
        query = named(queries, name)
        return query, _decode(payload, f"{name}: params") if payload.strip() else None, []
    asked = _decode(payload, "the question") if payload.strip() else {}
    if not isinstance(asked, dict):
        raise InvalidQuery(
            'the question: expected a JSON object such as {"query_type":"devices","params":{}}, '
            f"given {shown(asked)}"
        )
    if "query_type" not in asked:
        raise InvalidQuery(f"query_type: missing, expected one of {', '.join(queries)}")
    query = named(queries, asked["query_type"])
    if query.changes and asked.get(READ_ONLY):
        raise InvalidQuery(f"{query.name} changes something: over HTTP it takes a POST")
    extra = [key[:64] for key in asked if key not in ("query_type", "params", READ_ONLY)]
    return query, asked.get("params"), extra[:20]


def named(queries: Queries, name: object) -> Query[Any]:
    """The query type of that name.

    :raises InvalidQuery: with the list of those that exist.
    """
    query = queries.get(name) if isinstance(name, str) else None
    if query is None:
        near = get_close_matches(str(name), list(queries), n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise InvalidQuery(
            f"query_type: given {shown(name)}, expected one of {', '.join(queries)}{hint}"
        )
    return query


def _decode(payload: bytes, what: str) -> object:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise InvalidQuery(f"{what}: not JSON: {error.msg} (at byte {error.pos})") from None
