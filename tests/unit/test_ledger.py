"""The ledger's pure parts: runs of numbers, what is noted, and what is missing."""

from __future__ import annotations

import random
import sys
from collections import Counter

import orjson
import pytest

from spindle import subjects
from spindle.ledger import numbering, record, spans
from spindle.ledger.comparison import (
    Claim,
    StreamNow,
    Window,
    lost_points,
    lost_sequences,
    shortfall,
    waiting_sequences,
)
from spindle.ledger.numbering import Claims
from spindle.ledger.record import STEP_NS, News, Record, StreamState
from spindle.ledger.spans import Span, Spans
from spindle.service.health import Health
from spindle.store.base import Written
from spindle.timestamps import NS
from writer.storing.batch import Batch, Delivery
from writer.storing.intake import place
from writer.storing.journal import Journal, new_points, numbered_runs, sequences

BORN = 1_000 * NS
ALWAYS = Window(0, 2**62)


def span(low: int, high: int, at: int = 2_000) -> Span:
    return Span(low, high, at * NS, at * NS)


@pytest.mark.parametrize("seed", range(50))
def test_runs_are_the_set_of_what_was_added_in_any_order(seed: int) -> None:
    rng, known, runs = random.Random(seed), set[int](), Spans()
    for _ in range(rng.randint(1, 60)):
        low = rng.randint(0, 300)
        high = low + rng.randint(0, 12)
        known |= set(range(low, high + 1))
        runs.add(span(low, high))
    assert {n for run in runs.runs for n in range(run.low, run.high + 1)} == known
    assert all(a.high + 1 < b.low for a, b in zip(runs.runs, runs.runs[1:], strict=False))
    missing = {n for gap in runs.gaps(20, 250) for n in range(gap.low, gap.high + 1)}
    assert missing == set(range(20, 251)) - known


def test_runs_are_bounded_and_the_oldest_gap_is_forgotten() -> None:
    runs = Spans()
    for number in range(0, 4 * spans.MOST, 2):
        runs.add(span(number, number))
    assert len(runs.runs) == spans.MOST
    assert runs.runs[0].low == 0
    assert list(runs.gaps(0, 10)) == []


def test_what_a_publisher_forgets_it_does_not_claim() -> None:
    claims = Claims("test")
    for _ in range(2 * spans.MOST):
        claims.acknowledged("METRICS", claims.number("METRICS", 1), 1, 1)
        claims.number("METRICS", 1)  # this one is given up
    ((subject, payload),) = claims.news()
    assert subject == f"$KV.ledger.acknowledged.METRICS.{claims.publisher}"
    claimed = Spans(orjson.loads(payload))
    assert all(run.size == 1 and run.low % 2 == 0 for run in claimed.runs)
    assert claims.news() == []


def header(text: str) -> bytes:
    line = f"{subjects.NUMBER_HEADER}: {text}"
    return f"NATS/1.0\r\nNats-Msg-Id: x\r\n{line}\r\nOther: y\r\n\r\n".encode()


def test_a_header_says_publisher_first_and_count() -> None:
    claims = Claims("daemon")
    first = claims.number("METRICS", 7)
    assert claims.number("METRICS", 1) == 7
    read = numbering.read(header(claims.header(first, 7)))
    assert read == (claims.publisher, 0, 7)


@pytest.mark.parametrize(
    "text",
    ["", "a", "a 1", "a 1 0", "a -1 5", "a 1 99999999999", "a b c", "a.b 1 1", "a> 1 1",
     "\u00e9 1 1", "a 1 2 3", f"a {2**53} 1", "a 99999999999999999999999999 1", f"{'a' * 101} 1 1"],
)  # fmt: skip
def test_a_header_that_is_none_numbers_nothing(text: str) -> None:
    assert numbering.read(header(text)) is None
    assert numbering.read(b"\xff\x00") is None


def begun(first: int = 1) -> Record:
    return Record(1_500 * NS, StreamState(BORN, first, first - 1))


def now(first: int, last: int, messages: int = 0, oldest: int = 0, born: int = BORN) -> StreamNow:
    return StreamNow(StreamState(born, first, last), messages, oldest * NS)


def test_what_is_gone_and_was_not_noted_is_lost() -> None:
    noted = begun()
    noted.take(News(sequences=[span(1, 10), span(21, 30, 2_100)]))
    (gap,) = lost_sequences(noted, now(31, 30), ALWAYS)
    assert (gap.low, gap.high) == (11, 20)
    assert list(lost_sequences(noted, now(11, 30, 10, 2_000), ALWAYS)) == []
    assert waiting_sequences(noted, now(11, 30, 10, 2_000)) == 10
    assert list(lost_sequences(noted, now(31, 30), Window(3_000 * NS, 4_000 * NS))) == []


