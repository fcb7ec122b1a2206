"""The fast path of the writer and the models are one contract."""

from __future__ import annotations

import codecs

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle import models, timestamps
from spindle.errors import InvalidInput
from writer.storing.decode import EventDecoder, MetricDecoder, letter_payload

NOW_NS = timestamps.parse("2026-06-01T00:00:00Z")
METRIC = {
    "timestamp": "2026-05-01T10:20:30.123456789Z",
    "sourceDevice": "DiskUnit",
    "metricType": "DiskTemp",
    "value": 41.5,
    "deviceId": "disk.1",
    "arrayId": "a1",
}

odd_text = st.one_of(
    st.text(max_size=5),
    st.sampled_from(["DiskUnit", "a.b:c-d_e", "a" * 128, "a" * 129, "", "-x", "a b", "ä", "x\n"]),
)
odd_time = st.one_of(
    st.sampled_from(
        [
            "2026-05-01T10:20:30Z", "2026-05-01t10:20:30.5z", "2026-05-01 10:20:30+02:00",
            "2026-05-01T10:20:30", "2026-02-30T00:00:00Z", "2026-05-01T24:00:00Z",
            "2026-05-01T10:20:60Z", "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z",
            "2026-05-01T10:20:30.1234567890Z", "2026-05-01T10:20:30-24:00", "2026-06-01T00:00:01Z",
            "2026-06-01T00:00:00Z", "2026-05-01T10:20:30.Z", "\u0662026-05-01T10:20:30Z",
        ]
    ),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.text(max_size=30),
)  # fmt: skip
odd_number: st.SearchStrategy[object] = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**70), 2**70),
    st.sampled_from(["1", True, None, [], {}, 10**308]),
)
odd_metric = st.fixed_dictionaries(
    {},
    optional={
        "timestamp": st.one_of(odd_time, odd_number),
        "sourceDevice": st.one_of(odd_text, odd_number),
        "metricType": odd_text,
        "value": odd_number,
        "deviceId": st.one_of(odd_text, odd_number),
        "arrayId": st.one_of(odd_text, st.none()),
        "source_device": odd_text,
        "more": odd_number,
    },
)
near_metric = odd_metric.flatmap(
    lambda odd: st.sets(st.sampled_from([*METRIC, "more"]), max_size=2).map(
        lambda keys: {**METRIC, **{key: odd[key] for key in keys if key in odd}}
    )
)


def by_the_models(payload: bytes) -> list[tuple[object, ...] | None]:
    """Each object's verdict: its content, or None if refused."""
    verdicts: list[tuple[object, ...] | None] = []
    try:
        objects = models.decode(payload)
    except InvalidInput:
        return [None]
    for data in objects:
        try:
            metric = models.parse(models.DeviceMetric, data, NOW_NS)
        except InvalidInput:
            verdicts.append(None)
        else:
            verdicts.append(
                (
                    metric.source_device,
                    metric.metric_type,
                    metric.device_id,
                    metric.array_id or "",
                    metric.timestamp,
                    metric.value,
                )
            )
    return verdicts


def by_the_writer(payload: bytes) -> list[tuple[object, ...] | None]:
    points, mistakes = MetricDecoder(10**6).decode(payload, NOW_NS)
    good = iter((*series.key, time_ns, value) for series, time_ns, value in points)
    bad = {mistake.index or 0 for mistake in mistakes}
    return [None if i in bad else next(good) for i in range(len(points) + len(mistakes))]


@given(st.lists(st.one_of(near_metric, odd_metric), min_size=1, max_size=4))
def test_the_fast_path_accepts_and_refuses_exactly_what_the_models_do(
    metrics: list[dict[str, object]],
) -> None:
    for payload in (orjson_or_json(metrics), orjson_or_json(metrics[0])):
        assert by_the_writer(payload) == by_the_models(payload)


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_refused_alike(payload: bytes) -> None:
    assert by_the_writer(payload) == by_the_models(payload)


@given(st.integers(0, len(orjson.dumps(METRIC)) - 1), st.integers(0, 255))
def test_a_metric_with_one_byte_changed_is_judged_alike(place: int, byte: int) -> None:
    payload = bytearray(orjson.dumps(METRIC))
    payload[place] = byte
    assert by_the_writer(bytes(payload)) == by_the_models(bytes(payload))


def orjson_or_json(data: object) -> bytes:
    """JSON, numbers beyond 64 bits included (which orjson does not write)."""
    import json

    return json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")


def each_by_the_writer(payloads: list[bytes]) -> list[list[tuple[object, ...]]] | None:
    points = MetricDecoder(10**6).decode_each(payloads, NOW_NS)
    if points is None:
        return None
    return [[(*series.key, time_ns, value)] for series, time_ns, value in points]


