"""One InfluxDB. Versions differ in logging in, writing and making the database.

Reading is the same for all: InfluxQL on ``/query``.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote_plus

from spindle.errors import BatchRefused, StoreError, StoreUnavailable
from spindle.store.influxdb import influxql
from spindle.store.influxdb.answers import NotThere, one_line
from spindle.store.influxdb.http import Address, Answer, Http, checked

log = logging.getLogger("spindle.store")

_NS_PER_HOUR = 3600 * 10**9
#: Bytes of statements in one request's address. InfluxDB itself answers 431 to a million; a proxy
#: in front of it often takes 8 KiB.
LONGEST_QUERY = 7_000


class Server(ABC):
    """One InfluxDB of a known version.

    :ivar one_statement: it takes one InfluxQL statement a request (influxdata/influxdb 24771).
    """

    one_statement = False

    def __init__(self, http: Http, address: Address) -> None:
        self.http = http
        self.address = address

    @abstractmethod
    def prepare(self, retention_hours: int) -> None:
        """Make the database where it is missing, and keep its retention as set (0: for ever)."""

    @abstractmethod
    def write(self, body: bytes) -> None:
        """Store finished line protocol."""

    @abstractmethod
    def headers(self) -> dict[str, str]:
        """The authentication of each request."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what ``write`` holds."""

    def query(self, *statements: str) -> list[list[dict[str, Any]]]:
        """The rows of each statement."""
        if self.one_statement:
            return [self._query(statement)[0] for statement in statements]
        return [rows for some in portions(statements) for rows in self._query(";".join(some))]

    def _query(self, text: str) -> list[list[dict[str, Any]]]:
        fields = {**self._database(), "epoch": "ns", "q": text}
        return results(self.http.request("GET", "/query", fields, headers=self.headers()))

    def _database(self) -> dict[str, str]:
        return {"db": self.address.database}

    def may_shorten(self, now_ns: int, retention_hours: int) -> bool:
        """Whether a retention that was unlimited can be set without deleting what is there."""
        cutoff = now_ns - retention_hours * _NS_PER_HOUR
        if not any(self.query(influxql.anything_before(cutoff))):
            return True
        log.warning(
            "%s keeps everything for ever and holds readings older than RETENTION_HOURS=%d; "
            "its retention is left as it is, because setting it would delete them",
            self.address.database,
            retention_hours,
        )
        return False


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
            missing = said.startswith("database not found")
            raise (NotThere if missing else refusal)(f"InfluxDB: {one_line(said)}")
    return [list(influxql.rows(result)) for result in found]