def test_the_same_again_changes_nothing_and_survives_the_bucket() -> None:
    noted = begun()
    news = News([span(1, 5)], {"p": Spans([span(0, 49)])}, Counter({0: 50}))
    noted.take(news)
    again = record.load(noted.dump())
    assert again.dump() == noted.dump()
    news.stored.clear()
    again.take(news)
    assert again.dump() == noted.dump()


WRONG = [b"", b"{", b"null", b"{}", b"[[]]", b'[["1",2,3,4]]', b"[[1,2,3]]", b"[[1,2,3,-4]]",
         b"[[1,2,3,%d]]" % 2**63, b"[[1,2,3,4.5]]", b"[" * 5_000]  # fmt: skip


@pytest.mark.parametrize("runs", WRONG)
def test_what_somebody_wrote_into_the_ledger_is_read_whole_or_not_at_all(runs: bytes) -> None:
    with pytest.raises(ValueError):
        Spans.load(runs)
    for plain in (runs, b'{"since":1,"lives":[],"numbers":{"p":%b},"stored":[]}' % runs):
        with pytest.raises(ValueError, match="not a record"):
            record.load(plain)


def test_a_lower_sequence_at_a_later_time_is_of_a_stream_made_anew() -> None:
    noted = begun()
    noted.take(News([span(1, 100)]))
    noted.take(News([span(1, 3, 3_000)]))
    assert [life.done.size for life in noted.lives] == [100, 3]
    noted.take(News([span(50, 60)]))  # delivered again, of the old one
    assert [life.done.size for life in noted.lives] == [100, 3]
    noted.take(News(seen=StreamState(2_900 * NS, 4, 3)))  # the server's own word for it
    assert len(noted.lives) == 2
    assert list(lost_sequences(noted, now(4, 3, born=2_900 * NS), ALWAYS)) == []


def test_what_was_noted_before_a_new_stream_was_looked_at_is_of_the_new_one() -> None:
    noted = begun()
    noted.take(News([span(1, 15)]))
    noted.take(News([span(16, 135, 3_000)]))  # the second batch of the new one is stored first
    noted.take(News([span(1, 15, 2_950)]))
    noted.take(News(seen=StreamState(2_900 * NS, 136, 135)))
    assert len(noted.lives) == 2
    assert list(lost_sequences(noted, now(136, 135, born=2_900 * NS), ALWAYS)) == []


def test_the_end_of_a_deleted_stream_that_was_seen_is_lost_with_it() -> None:
    noted = begun()
    noted.take(News([span(1, 10)], seen=StreamState(BORN, 1, 25)))
    (gap,) = lost_sequences(noted, now(1, 0, born=3_000 * NS), ALWAYS)
    assert (gap.low, gap.high) == (11, 25)


def claim(*runs: Span, at: int = 2_500) -> Claim:
    return Claim("p", Spans(runs), at * NS)


def test_acknowledged_points_that_nobody_dealt_with_are_lost_once_it_is_sure() -> None:
    noted = begun()
    noted.take(News([span(1, 3)], {"p": Spans([span(0, 9), span(20, 29, 2_100)])}))
    sure, unsure = now(4, 3), now(2, 3, 1, 2_050)
    (gap,), waiting = lost_points(noted, claim(span(0, 29)), sure, ALWAYS)
    assert (gap.low, gap.high, waiting) == (10, 19, 0)
    assert lost_points(noted, claim(span(0, 29)), unsure, ALWAYS) == ([], 10)
    later = now(9, 9, 1, 2_600)  # all that was claimed is older than what waits
    assert len(lost_points(noted, claim(span(0, 29)), later, ALWAYS)[0]) == 1
    assert lost_points(noted, claim(span(0, 9), span(20, 29)), sure, ALWAYS) == ([], 0)


def test_what_was_published_before_the_record_was_begun_is_not_judged() -> None:
    noted = begun()
    noted.take(News([span(1, 3)], {"p": Spans([span(50, 59)])}))
    assert lost_points(noted, claim(span(0, 59, 1_400)), now(4, 3), ALWAYS) == ([], 0)


def test_the_record_is_bounded() -> None:
    noted = begun()
    for number in range(2 * record.MOST_PUBLISHERS):
        noted.take(News([span(1, 1)], {f"p{number}": Spans([span(0, 1, number)])}))
    assert len(noted.numbers) == record.MOST_PUBLISHERS
    assert f"p{2 * record.MOST_PUBLISHERS - 1}" in noted.numbers
    noted.take(News([span(1, 1)], stored=Counter(range(0, 400 * STEP_NS, STEP_NS))))
    assert len(noted.stored) == record.MOST_STEPS
    assert shortfall({0: 5, 1: 5, 2: 5}, {0: 5, 1: 2}) == {1: 3, 2: 5}


