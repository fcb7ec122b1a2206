"""One InfluxDB. Versions differ in logging in, writing and making the database.

Reading is the same for all: InfluxQL on ``/query``.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from spindle.errors import BatchRefused, StoreError, StoreUnavailable
from spindle.store.influxdb import influxql
from spindle.store.influxdb.answers import NotExecuted, NotThere, one_line
from spindle.store.influxdb.http import Address, Answer, Http, checked

log = logging.getLogger("spindle.store")

#: Bytes of statements in one request's address. InfluxDB itself answers 431 to a million; a proxy
#: in front of it often takes 8 KiB.
LONGEST_QUERY = 7_000


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a database keeps readings.

    :ivar hours: whole hours; 0 for ever.
    :ivar asked_for: RETENTION_HOURS is set, and not left at its default.
    """

    hours: int
    asked_for: bool = False


class Server(ABC):
    """One InfluxDB of a known version.

    :ivar one_statement: it takes one InfluxQL statement a request (influxdata/influxdb 24771).
    """

    one_statement = False

    def __init__(self, http: Http, address: Address) -> None:
        self.http = http
        self.address = address

    @abstractmethod
    def prepare(self, retention: Retention) -> None:
        """Make the database where it is missing, with this retention.

        :raises StoreDenied: it is not there and cannot be made.
        """

    def write(self, body: bytes) -> None:
        """Store finished line protocol, by ``/api/v2/write``, which 2.x and 3.x have.

        It goes uncompressed: seen on one machine, 345,000 points/s plain, 240,000 with gzip.
        """
        fields = {
            "org": self.address.org,
            "bucket": self.address.database,
            "precision": "ns",
        }
        self.post_lines("/api/v2/write", fields, body)

    def post_lines(self, path: str, fields: dict[str, str], body: bytes) -> None:
        """Send finished lines in one request; the caller retries."""
        headers = {**self.headers(), "Content-Type": "text/plain; charset=utf-8"}
        checked(self.http.request("POST", path, fields, body, headers))

    @abstractmethod
    def headers(self) -> dict[str, str]:
        """The authentication of each request."""

    def query(self, *statements: str) -> list[list[dict[str, Any]]]:
        """The rows of each statement."""
        if self.one_statement:
            return [self._query(statement)[0] for statement in statements]
        return [rows for some in portions(statements) for rows in self._query_together(some)]

    def _query_together(self, statements: list[str]) -> list[list[dict[str, Any]]]:
        try:
            return self._query(";".join(statements))
        except NotExecuted:
            if len(statements) == 1:
                raise
            return [self._query(statement)[0] for statement in statements]

    def _query(self, text: str) -> list[list[dict[str, Any]]]:
        fields = {**self._database(), "epoch": "ns", "q": text}
        return results(self.http.request("GET", "/query", fields, headers=self.headers()))

    def _database(self) -> dict[str, str]:
        return {"db": self.address.database}

    def may_change(self, retention: Retention, before_hours: float) -> bool:
        """Whether the retention of a database that was there becomes ours; says so if it does.

        Data is not ours to delete: another program's, or of a time when RETENTION_HOURS was
        another. Only who sets RETENTION_HOURS has asked for it.

        :param before_hours: what it is now; 0 for ever.
        """
        if before_hours == retention.hours:
            return False
        database, now = self.address.database, shown_hours(before_hours)
        if not retention.asked_for:
            log.info(
                "%s keeps %s; that is left as it is: RETENTION_HOURS is not set", database, now
            )
            return False
        if retention.hours and not 0 < before_hours < retention.hours:
            log.warning(
                "retention of %s: RETENTION_HOURS sets %s, was %s: InfluxDB deletes everything in "
                "it that is older, of every measurement, whoever wrote it",
                database,
                shown_hours(retention.hours),
                now,
            )
        else:
            log.info("retention of %s: %s, was %s", database, shown_hours(retention.hours), now)
        return True


def shown_hours(hours: float) -> str:
    """A retention as users read it: hours, days, or for ever."""
    return f"{hours:g} h" if hours else "for ever"


def portions(statements: Iterable[str]) -> Iterator[list[str]]:
    """As many statements as fit into one address; one that is longer goes alone."""
    held: list[str] = []
    length = 0
    for statement in statements:
        more = len(quote_plus(statement)) + len(quote_plus(";"))
        if held and length + more > LONGEST_QUERY:
            yield held
            held, length = [], 0
        held.append(statement)
        length += more
    if held:
        yield held


_REPORTED: dict[str, type[StoreError]] = {
    "database not found": NotThere,
    "not executed": NotExecuted,  # so 2.x answers for several statements where one would say why
}


def results(
    answer: Answer, refusal: type[StoreError] = StoreUnavailable
) -> list[list[dict[str, Any]]]:
    """The rows of each statement of an answer to ``/query``.

    :param refusal: what it is when the statement itself is refused.
    """
    try:
        found = checked(answer).json().get("results") or [{}]
    except BatchRefused as error:  # there is no batch in a question
        raise refusal(f"the query was refused: {error}") from None
    for result in found:
        if "error" in result:  # 1.x and 2.x report these with status 200
            said = str(result["error"])
            kind = next((k for start, k in _REPORTED.items() if said.startswith(start)), refusal)
            raise kind(f"InfluxDB: {one_line(said)}")
    return [list(influxql.rows(result)) for result in found]
