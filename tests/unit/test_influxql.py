"""InfluxQL: how text becomes part of a statement, and what an answer holds."""

from __future__ import annotations

from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle.store.base import Selection
from spindle.store.influxdb import influxql
from spindle.store.influxdb.versions.server import LONGEST_QUERY, portions

ESCAPES = {"n": "\n", "\\": "\\", "'": "'", '"': '"'}


def scan(text: str, quote: str) -> tuple[str, str]:
    """As InfluxDB's scanner reads a quoted token: its value, and the rest of the statement."""
    assert text[0] == quote
    value, position = "", 1
    while text[position] != quote:
        assert text[position] != "\n", "a line break ends the token"
        if text[position] == "\\":
            position += 1
            value += ESCAPES[text[position]]
        else:
            value += text[position]
        position += 1
    return value, text[position + 1 :]


ANY_TEXT = st.one_of(st.text(), st.text("'\"\\\n;ab", max_size=12)).filter(
    lambda text: not set(text) & {"\0", "\r"}
)


@given(ANY_TEXT)
def test_a_literal_is_read_back_as_the_text_and_ends_where_it_ends(text: str) -> None:
    assert scan(influxql.literal(text) + "; rest", "'") == (text, "; rest")


@given(ANY_TEXT)
def test_an_identifier_is_read_back_as_the_name_and_ends_where_it_ends(text: str) -> None:
    assert scan(influxql.identifier(text) + "; rest", '"') == (text, "; rest")


@pytest.mark.parametrize("text", ["a\0b", "a\rb"])
def test_what_influxql_cannot_say_is_never_said(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        influxql.literal(text)
    with pytest.raises(ValueError, match="cannot be written"):
        influxql.identifier(text)
    assert not Selection(device_id=text).possible


def test_every_question_about_readings_is_bounded_in_time() -> None:
    which = Selection(device_id="it's")
    assert influxql.latest(which, 5) == (
        'SELECT last("value") AS "value" FROM "device_metrics" WHERE time >= 5 '
        "AND \"device_id\" = 'it\\'s' "
        'GROUP BY "source_device", "metric_type", "device_id", "array_id"'
    )
    assert influxql.steps(Selection(), 5, 9, 60 * 10**9, 3) == (
        'SELECT mean("value") AS "mean", min("value") AS "minimum", max("value") AS "maximum", '
        'count("value") AS "count" FROM "device_metrics" WHERE time >= 5 AND time < 9 '
        'GROUP BY time(60000000000ns), "source_device", "metric_type", "device_id", "array_id" '
        "fill(none) LIMIT 3"
    )


@pytest.mark.parametrize(
    ("hours", "clause"),
    [
        (0, "DURATION INF SHARD DURATION 168h"),
        (1, "DURATION 1h SHARD DURATION 1h"),
        (168, "DURATION 168h SHARD DURATION 24h"),
        (10_000, "DURATION 10000h SHARD DURATION 168h"),
    ],
)
def test_a_retention_comes_with_shards_that_fit_in_it(hours: int, clause: str) -> None:
    statement = influxql.alter_retention("db", "autogen", hours)
    assert statement == f'ALTER RETENTION POLICY "autogen" ON "db" {clause}'


def test_tags_beside_the_columns_and_tags_as_columns_are_the_same_rows() -> None:
    grouped = {
        "series": [
            {
                "name": "device_metrics",
                "tags": {"device_id": "a", "array_id": ""},
                "columns": ["time", "value"],
                "values": [[1, 2.5]],
            }
        ]
    }
    flat = {
        "series": [
            {
                "name": "device_metrics",
                "columns": ["time", "device_id", "array_id", "value"],
                "values": [[1, "a", None, 2.5]],
            }
        ]
    }
    tags = {"device_id": "a", "array_id": "", "source_device": "", "metric_type": ""}
    expected = [{"time": 1, "value": 2.5, "event_type": "", **tags}]
    assert list(influxql.rows(grouped)) == list(influxql.rows(flat)) == expected


@pytest.mark.parametrize("result", [{}, {"series": []}, {"series": None}, {"statement_id": 0}])
def test_an_answer_without_series_has_no_rows(result: dict[str, object]) -> None:
    assert list(influxql.rows(result)) == []


@given(st.lists(st.text(max_size=9_000), max_size=20))
def test_statements_are_asked_in_their_order_in_addresses_that_are_not_too_long(
    statements: list[str],
) -> None:
    asked = list(portions(statements))
    assert [statement for some in asked for statement in some] == statements
    assert all(len(some) == 1 or len(quote_plus(";".join(some))) <= LONGEST_QUERY for some in asked)
    assert len(list(portions(["SELECT 1"] * 10))) == 1