PLAIN = orjson.dumps(METRIC)
#: What could be taken for a part of its neighbours, or its neighbours for a part of it.
PIECES = [
    PLAIN, PLAIN + b" ", b" " + PLAIN, PLAIN + b"\n" + PLAIN, PLAIN + PLAIN, b"", b" ", b"\n",
    PLAIN[:40], PLAIN[40:], b"{" + PLAIN[40:], PLAIN[:40] + b"}", b"{", b"}", b"{}", b"}\n{",
    b"[" + PLAIN + b"]", b"[" + PLAIN, PLAIN + b"]", PLAIN[:-1] + b',"x":{}}', b"{" + PLAIN + b"}",
    PLAIN.replace(b'"disk.1"', b'"}'), PLAIN.replace(b'"disk.1"', b'null'), PLAIN + b",",
    b'{"deviceId":"}', b'{"}', PLAIN.replace(b"{", b"{\n"), PLAIN.replace(b"41.5", b"1e999"),
]  # fmt: skip


@given(
    st.lists(
        st.one_of(
            st.sampled_from(PIECES),
            st.just(PLAIN),
            near_metric.map(orjson_or_json),
            st.binary(max_size=9),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_payloads_read_together_are_read_as_each_by_itself(payloads: list[bytes]) -> None:
    together = each_by_the_writer(payloads)
    if together is not None:
        assert together == [by_the_models(payload) for payload in payloads]


@given(st.lists(st.tuples(st.sampled_from(["a", "b.c", "d-1"]), st.floats(-1e9, 1e9)), min_size=1))
def test_plain_payloads_can_be_read_together(readings: list[tuple[str, float]]) -> None:
    payloads = [orjson.dumps({**METRIC, "deviceId": d, "value": v}) for d, v in readings]
    assert each_by_the_writer(payloads) == [by_the_models(payload) for payload in payloads]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not JSON"),
        (b"nonsense", "not JSON"),
        (b"[]", "an empty array"),
        (b"7", "expected a JSON object or an array of them, given 7"),
        (b"[" * 5000 + b"]" * 5000, "not JSON"),
        (b" " * 900, "not JSON"),
        (orjson.dumps({**METRIC, "value": None}), "value: given None, expected a number"),
        (b'{"value":NaN}', "not JSON"),
        (orjson.dumps({**METRIC, "sourceDevice": "a,b"}), "sourceDevice: given 'a,b', expected"),
        (orjson.dumps({**METRIC, "timestamp": "9999-01-01T00:00:00Z"}), "timestamp: given '9999"),
        (b"x" * 2000, "2000 bytes, at most 1000 are taken"),
    ],
)
def test_a_mistake_is_one_sentence(payload: bytes, reason: str) -> None:
    largest = 10**6 if payload[:1] == b"[" else 1000
    points, mistakes = MetricDecoder(largest).decode(payload, NOW_NS)
    assert points == []
    assert len(mistakes) == 1
    assert reason in mistakes[0].reason
    assert "\n" not in mistakes[0].reason


def test_one_bad_point_leaves_its_neighbours() -> None:
    envelope = orjson.dumps([METRIC, {**METRIC, "value": "x"}, METRIC])
    points, mistakes = MetricDecoder(10**6).decode(envelope, NOW_NS)
    assert len(points) == 2
    assert [mistake.index for mistake in mistakes] == [1]
    assert orjson.loads(letter_payload(envelope, 1)) == {**METRIC, "value": "x"}


def test_events_keep_their_nine_digits_and_their_message() -> None:
    event = {
        "id": "e1",
        "criticality": 9,
        "timestamp": "2026-05-01T10:20:30.123456789Z",
        "sourceDevice": "StorageArray",
        "eventType": "DriveFailure",
        "eventMessage": 'it said "no"\nand\\stopped',
    }
    rows, mistakes = EventDecoder(10**6).decode(orjson.dumps(event), NOW_NS)
    assert mistakes == []
    assert rows[0].time_ns % 10**9 == 123456789
    assert rows[0].message == event["eventMessage"]
    assert rows[0].device_id == "StorageArray"


def test_where_nothing_is_ambiguous_other_languages_forms_are_taken() -> None:
    """A byte order mark, and 8.0 for 8; 8.5 is no criticality."""
    marked = codecs.BOM_UTF8 + orjson.dumps(METRIC)
    points, mistakes = MetricDecoder(10**6).decode(marked, NOW_NS)
    assert (len(points), mistakes) == (1, [])
    event = {
        "id": "e1",
        "timestamp": "2026-05-01T10:20:30Z",
        "sourceDevice": "DiskUnit",
        "eventType": "DriveFailure",
    }
    given = [{**event, "criticality": 8.0}, {**event, "criticality": 8.5}]
    rows, mistakes = EventDecoder(10**6).decode(orjson.dumps(given), NOW_NS)
    assert [row.criticality for row in rows] == [8]
    assert "criticality: given 8.5, expected a whole number" in mistakes[0].reason
