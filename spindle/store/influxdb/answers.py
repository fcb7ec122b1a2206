"""What an answer of InfluxDB means: the sentence in it, and the decision to take. Pure.

Seen on 1.6.7, and documented for 2.x and 3.x: 400 (2.x: also 422) refuses points; 1.x answers 400
also where it is only overloaded, and early 2.x answers 500 where points lie outside the retention.
Sources: https://docs.influxdata.com/influxdb/v2/write-data/troubleshoot/,
https://docs.influxdata.com/influxdb3/core/write-data/troubleshoot/, influxdata/influxdb issues
5354 (time-outs of 1.x), 6109 (its cache limit), dojot/dojot 2216 (the 500 of early 2.x).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import orjson

from spindle.errors import BatchRefused, BatchTooLarge, StoreDenied, StoreError, StoreUnavailable

_LONGEST_SENTENCE = 300
_LONGEST_WAIT_SECONDS = 3600.0
# Only at the start of the sentence: further on it quotes what a publisher sent.
_OVERLOADED = re.compile(r"timeout|engine: |write failed|hinted handoff|retryable|cache[- ]max")
_OUTSIDE = re.compile(r"(unexpected error writing points to database: )?partial write: ")
# 1.x and 2.x; what a publisher sent is quoted only after it.
_EXPIRED = re.compile(r"^[^{'\"]*points? (beyond|outside) (the )?retention")
_NO_INFLUXDB = re.compile(r"<|Client sent an HTTP request to an HTTPS server")


class NotThere(StoreDenied):
    """404: the database or bucket is missing (made anew once, then it is a denial)."""


class NotJson(StoreUnavailable):
    """Another program answers there; or a mean overflowed, which InfluxDB cannot write as JSON."""


class Expired(BatchRefused):
    """A point is older than the retention, by InfluxDB's clock.

    :ivar clock: what that said, where the answer had it.
    """

    def __init__(self, reason: str, clock: datetime | None) -> None:
        super().__init__(reason)
        self.clock = clock


class NotExecuted(StoreUnavailable):
    """One of several statements failed, and the answer does not say which or why."""


def meaning(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> StoreError:
    """The error that an answer other than 2xx stands for."""
    said = sentence(body)
    shown = f"InfluxDB answered {status}" + (f": {said}" if said else "")
    if 300 <= status < 400 and (where := _leads_to(headers.get("Location", ""))):
        shown += f" and leads to {where}; is STORE_URL, or INFLUXDB_HOST, right?"
    if status in (400, 422) or (status == 500 and _OUTSIDE.match(said)):
        return _refusal(said, shown, headers.get("Date"))
    if status in (408, 429) or status >= 500:
        return StoreUnavailable(shown, retry_after(headers.get("Retry-After"), now))
    if status == 401:
        # That of compose: its volume outlives a change of the setting.
        shown += (
            " (INFLUXDB_TOKEN, or user and password in STORE_URL; an InfluxDB in containers keeps "
            "the token of its first start, whatever INFLUXDB_TOKEN is now)"
        )
    return _OTHERS.get(status, StoreDenied)(shown)


def _leads_to(location: str) -> str:
    """The server that a redirect names; its path and query may hold what is secret."""
    try:
        parts = urlsplit(location)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    named = parts.scheme in ("http", "https") and parts.hostname
    return f"{parts.scheme}://{parts.hostname}{port}"[:300] if named else ""


_OTHERS: dict[int, type[StoreError]] = {404: NotThere, 413: BatchTooLarge}


def _refusal(said: str, shown: str, date: str | None) -> StoreError:
    if _NO_INFLUXDB.match(said):
        return StoreDenied(f"{shown} (is STORE_URL right?)")
    if _OVERLOADED.match(said):
        return StoreUnavailable(shown)
    if not _EXPIRED.search(said):
        return BatchRefused(shown)
    try:
        clock = _moment(date) if date else None
    except ValueError:
        clock = None
    return Expired(f"expired: {shown}", clock)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds to wait, of a ``Retry-After`` header: a number, or an HTTP date (RFC 9110)."""
    if value is None:
        return None
    text = value.strip()
    try:
        seconds = float(text) if text.isdecimal() else _until(text, now)
    except ValueError:
        return None
    return min(max(0.0, seconds), _LONGEST_WAIT_SECONDS)


def _until(text: str, now: datetime) -> float:
    return (_moment(text) - now).total_seconds()


def _moment(text: str) -> datetime:
    """An HTTP date (RFC 9110).

    :raises ValueError: it is none.
    """
    moment = parsedate_to_datetime(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def sentence(body: bytes) -> str:
    """What the database says is wrong, on one line, cut short."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return one_line(body.decode("utf-8", "replace"))
    if not isinstance(answer, dict):
        return one_line(str(answer))
    said = answer.get("error") or answer.get("message") or answer.get("err") or ""
    return one_line(f"{said}{_first_line(answer.get('data'))}")


def _first_line(data: object) -> str:
    """The first refused line of a 3.x answer (``data`` is a list, or one of its entries)."""
    first = data[0] if isinstance(data, list) and data else data
    if not isinstance(first, dict) or "error_message" not in first:
        return ""
    return f": line {first.get('line_number')}: {first['error_message']}"


def one_line(text: str) -> str:
    """Printable, on one line, cut short."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:_LONGEST_SENTENCE]
