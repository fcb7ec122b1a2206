"""What each answer of InfluxDB means for a batch."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from spindle.errors import BatchRefused, BatchTooLarge, StoreDenied, StoreError, StoreUnavailable
from spindle.store.influxdb.answers import Expired, NotThere, meaning, retry_after, sentence

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        # 1.x, as 1.6.7 answers
        (400, '{"error":"unable to parse \'m v=timeout 1\': invalid number"}', BatchRefused),
        (400, '{"error":"partial write: field type conflict: ... dropped=1"}', BatchRefused),
        (
            400,
            '{"error":"partial write: points beyond retention policy dropped=3"}',
            Expired,
        ),
        (400, '{"error":"timeout"}', StoreUnavailable),
        (400, '{"error":"engine: cache-max-memory-size exceeded: (10/9)"}', StoreUnavailable),
        (500, '{"error":"engine: cache-max-memory-size exceeded: (10/9)"}', StoreUnavailable),
        (500, '{"error":"timeout"}', StoreUnavailable),
        (401, '{"error":"authorization failed"}', StoreDenied),
        (403, '{"error":"\\"u\\" user is not authorized to write to database"}', StoreDenied),
        (404, '{"error":"database not found: \\"x\\""}', NotThere),
        (413, '{"error":"Request Entity Too Large"}', BatchTooLarge),
        (503, '{"error":"hinted handoff queue not empty"}', StoreUnavailable),
        # 2.x, as documented
        (400, '{"code":"invalid","message":"unable to parse \'x\': bad timestamp"}', BatchRefused),
        (
            422,
            '{"code":"unprocessable entity","message":"failure writing points to database: '
            'partial write: field type conflict: ... dropped=1"}',
            BatchRefused,
        ),
        (
            500,
            '{"code":"internal error","message":"unexpected error writing points to database: '
            'partial write: points beyond retention policy dropped=1"}',
            Expired,
        ),
        (
            500,
            '{"code":"internal error","message":"unexpected error writing points to database: '
            'engine: cache-max-memory-size exceeded: (10/9)"}',
            StoreUnavailable,
        ),
        (404, '{"code":"not found","message":"bucket \\"x\\" not found"}', NotThere),
        (429, '{"code":"too many requests","message":"slow down"}', StoreUnavailable),
        # 3.x, as documented
        (
            400,
            '{"error":"partial write of line protocol occurred","data":[{"original_line":"m v=hi",'
            '"line_number":2,"error_message":"invalid column type for column \'v\'"}]}',
            BatchRefused,
        ),
        (400, '{"error":"write of line protocol failed","data":[]}', BatchRefused),
        (401, "", StoreDenied),
        # what stands between
        (400, "<html><h1>400 Bad Request</h1></html>", StoreDenied),
        (400, "Client sent an HTTP request to an HTTPS server.", StoreDenied),
        (301, "", StoreDenied),
        (405, "", StoreDenied),
        (408, "", StoreUnavailable),
        (502, "<html>Bad Gateway</html>", StoreUnavailable),
        (504, "", StoreUnavailable),
    ],
)
def test_an_answer_carries_the_decision_to_take(
    status: int, body: str, kind: type[StoreError]
) -> None:
    error = meaning(status, {}, body.encode(), NOW)
    assert type(error) is kind
    assert str(error).startswith("expired: ") == ("beyond retention policy" in body)
    assert str(error).removeprefix("expired: ").startswith(f"InfluxDB answered {status}")
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("location", "said"),
    [
        (
            "https://db.example:8443/query?u=me&p=secret",
            " and leads to https://db.example:8443; is",
        ),
        ("https://me:secret@db.example/", " and leads to https://db.example; is STORE_URL"),
        ("/login", "answered 301"),
        ("https://[oops", "answered 301"),
    ],
)
def test_a_redirect_says_where_to_and_nothing_that_is_secret(location: str, said: str) -> None:
    error = meaning(301, {"Location": location}, b"", NOW)
    assert type(error) is StoreDenied
    assert said in str(error)
    assert "secret" not in str(error)


def test_the_databases_sentence_is_repeated() -> None:
    body = b'{"error":"partial write of line protocol occurred","data":[{"line_number":2,'
    body += b'"original_line":"m v=hi","error_message":"no such\\ncolumn"}]}'
    assert sentence(body) == ("partial write of line protocol occurred: line 2: no such column")
    assert sentence(b'{"error":"parsing failed","data":{"line_number":1,"error_message":"x"}}') == (
        "parsing failed: line 1: x"
    )
    assert sentence(b'{"code":"invalid","message":"bad \\u0007 line"}') == "bad line"
    assert sentence(b"plain text\nof a proxy") == "plain text of a proxy"
    assert sentence(b"\xff\xfe") != ""
    assert len(sentence(b"x" * 10_000)) <= 300
    assert sentence(b"[1]") == "[1]"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Sat, 31 Jan 2026 12:00:30 GMT", 30.0),
        ("Sat, 31 Jan 2026 11:00:00 GMT", 0.0),
        ("99999999", 3600.0),
        ("-5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


def test_an_overloaded_database_says_when_to_come_back() -> None:
    for status in (429, 503):
        error = meaning(status, {"Retry-After": "12"}, b"", NOW)
        assert isinstance(error, StoreUnavailable)
        assert error.retry_after == 12.0
