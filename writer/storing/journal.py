"""Note which messages were dealt with, in the bucket that all writers share, before their
acknowledgement.

So the note never lacks what is gone from the stream, whenever a writer is killed: what was stored
and not noted is delivered again. A trouble with the bucket holds nothing up: then messages are
acknowledged, and noted as soon as it can be.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import StreamInfo

from spindle.bus.buckets import Bucket, Overtaken
from spindle.ledger import numbering, record
from spindle.ledger.record import STEP_NS, News, Record, StreamState
from spindle.ledger.spans import Span, Spans
from spindle.service.health import Health
from spindle.subjects import LEDGER_BUCKET
from writer.storing.batch import Batch, Delivery
from writer.storing.intake import place

log = logging.getLogger("writer.journal")

P = TypeVar("P")

EVERY_SECONDS = 0.2  #: a note costs NATS one write to its disk
TIMEOUT_SECONDS = 2.0
TRIES = 8
PART = "ledger"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TROUBLE = (NatsError, OSError)


class Journal(Generic[P]):
    """The notes of one writer on one stream.

    :param time_of: the time of a point in nanoseconds; None where no store is asked for its number.
    """

    def __init__(
        self, stream: str, health: Health, time_of: Callable[[P], int] | None = None
    ) -> None:
        self.stream = stream
        self._health = health
        self._time_of = time_of
        self._key = numbering.record_key(stream)
        self._news = News()
        self._done: list[str] = []  # where to acknowledge what ``_news`` notes
        self._known: Record | None = None  # what the bucket holds, as last seen
        self._revision = 0
        self._noted_at = 0.0

    def add(self, batch: Batch[P]) -> None:
        """A batch of which every point is stored or dead-lettered."""
        # Not the deliveries: until they are noted their payloads would take up memory for nothing.
        self._done += [delivery.reply for delivery in batch.deliveries]
        self._news.sequences += sequences(batch)
        self._add_numbers(batch.deliveries)
        if self._time_of is not None and batch.written:
            self._news.stored.update(new_points(batch, self._time_of))

    def add_one(self, delivery: Delivery, points: int) -> None:
        """A message that was dealt with by itself, and how many points it held."""
        delivery.points = points
        self._done.append(delivery.reply)
        at, time_ns = place(delivery.reply)
        self._news.sequences.append(Span(at, at, time_ns, time_ns))
        self._add_numbers([delivery])

    def _add_numbers(self, deliveries: Iterable[Delivery]) -> None:
        for name, low, end, first, last in numbered_runs(deliveries):
            spans = self._news.numbers.setdefault(name, Spans())
            spans.add(Span(low, end - 1, place(first)[1], place(last)[1]))

    def seen(self, state: StreamState) -> None:
        """What the stream is now; noted where it is news."""
        newest = self._known.lives[-1] if self._known and self._known.lives else None
        if newest is None or state.last > newest.last or state.born_ns > newest.born_ns:
            self._news.seen = state

    @property
    def idle(self) -> bool:
        """Everything is acknowledged."""
        return not self._done

    def due_at(self) -> float | None:
        """When there is something to note, on the monotonic clock; None if there is nothing."""
        return self._noted_at + EVERY_SECONDS if self._done or self._news else None

    async def note(self, client: Client) -> list[str]:
        """Note what is new; where to acknowledge it then."""
        self._noted_at = time.monotonic()
        done, self._done = self._done, []
        news, self._news = self._news, News()
        if not news:
            return done
        bucket = Bucket(client.jetstream(timeout=TIMEOUT_SECONDS), LEDGER_BUCKET)
        try:
            await self._note(client, bucket, news)
        except _TROUBLE as error:
            # It may or may not stand there: the counts, in ``_known`` by now, are not added again.
            news.stored.clear()
            self._put_back(news)
            self._health.failing(PART, f"not noted: {error or type(error).__name__}", self.stream)
        else:
            self._health.ok(PART, self.stream)
        return done

    def _put_back(self, news: News) -> None:
        newer, self._news = self._news, news
        news.sequences += newer.sequences
        for name, spans in newer.numbers.items():
            news.numbers.setdefault(name, Spans()).merge(spans.runs)
        news.stored.update(newer.stored)
        news.seen = newer.seen or news.seen
        if len(news.sequences) > 1:  # bounded, however long the bucket is away
            news.sequences = _compact(news.sequences)

    async def _note(self, client: Client, bucket: Bucket, news: News) -> None:
        known, revision = self._known, self._revision
        if known is not None:
            known.take(news)
        for _ in range(TRIES):
            if known is None:
                known, revision = await self._read(client, bucket)
                known.take(news)
            self._known = known
            try:
                self._revision = await bucket.replace(self._key, known.dump(), revision)
            except Overtaken:
                known, revision = await self._after(bucket, known)
            else:
                return
        raise TimeoutError("other writers were always first")

    async def _after(self, bucket: Bucket, known: Record) -> tuple[Record | None, int]:
        """What to go on with: what others noted; where the bucket is empty now, what is known."""
        revision = (await bucket.get(self._key)).revision
        return (None, 0) if revision else (known, 0)

    async def _read(self, client: Client, bucket: Bucket) -> tuple[Record, int]:
        entry = await bucket.get(self._key)
        if entry.live:
            try:
                return record.load(entry.value), entry.revision
            except ValueError as error:
                log.warning("%s: the ledger is begun anew: %s", self.stream, error)
        return Record(time.time_ns(), await state_of(client, self.stream)), entry.revision


async def state_of(client: Client, stream: str) -> StreamState:
    """One look at a stream."""
    return stream_state(await client.jetstream(timeout=TIMEOUT_SECONDS).stream_info(stream))


def stream_state(info: StreamInfo) -> StreamState:
    """The same of what NATS has said already."""
    born_ns = (info.created - _EPOCH) // timedelta(microseconds=1) * 1_000 if info.created else 0
    return StreamState(born_ns, info.state.first_seq, info.state.last_seq)


def sequences(batch: Batch[Any]) -> list[Span]:
    """The stream's sequences of a batch. Pure.

    What is delivered for the first time comes in the stream's order, so that usually the first and
    the last say it all.
    """
    deliveries = batch.deliveries
    low, first_ns = place(deliveries[0].reply)
    high, last_ns = place(deliveries[-1].reply)
    if not batch.redelivered and high - low + 1 == len(deliveries):
        return [Span(low, high, first_ns, last_ns)]
    return _compact(Span(*(2 * (at,)), *(2 * (ns,))) for at, ns in map(_place, deliveries))


def numbered_runs(deliveries: Iterable[Delivery]) -> Iterator[tuple[str, int, int, str, str]]:
    """``(publisher, low, end, first reply, last reply)`` of the points that publishers numbered.

    What a publisher sends comes in its order, so that usually there is one run of each. A message
    that numbers more than it holds numbers nothing. Pure.
    """
    runs: dict[str, tuple[str, int, int, str, str]] = {}
    for delivery in deliveries:
        header = delivery.header
        if not header or (numbered := numbering.read(header)) is None:
            continue
        name, low, count = numbered
        if count > max(1, delivery.points):  # else whoever numbers what is not there hides a loss
            continue
        run = runs.get(name)
        if run is not None and run[2] == low:
            runs[name] = (name, run[1], low + count, run[3], delivery.reply)
            continue
        if run is not None:
            yield run
        runs[name] = (name, low, low + count, delivery.reply, delivery.reply)
    yield from runs.values()


def _place(delivery: Delivery) -> tuple[int, int]:
    return place(delivery.reply)


def _compact(spans: Iterable[Span]) -> list[Span]:
    """Runs of neighbours; by time, so that sequences of two streams of one name stay apart."""
    runs: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.first_ns, span.low)):
        if runs and span.low == runs[-1].high + 1:
            runs[-1] = Span(runs[-1].low, span.high, runs[-1].first_ns, span.last_ns)
        elif not runs or span != runs[-1]:
            runs.append(span)
    return runs


def new_points(batch: Batch[P], time_of: Callable[[P], int]) -> dict[int, int]:
    """Step -> points that the store certainly did not have before. Pure."""
    found: dict[int, int] = {}
    for low, high, written in batch.written:
        if batch.redelivered and not written.asked:  # whoever had it may have written and noted it
            continue
        step = written.oldest_ns - written.oldest_ns % STEP_NS
        if written.newest_ns < step + STEP_NS:  # usually
            found[step] = found.get(step, 0) + written.new
            continue
        points: Sequence[P] = batch.points[low:high]
        old = high - low - written.new
        for step, count in record.steps_of(map(time_of, points)).items():
            found[step] = found.get(step, 0) + max(0, count - old)
    return found
