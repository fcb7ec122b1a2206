"""InfluxDB's own client, for ``/api/v2/write`` of 2.x and 3.x, and for the buckets of 2.x.

Finished line protocol goes in, one request goes out: no batching, no retries, no Point objects.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from spindle.errors import StoreDenied
from spindle.store.influxdb import answers
from spindle.store.influxdb.http import CONNECTIONS, Address, connection_errors

T = TypeVar("T")


class LineWriter:
    """``POST /api/v2/write?org=&bucket=&precision=ns`` (the precision is the client's default)."""

    def __init__(self, address: Address, timeout_seconds: float) -> None:
        self._address = address
        self._timeout = timeout_seconds
        self.client = InfluxDBClient(
            url=address.base,
            token=address.token or "none",  # a server without authentication ignores it
            org=address.org,
            timeout=int(timeout_seconds * 1000),
            enable_gzip=False,  # seen on one machine: 345,000 points/s plain, 240,000 compressed
            retries=False,
            connection_pool_maxsize=CONNECTIONS,
        )
        self._api = self.client.write_api(write_options=SYNCHRONOUS)

    def write(self, body: bytes) -> None:
        bucket = self._address.database
        self.call(lambda: self._api.write(bucket, record=body))

    def call(self, job: Callable[[], T]) -> T:
        """The client's answer; its exceptions as ours."""
        with connection_errors(self._address.base, self._timeout):
            try:
                return job()
            except ApiException as error:
                body = error.body or b""
                body = body if isinstance(body, bytes) else str(body).encode()  # it may be decoded
                headers = error.headers if error.headers is not None else {}
                status = int(error.status or 0)
                raise answers.meaning(status, headers, body, datetime.now(UTC)) from None
            except InfluxDBError as error:  # an organisation that is not there
                raise StoreDenied(f"InfluxDB: {error.message} (INFLUXDB_ORG)") from None

    def close(self) -> None:
        self.client.close()
