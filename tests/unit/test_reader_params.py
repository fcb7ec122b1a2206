"""What a question may ask for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader.answering import params
from reader.answering.runner import named
from reader.questions.alerts import AlertsParams
from reader.questions.registry import QUERIES
from reader.questions.temperature import TemperatureParams
from spindle.errors import InvalidQuery
from spindle.models import NAME_PATTERN

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=40)
    | st.sampled_from(
        ["'; DROP TABLE events; --", 'a"b', "a\nb", "x' OR '1'='1", "\x00", "7", "-1"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
_NAMES = sorted({name for query in QUERIES.values() for name in query.params.model_fields})


@given(
    query_type=st.sampled_from(sorted(QUERIES)),
    given_params=st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=8), _JSON, max_size=4),
)
def test_any_json_is_either_understood_or_refused_in_one_short_plain_sentence(
    query_type: str, given_params: dict[str, Any]
) -> None:
    query = QUERIES[query_type]
    try:
        asked = params.parse(query_type, query.params, given_params)
    except InvalidQuery as error:
        sentence = str(error)
        assert sentence.startswith(query_type)
        assert sentence.isascii()
        assert sentence.isprintable()
        assert len(sentence) < 1000
    else:
        for name, value in asked.model_dump().items():
            if name == "vehicle_plate":  # has a rule of its own
                assert value.isprintable()
                assert len(value) <= 32
            else:
                assert not isinstance(value, str) or NAME_PATTERN.fullmatch(value)


def test_numbers_may_be_written_as_strings() -> None:
    asked = params.parse(
        "alerts_critical", AlertsParams, {"since_minutes": "7.5", "min_criticality": "9"}
    )
    assert (asked.since_minutes, asked.min_criticality) == (7.5, 9)


def test_the_defaults_are_those_of_the_contract() -> None:
    alerts = params.parse("alerts_critical", AlertsParams, None)
    assert (alerts.since_minutes, alerts.min_criticality) == (15, 8)
    temperature = params.parse("t", TemperatureParams, {"source_device": "DiskUnit"})
    assert (temperature.threshold, temperature.window_minutes) == (1.3, 20)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"since_minutes": -1}, "since_minutes: given -1, expected a number above 0"),
        ({"since_minutes": 1e12}, "expected a number above 0 and up to 5256000"),
        ({"since_minutes": float("nan")}, "since_minutes: given nan, expected a number"),
        ({"since_minutes": "9" * 1_000_000}, "expected a number above 0"),
        ({"min_criticality": "much"}, "given 'much', expected a whole number from 1 to 10"),
        ({"min_criticality": True}, "given True, expected a whole number"),
        ({"min_criticality": 10**400}, "expected a whole number from 1 to 10"),
        ({"device_id": "a' OR '1'='1"}, "expected 1 to 128 letters, digits"),
        ({"device_id": "x" * 1_000_000}, "expected 1 to 128 letters, digits"),
        ({"device_id": {"$ne": ""}}, "expected 1 to 128 letters, digits"),
        ({"device_id": "naïve"}, "given 'na\\xefve'"),
        ([], "params: expected a JSON object, given []"),
        ("x", "params: expected a JSON object, given 'x'"),
        ({"until": "yesterday"}, "until: given 'yesterday', expected an RFC 3339 time"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_was_given_and_what_is_allowed(
    wrong: object, sentence: str
) -> None:
    with pytest.raises(InvalidQuery) as refused:
        params.parse("alerts_critical", AlertsParams, wrong)
    assert sentence in str(refused.value)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("given_criticality", "meant"), [(0, 1), (-7, 1), (11, 10), (8.9, 9), ("8.1", 9), ("10", 10)]
)
def test_a_criticality_is_brought_into_its_range(given_criticality: object, meant: int) -> None:
    asked = params.parse("q", AlertsParams, {"min_criticality": given_criticality})
    assert asked.min_criticality == meant


def test_names_that_a_question_does_not_know_are_left_out_and_told() -> None:
    given_params = {"min_criticality": 9, "devcie_id": "x", "y" * 1000: 1}
    assert params.parse("q", AlertsParams, given_params) == AlertsParams(min_criticality=9)
    assert params.ignored(AlertsParams, given_params) == ["devcie_id", "y" * 64]
    assert params.ignored(AlertsParams, None) == []


@pytest.mark.parametrize(
    ("given_params", "extra", "note"),
    [
        ({"limt": "3"}, [], "ignored: there is no 'limt' (did you mean limit?)"),
        ({}, ["limit", "version"], "ignored: 'limit' belongs in params, there is no 'version'"),
        ({"min_criticality": 11}, [], "min_criticality 11 is taken as 10"),
        ({"min_criticality": "8.9", "x": 1}, [],
         "ignored: there is no 'x'; min_criticality 8.9 is taken as 9"),
        ({"min_criticality": "8.0", "since_minutes": "15", "device_id": "sda"}, [], ""),
        (None, [], ""),
    ],
)  # fmt: skip
def test_what_is_taken_otherwise_than_it_was_written_is_told_in_words(
    given_params: object, extra: list[str], note: str
) -> None:
    asked = params.parse("alerts_critical", AlertsParams, given_params)
    assert params.note(asked, given_params, extra) == note


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(InvalidQuery, match=r"since_minutes: .*; min_criticality: "):
        params.parse("q", AlertsParams, {"since_minutes": 0, "min_criticality": "x"})


def test_where_a_parameter_is_missing_one_that_there_is_not_is_named_with_the_nearest() -> None:
    with pytest.raises(InvalidQuery, match=r"there is no 'devce_id' \(did you mean device_id\?\)"):
        params.parse("device_health", QUERIES["device_health"].params, {"devce_id": "sda"})


@pytest.mark.parametrize("query_type", ["device_health", "anomaly_temperature", "series"])
def test_a_question_about_a_device_says_which(query_type: str) -> None:
    or_array = ["give source_device or device_id", "give source_device, device_id or array_id"]
    with pytest.raises(InvalidQuery, match=or_array[query_type == "device_health"]):
        params.parse(query_type, QUERIES[query_type].params, {})
    params.parse(query_type, QUERIES[query_type].params, {"device_id": "disk-7"})


def test_an_unknown_query_type_is_answered_with_the_list_of_those_that_exist() -> None:
    with pytest.raises(InvalidQuery) as refused:
        named(QUERIES, "device_helth")
    assert "given 'device_helth'" in str(refused.value)
    assert all(name in str(refused.value) for name in QUERIES)
