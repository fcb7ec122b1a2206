"""Answer one question within its budget: so many at once, and none for ever."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import orjson
from nats.aio.client import Client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from reader.answering import params, replies
from reader.answering.context import Answer, Query, Sources
from reader.answering.replies import Failure, TimedOut
from reader.lookups.answer_cache import AnswerCache
from reader.lookups.examiner import Examiner
from reader.lookups.store_ready import StoreWatch
from reader.questions import registry
from reader.settings import ReaderSettings
from spindle.errors import Busy, InvalidQuery
from spindle.models import shown
from spindle.store.base import Store

log = logging.getLogger("reader")

_HEADROOM = 4096  # bytes of a message that are not the reply: subject and headers


class Metrics:
    """The reader's own Prometheus metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "reader_requests_total",
            "Questions answered, by how it went",
            ["query_type", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "reader_request_seconds",
            "From taking a question to its answer",
            ["query_type"],
            registry=registry,
        )
        self.busy = Counter(
            "reader_busy_total", "Questions told that the reader is busy", registry=registry
        )
        self.cached = Counter(
            "reader_cached_total",
            "Questions answered by what an identical one had just found",
            registry=registry,
        )
        self.in_progress = Gauge(
            "reader_in_progress", "Questions being answered now", registry=registry
        )


class Desk:
    """Where questions arrive as bytes and leave answered."""

    def __init__(
        self,
        store: Store,
        watch: StoreWatch,
        client: Client,
        settings: ReaderSettings,
        metrics: Metrics,
        examiner: Examiner,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._store = store
        self._watch = watch
        self._client = client
        self._settings = settings
        self._metrics = metrics
        self._examiner = examiner
        self._now_ns = now_ns
        self._cache = AnswerCache(settings.reader_cache_seconds)
        self._in_progress = 0  # questions being answered now

    async def answer(self, name: str | None, payload: bytes) -> bytes | Failure:
        """The reply's payload, or why there is none; never raises for what was asked.

        :param name: the query type where the subject says it; None where the payload does.
        """
        label = name or "none"
        started = time.perf_counter()
        reply: bytes | Failure
        try:
            query, given = _question(name, payload)
            label = query.name
            reply = await self._within_budget(query, given)
        except Exception as error:
            reply = replies.failure(error)
            if reply.code == "500":
                log.error("%s: %s: %s", label, type(error).__name__, error, exc_info=True)
        status = reply.status if isinstance(reply, Failure) else "success"
        self._metrics.requests.labels(label, status).inc()
        self._metrics.seconds.labels(label).observe(time.perf_counter() - started)
        return reply

    async def _within_budget(self, query: Query[Any], given: object) -> bytes:
        asked = params.parse(query.name, query.params, given)
        if query.needs_store:
            self._watch.require()
        question = query.name, asked
        known = self._cache.known(question)
        if known is not None:
            self._metrics.cached.inc()
            return known
        on_its_way = self._cache.on_its_way(question)
        if on_its_way is not None:
            self._metrics.cached.inc()
            return await asyncio.shield(on_its_way)
        return await self._cache.answer(question, lambda: self._find(query, asked))

    async def _find(self, query: Query[Any], asked: params.Params) -> bytes:
        most = self._settings.reader_concurrency
        if self._in_progress >= most:
            self._metrics.busy.inc()
            raise Busy(f"busy: {most} questions are being answered; ask again in a moment")
        self._in_progress += 1
        self._metrics.in_progress.set(self._in_progress)
        try:
            answer = await self._within_time(query, asked)
        finally:
            self._in_progress -= 1
            self._metrics.in_progress.set(self._in_progress)
        return replies.success(answer, self._client.max_payload - _HEADROOM)

    async def _within_time(self, query: Query[Any], asked: params.Params) -> Answer:
        limit = self._settings.reader_query_timeout_seconds
        sources = Sources(self._store, self._client, self._settings, self._now_ns(), self._examiner)
        try:
            async with asyncio.timeout(limit) as budget:
                return await query.handler(sources, asked)
        except TimeoutError:
            if not budget.expired():
                raise
            raise TimedOut(
                f"{query.name}: not answered within {limit:g} s "
                "(READER_QUERY_TIMEOUT_SECONDS); ask for less, or later"
            ) from None


def _question(name: str | None, payload: bytes) -> tuple[Query[Any], object]:
    """What is asked, and its parameters as they were sent.

    :raises InvalidQuery: the payload is not what the subject takes.
    """
    if name is not None:
        query = registry.find(name)
        return query, _decode(payload, f"{name}: params") if payload.strip() else None
    question = _decode(payload, "the question") if payload.strip() else {}
    if not isinstance(question, dict):
        raise InvalidQuery(
            'the question: expected a JSON object such as {"query_type":"devices","params":{}}, '
            f"given {shown(question)}"
        )
    extra = question.keys() - {"query_type", "params"}
    if "query_type" not in question:
        raise InvalidQuery(f"query_type: missing, expected one of {', '.join(registry.QUERIES)}")
    query = registry.find(question["query_type"])
    if extra:
        raise InvalidQuery(
            f"{query.name}: unknown key {shown(min(extra))}; allowed are query_type and params"
        )
    return query, question.get("params")


def _decode(payload: bytes, what: str) -> object:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise InvalidQuery(f"{what}: not JSON: {error.msg} (at byte {error.pos})") from None
