"""What somebody wrote into a bucket by hand is read whole, or not at all; nothing stops over it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec
import orjson
import pytest

from reader.health.decisions import Acknowledgement, Retired
from reader.lookups.known.decisions import Decisions, key_of
from reader.lookups.known.facts import KnownFacts
from spindle import parking
from spindle.ledger import record
from spindle.ledger.record import News, Record, StreamState
from spindle.ledger.spans import Span, Spans
from spindle.parking import Totals
from spindle.store.base import VisitRow
from spindle.timestamps import NS
from writer.parking import codec, core
from writer.parking.state import Passage, Rules, State
from writer.storing import visits

NOW = 1_800_000_000 * NS
RULES = Rules(NS, 0, 3600 * NS, 86_400 * NS)
BROKEN = [b"", b"\xff\xfe", b"{", b"null", b"[" * 5_000, b'{"a":' * 5_000, b"9" * 5_000]
NONSENSE = [None, 0, -1, 10**30, 2**63, "x", "", [], {}, True, 1e308, [None], {"a": 1}, -(10**18)]


ENTRY, EXIT = (Passage("entry", "e", NOW, NOW, NOW), Passage("exit", "x", NOW + NS, NOW, NOW))


def parked(*passages: Passage) -> bytes:
    step = core.advance(State(), "B 1", list(passages), NOW + 9 * NS, 0, RULES)
    return codec.encode("B-1", step.state)[0]


def advanced(value: bytes) -> object:
    now, read = NOW + 100 * NS, codec.decode(value)
    return codec.encode("B-1", core.advance(read, "B 1", [], now, now, RULES).state)


def told(value: bytes, said: Acknowledgement | Retired) -> object:
    decisions = Decisions()
    decisions.take(key_of(said), value)
    return [str(each) for each in (decisions.acknowledged, decisions.retired)]


def noted(value: bytes) -> object:
    try:
        known = record.load(value)
    except ValueError:
        return None
    known.take(News([Span(11, 20, NOW, NOW)], {"p": Spans([Span(5, 9, NOW, NOW)])}))
    return known.dump()


def facts(value: bytes) -> object:
    known = KnownFacts()
    known.take(value, NOW)
    return known.of


ACKNOWLEDGED = Acknowledgement(
    "DiskUnit", "sda", "", "DiskTemp", "critical", {"degC": 70.0}, "high", NOW, NOW + 1, "known"
)
RETIRED = Retired("DiskUnit", "sda", "", NOW, NOW, None, "gone")
VISIT = visits.ArrivedVisit(VisitRow(NOW, "v", "B 1", "main", "matched", NOW - NS), 0.2)
LEDGER = Record(NOW, StreamState(NOW, 1, 10))
LEDGER.take(News([Span(1, 10, NOW, NOW)], {"p": Spans([Span(0, 4, NOW, NOW)])}))
#: What reads a bucket's values, beside a good one.
READERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "parking": (advanced, parked(ENTRY, EXIT)),
    "vehicles inside": (parking.inside, parked(ENTRY)),
    "parking_totals": (
        lambda value: visits.count(value, [VISIT], 1_800_000_000),
        orjson.dumps({"totals": Totals().counting("matched", 0.2), "counted": [["a", 1]]}),
    ),
    "totals": (
        lambda value: orjson.dumps(parking.decode_totals(value).counting("matched", 0.2)),
        orjson.dumps({"totals": Totals().counting("matched", 0.2), "counted": [["a", 1]]}),
    ),
    "acknowledged": (lambda value: told(value, ACKNOWLEDGED), msgspec.json.encode(ACKNOWLEDGED)),
    "retired": (lambda value: told(value, RETIRED), msgspec.json.encode(RETIRED)),
    "ledger": (noted, LEDGER.dump()),
    "devices": (facts, b'{"sourceDevice":"DiskUnit","deviceId":"sda","timestamp":"2026-01-31T12:'
                b'00:00Z","model":"M","capacityBytes":4,"simulated":true}'),
}  # fmt: skip


def spoilt(value: Any, rng: random.Random) -> Any:
    """The value with nonsense in one place, or with one key too few."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(list(value))
        kept = {name: item for name, item in value.items() if name != key}
        return kept if rng.random() < 0.15 else {**kept, key: spoilt(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = rng.randrange(len(value))
        return [*value[:at], spoilt(value[at], rng), *value[at + 1 :]]
    return rng.choice(NONSENSE)


@pytest.mark.parametrize("name", READERS)
def test_no_value_of_a_bucket_stops_who_reads_it(name: str) -> None:
    read, good = READERS[name]
    assert read(good)
    for value in BROKEN:
        read(value)
    rng = random.Random(name)
    for _ in range(500):
        value = msgspec.json.encode(spoilt(msgspec.json.decode(good), rng))
        read(value)


@pytest.mark.parametrize("seconds", [0, 0.2, 1e9, 1e10, 1e308])
def test_no_visit_takes_the_totals_of_all_others_with_it(seconds: float) -> None:
    value = READERS["totals"][1]
    for number in range(3):
        told = {
            "id": str(number),
            "vehicle_plate": "B 1",
            "entry_date_time": "2026-01-31T12:00:00Z",
            "exit_date_time": "2026-01-31T13:00:00Z",
            "processing_seconds": seconds,
        }
        good, bad = visits.VisitDecoder(1_000).decode(orjson.dumps(told), NOW)
        assert len(good) + len(bad) == 1
        value = visits.count(value, good, 1_800_000_000) or value
    totals = parking.decode_totals(value)
    assert (totals.matched, totals.manual) == (1, 3 if seconds <= 1e9 else 0)
