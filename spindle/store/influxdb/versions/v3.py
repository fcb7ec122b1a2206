"""InfluxDB 3. Sources: https://docs.influxdata.com/influxdb3/core/api/v3/ (``/ping``, ``/query``,
``/api/v3/configure/database``) and .../core/write-data/http-api/compatibility-apis/."""

from __future__ import annotations

import logging

import orjson

from spindle.errors import BatchRefused, StoreDenied
from spindle.store.influxdb.http import checked
from spindle.store.influxdb.versions.server import Retention, Server

log = logging.getLogger("spindle.store")


class V3(Server):
    """3.x: the 2.x-compatible ``/api/v2/write``, bearer tokens, databases by ``/api/v3``."""

    one_statement = True

    def headers(self) -> dict[str, str]:
        return self.address.bearer("Bearer")

    def prepare(self, retention: Retention) -> None:
        wanted = {"db": self.address.database}
        if retention.hours:
            wanted["retention_period"] = f"{retention.hours}h"
        answer = self.http.request(
            "POST",
            "/api/v3/configure/database",
            body=orjson.dumps(wanted),
            headers={**self.headers(), "Content-Type": "application/json"},
        )
        if answer.status == 409:  # it is there; Core cannot change a retention afterwards
            return
        if answer.status == 403:  # not an administrator's token; a write makes the database
            log.info("the retention of %s is left to its administrator", self.address.database)
            return
        try:
            checked(answer)
        except BatchRefused as error:
            raise StoreDenied(f"the database was refused: {error}") from None