def batch(*places: tuple[int, int], again: bool = False) -> Batch[tuple[str, int]]:
    made: Batch[tuple[str, int]] = Batch(0.0)
    made.redelivered = again
    for at, ns in places:
        reply = f"$JS.ACK.METRICS.writer.1.{at}.{at}.{ns}.0"
        made.deliveries.append(Delivery("events.metrics", reply, b"", again))
    return made


def test_the_sequences_of_a_batch_whether_in_order_or_not() -> None:
    assert sequences(batch((4, 10), (5, 11), (6, 12))) == [Span(4, 6, 10, 12)]
    assert sequences(batch((4, 10), (6, 12))) == [Span(4, 4, 10, 10), Span(6, 6, 12, 12)]
    assert sequences(batch((9, 20), (4, 10), (5, 11), again=True)) == [
        Span(4, 5, 10, 11),
        Span(9, 9, 20, 20),
    ]


def test_a_message_that_numbers_more_points_than_it_holds_numbers_none() -> None:
    """Who may publish at all could hide another's losses so, as a guest did with ``[]``."""
    reply = f"$JS.ACK.METRICS.writer.1.1.1.{NS}.0"
    message = Delivery("events.metrics", reply, b"[]", False, header("daemon-x 46408 100000"))
    assert list(numbered_runs([message])) == []
    message.points = 99_999
    assert list(numbered_runs([message])) == []
    message.points = 100_000
    assert list(numbered_runs([message])) == [("daemon-x", 46_408, 146_408, reply, reply)]


@pytest.mark.parametrize("seed", range(20))
def test_the_numbers_of_a_batch_are_those_of_its_headers_whatever_their_order(seed: int) -> None:
    rng, known, next_ = random.Random(seed), set[tuple[str, int]](), Counter[str]()
    deliveries = []
    for at in range(1, 60):
        name, count = rng.choice(("a", "b")), rng.randint(1, 3)
        first = next_[name] if rng.random() < 0.8 else rng.randint(0, 200)
        next_[name] = first + count
        said = b"" if rng.random() < 0.1 else header(f"{name} {first} {count}")
        if said:
            known |= {(name, number) for number in range(first, first + count)}
        reply = f"$JS.ACK.METRICS.writer.1.{at}.{at}.{at * NS}.0"
        deliveries.append(Delivery("events.metrics", reply, b"", False, said))
        deliveries[-1].points = count
    noted: dict[str, Spans] = {}
    for name, low, end, first_reply, last_reply in numbered_runs(deliveries):
        first_ns, last_ns = place(first_reply)[1], place(last_reply)[1]
        assert first_ns <= last_ns
        noted.setdefault(name, Spans()).add(Span(low, end - 1, first_ns, last_ns))
    assert known == {
        (name, number)
        for name, spans_ in noted.items()
        for run in spans_.runs
        for number in range(run.low, run.high + 1)
    }


def test_what_replaced_others_is_not_counted_as_new_in_any_step() -> None:
    one = batch((1, 1))
    one.points = [("a", 5), ("b", 6), ("c", STEP_NS + 1)]
    one.written = [(0, 2, Written(1, 5, 6))]
    assert new_points(one, lambda point: point[1]) == {0: 1}
    one.written = [(0, 3, Written(2, 5, STEP_NS + 1))]
    assert new_points(one, lambda point: point[1]) == {0: 1, STEP_NS: 0}


def test_what_was_delivered_before_is_new_only_where_the_store_was_asked() -> None:
    """A writer that was killed may have written it and noted it."""
    one: Batch[tuple[str, int]] = Batch(0.0)
    one.points, one.redelivered = [("a", 5)], True
    one.written = [(0, 1, Written(1, 5, 5, asked=False))]
    assert new_points(one, lambda point: point[1]) == {}
    one.written = [(0, 1, Written(1, 5, 5))]
    assert new_points(one, lambda point: point[1]) == {0: 1}


def test_what_waits_to_be_acknowledged_takes_up_no_payload() -> None:
    """Between its storing and its note a busy writer has tens of thousands of messages."""
    journal: Journal[int] = Journal("METRICS", Health("writer"))
    payload = bytes(1000)
    before = sys.getrefcount(payload)
    batch: Batch[int] = Batch(0.0)
    batch.deliveries.append(Delivery("events.metrics", "$JS.ACK.M.w.1.7.7.0.0", payload, False))
    journal.add(batch)
    del batch
    assert not journal.idle
    assert sys.getrefcount(payload) == before
