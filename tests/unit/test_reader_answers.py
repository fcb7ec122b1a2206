"""The answers' own arithmetic and shapes: alerts, temperatures, devices, series, replies."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from reader.answering import replies
from reader.answering.context import Answer
from reader.health.hosts import units
from reader.questions import alerts, devices, manual, series, temperature
from reader.questions.registry import QUERIES
from spindle.errors import Busy, InvalidInput, InvalidQuery, StoreDenied, StoreUnavailable
from spindle.store.base import Bucket, EventRow, Latest
from spindle.timestamps import NS

NOW = 1_800_000_000 * NS + 123_456_789


def disk_temp(value: float, age: int, device: str = "disk-1") -> Bucket:
    return Bucket("DiskUnit", "DiskTemp", device, "", NOW - age * NS, value, value, value, 1)


def compared(*steps: Bucket, threshold: float = 1.3) -> dict[str, Any]:
    return temperature.answer("DiskUnit", steps, threshold, 20)


def test_the_ratio_is_of_the_latest_to_the_first_reading_in_the_window() -> None:
    found = compared(disk_temp(30, 900), disk_temp(80, 500), disk_temp(45, 1))
    assert (found["device"], found["initial_temp"], found["latest_temp"]) == ("disk-1", 30, 45)
    assert (found["ratio"], found["anomaly"], found["reason"]) == (1.5, True, None)


def test_below_the_threshold_is_no_anomaly() -> None:
    assert compared(disk_temp(30, 900), disk_temp(36, 1))["anomaly"] is False
    assert compared(disk_temp(30, 900), disk_temp(36, 1), threshold=1.2)["anomaly"] is True


def test_of_a_class_the_unit_that_rose_most_is_named() -> None:
    found = compared(
        disk_temp(30, 900, "a"),
        disk_temp(31, 1, "a"),
        disk_temp(20, 900, "b"),
        disk_temp(40, 1, "b"),
        disk_temp(55, 1, "c"),
    )
    assert (found["device"], found["ratio"]) == ("b", 2.0)
    assert (found["devices_compared"], found["devices_anomalous"]) == (2, 1)


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ([], "no DiskTemp reading of DiskUnit in the last 20 minutes; two are needed"),
        ([disk_temp(30, 1)], "only one DiskTemp reading of DiskUnit in the last 20 minutes"),
    ],
)
def test_too_little_data_keeps_the_shape_with_nulls_and_a_reason(
    steps: list[Bucket], reason: str
) -> None:
    found = compared(*steps)
    assert found.keys() == compared(disk_temp(1, 2), disk_temp(1, 1)).keys()
    assert found["device"] == "DiskUnit"
    assert [found[k] for k in ("initial_temp", "latest_temp", "ratio", "anomaly")] == [None] * 4
    assert reason in found["reason"]


def test_a_temperature_that_began_at_zero_has_no_ratio_and_says_so() -> None:
    found = compared(disk_temp(0, 900), disk_temp(20, 1))
    assert (found["initial_temp"], found["ratio"], found["anomaly"]) == (0, None, None)
    assert "0 degC" in found["reason"]


def test_what_cannot_be_is_compared_with_nothing() -> None:
    found = compared(
        disk_temp(30, 900), disk_temp(9e307, 500), disk_temp(36, 1), disk_temp(-128, 0)
    )
    assert (found["initial_temp"], found["latest_temp"], found["anomaly"]) == (30, 36, False)
    found = compared(disk_temp(9e307, 500), disk_temp(8e307, 1))
    assert found["anomaly"] is None
    assert "no DiskTemp reading" in found["reason"]
    assert "besides 2 that cannot be" in found["reason"]


def test_alerts_keep_all_nine_digits_of_their_time() -> None:
    event = EventRow(NOW, "e-1", "DiskUnit", "DriveFailure", "disk-1", "", 9, "")
    assert alerts.rows([event]) == [
        {
            "time": "2027-01-15T08:00:00.123456789Z",
            "event_id": "e-1",
            "source_device": "DiskUnit",
            "event_type": "DriveFailure",
            "criticality": 9,
            "device_id": "disk-1",
            "array_id": None,
            "event_message": None,
        }
    ]


def test_the_summary_counts_per_class_the_most_first() -> None:
    events = [
        EventRow(NOW, str(n), source, "DriveFailure", source, "", 9, "")
        for n, source in enumerate(["A", "B", "B"])
    ]
    assert alerts.summary(events) == [
        {"source_device": "B", "critical_event_count": 2},
        {"source_device": "A", "critical_event_count": 1},
    ]


def test_a_device_is_listed_with_its_latest_readings_units_and_when_it_was_last_seen() -> None:
    latest = [
        Latest("DiskUnit", "DiskTemp", "disk-1", "array-1", NOW - NS, 40.5),
        Latest("DiskUnit", "Strange", "disk-1", "array-1", NOW, 7),
    ]
    event = EventRow(NOW, "e", "CloudStorage", "UnauthorizedAccess", "bucket-1", "", 3, "")
    cloud, disk = (devices.row(unit, None) for unit in units(latest, [event]))
    assert (cloud["device_id"], cloud["metrics"]) == ("bucket-1", {})
    assert (disk["array_id"], disk["last_seen"]) == ("array-1", "2027-01-15T08:00:00.123456789Z")
    assert disk["metrics"]["DiskTemp"]["value"] == 40.5
    assert disk["metrics"]["DiskTemp"]["unit"] == "degC"
    assert disk["metrics"]["Strange"]["unit"] == ""


def test_a_step_tells_mean_least_most_and_how_many() -> None:
    step = Bucket("DiskUnit", "DiskTemp", "disk-1", "", NOW, 40.0, 39.0, 41.5, 60)
    (row,) = series.rows([step])
    assert (row["mean"], row["min"], row["max"], row["count"]) == (40.0, 39.0, 41.5, 60)
    assert (row["unit"], row["array_id"]) == ("degC", None)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidQuery("no"), "400"),
        (Busy("later"), "429"),
        (StoreUnavailable("away"), "503"),
        (StoreDenied("no"), "503"),
        (replies.TimedOut("slow"), "504"),
        (KeyError("secret"), "500"),
    ],
)
def test_each_kind_of_failure_has_its_code(error: Exception, code: str) -> None:
    assert replies.failure(error).code == code


def test_the_text_of_an_unexpected_error_is_not_told_to_whoever_asked() -> None:
    assert "secret" not in replies.failure(RuntimeError("secret")).message


def test_a_failure_is_one_line_of_bounded_length() -> None:
    message = replies.failure(StoreUnavailable("a\nb\r\n" * 10_000)).message
    assert message.isprintable()
    assert len(message) <= replies.LONGEST_MESSAGE


def test_a_list_too_long_for_one_message_is_cut_and_says_so() -> None:
    answer = Answer([{"n": n, "text": "x" * (n % 90)} for n in range(10_000)], {"summary": []})
    body = replies.success(answer, 50_000)
    reply = orjson.loads(body)
    assert 30_000 < len(body) <= 50_000
    assert reply["truncated"] is True
    assert reply["data"] == answer.data[: len(reply["data"])]  # type: ignore[index]


def test_an_object_too_large_for_one_message_is_refused_with_a_sentence() -> None:
    with pytest.raises(InvalidInput, match="ask for less"):
        replies.success(Answer({"text": "x" * 1000}), 500)


def test_a_whole_answer_does_not_speak_of_truncation() -> None:
    assert orjson.loads(replies.success(Answer([]), 500)) == {"status": "success", "data": []}


def test_the_manual_names_every_query_with_every_parameter() -> None:
    text = manual.markdown(QUERIES.values())
    for query in QUERIES.values():
        assert f"### `{query.name}`" in text
        assert all(f"| `{name}` |" in text for name in query.params.model_fields)


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_the_example_of_every_query_is_a_valid_question(name: str) -> None:
    QUERIES[name].params.model_validate(dict(QUERIES[name].example))


def test_metadata_of_an_endpoint_is_text_alone() -> None:
    for query in QUERIES.values():
        assert all(isinstance(value, str) for value in manual.metadata(query).values())


def test_what_is_told_of_all_questions_is_far_smaller_than_a_message_may_be() -> None:
    told = orjson.dumps([manual.metadata(query) for query in QUERIES.values()])
    assert len(told) < 100_000, "one reply to $SRV.INFO carries it, and NATS takes 1 MiB"
