"""Tables on a terminal, and the words of the command line."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest
from nats.aio.client import Client
from rich.console import Console

from client.ask import Refused, ask, understand
from client.files.critical_poller import rows, window_minutes
from client.settings import ClientSettings
from client.verbs import report
from client.verbs.asking import parse_params
from spindle.errors import InvalidInput, InvalidSettings
from spindle.settings import load
from spindle.timestamps import NS

NOW = 1_800_000_000 * NS


def shown(reply: dict[str, Any], width: int = 120, color: bool = False, wide: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=color, legacy_windows=False)
    console.print(report.render({"status": "success", **reply}, wide=wide))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_list_of_objects_is_a_table_without_the_columns_that_are_empty() -> None:
    text = shown({"data": [{"device_id": "d1", "array_id": None}, {"device_id": "d2"}]})
    assert text.split() == ["device", "id", "d1", "d2"]


def test_an_object_is_a_table_of_keys_and_values_with_its_lists_below() -> None:
    text = shown(
        {"data": {"device": "d1", "counts": {"ok": 1}, "reasons": [{"message": "too hot"}]}}
    )
    lines = [line.rstrip() for line in text.splitlines()]
    assert lines == ["device  d1", "counts  ok 1", "reasons", "message", "too hot"]


def test_what_stands_beside_the_data_is_shown_too() -> None:
    text = shown({"data": [], "summary": [{"critical_event_count": 3}], "truncated": True})
    assert "Nothing found." in text
    assert "summary" in text
    assert "There is more than this" in text


def test_what_was_ignored_is_said_in_one_line_below_the_table() -> None:
    note = "ignored: there is no 'limt' (did you mean limit?)"
    text = shown({"data": [{"device_id": "d1"}], "ignored": ["limt"], "note": note})
    assert text.splitlines()[-1].strip() == note


def test_what_is_the_same_in_every_row_is_said_once() -> None:
    text = shown({"data": [{"unit": "degC", "mean": n} for n in range(5)]})
    assert text.count("degC") == 1


def test_a_reading_is_shown_with_its_unit_and_a_time_to_the_millisecond() -> None:
    metrics = {"DiskTemp": {"value": 40.123456789, "unit": "degC", "time": "x"}}
    text = shown({"data": [{"metrics": metrics, "last_seen": "2027-01-15T08:00:00.123456789Z"}]})
    assert "DiskTemp 40.12 degC" in text
    assert "2027-01-15 08:00:00.123Z" in text


@pytest.mark.parametrize(("health", "code"), [("ok", "32"), ("warning", "33"), ("critical", "31")])
def test_health_is_coloured(health: str, code: str) -> None:
    assert f"{code}m{health}" in shown({"data": {"health": health}}, color=True)


def test_nothing_that_a_publisher_wrote_can_steer_the_terminal() -> None:
    text = shown({"data": [{"message": "\x1b[2Jboom [red]\x07\n"}]})
    assert text.replace("\n", "").isprintable()
    assert "[red]" in text


@pytest.mark.parametrize("width", [20, 80, 200])
def test_any_shape_of_data_is_shown_somehow(width: int) -> None:
    for data in ({}, [], 7, "x", None, [1, 2], {"a": [1, {"b": []}]}, [{"a": {"b": {"c": 1}}}]):
        shown({"data": data}, width)


def test_key_value_words_become_params() -> None:
    assert parse_params(["device_id=a=b", "since_minutes=5"]) == {
        "device_id": "a=b",
        "since_minutes": "5",
    }


@pytest.mark.parametrize("words", [["device_id"], ["=x"], ["a=1", "a=2"]])
def test_a_word_that_is_not_key_value_is_refused(words: list[str]) -> None:
    with pytest.raises(InvalidInput):
        parse_params(words)


def test_a_bare_device_is_answered_with_how_it_is_meant() -> None:
    with pytest.raises(InvalidInput, match="such as device_id=array1-disk2"):
        parse_params(["array1-disk2"])


@pytest.mark.parametrize(
    "payload", [b"", b"nonsense", b"[]", b"{}", b'{"status":"success"}', b'{"status":"odd"}']
)
def test_what_is_no_reply_of_a_reader_is_told_as_such(payload: bytes) -> None:
    with pytest.raises(Refused, match="the answer is not"):
        understand(payload)


def test_the_readers_own_sentence_is_what_a_refusal_says() -> None:
    with pytest.raises(Refused, match=r"^busy$") as refused:
        understand(b'{"status":"error","message":"busy"}', "429")
    assert refused.value.code == "429"


def test_an_answer_to_another_question_is_refused() -> None:
    with pytest.raises(Refused, match="not a list"):
        rows({"data": {}})
    with pytest.raises(Refused, match="a row has no time"):
        rows({"data": [{}]})


@pytest.mark.parametrize(
    ("away_minutes", "minutes"), [(0, 60), (5, 65), (-30, 60), (1e9, 168 * 60)]
)
def test_a_poll_looks_back_to_the_last_answer_and_a_margin_but_not_past_retention(
    away_minutes: float, minutes: float
) -> None:
    last = NOW - int(away_minutes * 60) * NS
    assert window_minutes(ClientSettings(), NOW, last) == minutes


def test_without_retention_a_poll_looks_back_ten_years_at_most() -> None:
    settings = ClientSettings(retention_hours=0)
    assert window_minutes(settings, NOW, 0) == 5_256_000


@pytest.mark.parametrize("subject", ["", "reader.*", "reader.>", "a b", "reader..query", ".reader"])
def test_a_subject_that_cannot_be_asked_on_is_refused(subject: str) -> None:
    with pytest.raises(InvalidSettings, match="NATS_SUBJECT_REQUEST"):
        load(ClientSettings, nats_subject_request=subject)


def test_a_narrow_terminal_leaves_out_what_matters_least() -> None:
    row = {
        "device_id": "array1-disk4",
        "source_device": "DiskUnit",
        "health": "critical",
        "last_seen": "2026-11-23T03:23:20.945Z",
        "reasons": [{"metric_type": "DiskTemp", "message": "DiskTemp 67 degC, critical"}],
    }
    rows = {"data": [row, {**row, "device_id": "array2-disk1", "source_device": "Tape"}]}
    narrow, wide = shown(rows, width=72), shown(rows, width=140, wide=True)
    assert "DiskTemp 67 degC, critical" in narrow
    assert "last seen" not in narrow
    assert "last seen" in wide
    assert "Tape" in wide


def test_when_a_device_was_last_seen_has_its_place_on_a_usual_terminal() -> None:
    metrics = {
        name: {"value": 12.3456, "unit": unit, "time": "2026-11-23T05:21:17.102Z"}
        for name, unit in (("CapacityUsed", "%"), ("DiskTemp", "degC"), ("IOPs", "/s"))
    }
    rows = [
        {
            "device_id": f"array{number}-disk1",
            "source_device": ("DiskUnit", "CloudStorage")[number % 2],
            "array_id": f"array{number}",
            "last_seen": f"2026-11-23T05:21:1{number}.102Z",
            "metrics": metrics,
        }
        for number in range(4)
    ]
    text = shown({"data": rows}, width=80)
    assert "2026-11-23 05:21:12.102Z" in text
    assert "array id" not in text


def test_what_is_not_known_within_an_object_is_not_shown() -> None:
    levels = [{"level": 80, "days": None, "earliest": None}, {"level": 90, "days": 3}]
    text = shown({"data": [{"device_id": "a", "until": levels}]})
    assert "level 90, days 3" in text
    assert "level 80" not in text  # nothing is known of it
    unknown = [{"device_id": "a", "until": levels[:1]}, {"device_id": "b", "until": []}]
    assert "until" not in shown({"data": unknown})


def test_a_row_is_a_device_its_state_and_one_sentence_unless_all_is_wanted() -> None:
    row = {
        "device": "d1",
        "source_device": "DiskUnit",
        "health": "critical",
        "score": 17,
        "reasons": [{"message": "it is hot"}, {"message": "it is slow"}],
    }
    text = shown({"data": {"devices": [row]}}, width=80)
    assert "it is hot (and 1 more)" in text
    assert "DiskUnit" not in text
    assert "it is slow" in shown({"data": {"devices": [row]}}, width=120, wide=True)


def test_alerts_are_a_table_with_their_sentence_at_80_columns() -> None:
    rows = [
        {
            "time": f"2026-11-28T11:41:4{number}.380123Z", "device_id": f"array1-disk{number}",
            "source_device": "DiskUnit", "criticality": 8 + number, "model": "simulated",
            "event_message": "DiskTemp 68.72 degC, at or above 60 degC (critical) for 6 s",
            "simulated": True,
        }
        for number in range(2)
    ]  # fmt: skip
    text = shown({"data": rows}, width=80)
    assert text.splitlines()[0].split() == ["time", "device", "id", "simulated", "event", "message"]
    assert "2026-11-28 11:41:40Z  array1-disk0  yes" in text


def test_a_forecast_is_its_verdict_and_a_sentence_and_what_all_say_is_said_once() -> None:
    rows = [
        {"device_id": f"d{n}", "verdict": "unknown", "message": "No forecast: 3 h are needed."}
        for n in range(3)
    ]
    text = shown({"data": rows}, width=80)
    assert text.count("3 h are needed") == text.count("unknown") == 1
    assert "d2" in text


def test_the_reasons_of_a_device_are_sentences_unless_all_is_wanted() -> None:
    reason = {"severity": "critical", "limit": 60.0, "message": "DiskTemp 68.7 degC"}
    reply = {"data": {"device": "d1", "health": "critical", "reasons": [reason]}}
    assert "limit" not in shown(reply, width=80)
    assert "limit" in shown(reply, width=80, wide=True)


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (327_082_000.0, "B/s", "327.1 MB/s"),
        (0, "B/s", "0 B/s"),
        (2.5e12, "B", "2.5 TB"),
        (12_345.678, "/s", "12346 /s"),
        (0.15123, "ms", "0.1512 ms"),
    ],
)
def test_units_are_those_that_people_use(value: float, unit: str, words: str) -> None:
    reading = {"value": value, "unit": unit, "time": "x"}
    assert f"x {words}" in shown({"data": [{"metrics": {"x": reading}}]})


def test_two_hosts_sda_are_told_apart_in_a_table() -> None:
    rows = [
        {"device": "sda", "source_device": "DiskUnit", "array_id": array, "explanation": "hot"}
        for array in ("host-a", "host-b")
    ]
    assert "host-b" in shown({"data": rows})
    alone = shown({"data": rows[:1]})
    assert "host-a" not in alone


@pytest.mark.parametrize(
    ("real", "simulated", "sentence"),
    [
        (2, 0, "All 2 devices are well."),
        (1, 0, "The one device is well."),
        (1, 14, "All 15 devices are well, 14 of them simulated."),
        (0, 0, ""),
    ],
)
def test_a_fleet_that_is_well_is_a_sentence(real: int, simulated: int, sentence: str) -> None:
    """Not a list of which 0 match; which of its devices are listed is said where not all are."""

    def counted(known: int) -> dict[str, Any]:
        return {"health": "ok", "devices_known": known, "counts": {"ok": known, "critical": 0}}

    fleet = {**counted(real), "listed": 0, "matching": 0, "devices": []}
    if simulated:
        fleet["simulated"] = counted(simulated)
    text = shown({"data": fleet})
    assert text.splitlines()[0].strip() == sentence or not sentence
    assert "matching" not in text
    fleet["counts"]["ok"] -= 1
    assert "well" not in shown({"data": fleet})
    assert "matching" in shown({"data": {**fleet, "listed": 1, "matching": 3}})


def test_the_ledgers_streams_are_a_table_at_80_columns() -> None:
    row = {
        "stream": "PARKING_SUMMARIES",
        "received": 28531,
        "stored": 28531,
        "duplicates": 0,
        "in_flight": 0,
        "dead_lettered": 0,
        "adds_up": True,
        "pending": 0,
        "unacknowledged": 0,
        "stream_messages": 0,
        "stream_bytes": 0,
        "oldest_seconds": 0.0,
    }
    latency = {"latency_p50_seconds": 0.111, "latency_p99_seconds": 0.397}
    lines = shown(
        {"data": {"streams": [row, row | latency | {"stream": "EVENTS"}]}}, width=80
    ).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines[-2:]] == ["PARKING_SUMMARIES", "EVENTS"]
    assert lines[-3].split()[-1] == "up"  # of "adds up", which is broken and not cut


def test_a_question_with_a_byte_that_is_no_utf_8_is_refused_before_it_is_sent() -> None:
    """A command line may hold one: ``disk-\\xff``."""
    asked = ask(Client(), "reader.query", "devices", {"device_id": "disk-\udcff"}, 1.0)
    with pytest.raises(InvalidInput, match="no UTF-8"):
        asyncio.run(asked)
