"""InfluxDB 1.x. Source: https://docs.influxdata.com/influxdb/v1/tools/api/"""

from __future__ import annotations

import logging
import re
from typing import Any

from spindle.errors import StoreDenied
from spindle.store.influxdb import influxql
from spindle.store.influxdb.answers import NotThere
from spindle.store.influxdb.versions.server import Retention, Server, results, shown_hours

log = logging.getLogger("spindle.store")

_DURATION = re.compile(r"(\d+)h(?:(\d+)m(?:(\d+)s)?)?|(\d+)m(\d+)s|(\d+)s")


class V1(Server):
    """1.x: ``/write``, basic authentication, databases made by InfluxQL."""

    def headers(self) -> dict[str, str]:
        return self.address.basic()

    def write(self, body: bytes) -> None:
        self.post_lines("/write", {**self._database(), "precision": "ns"}, body)

    def prepare(self, retention: Retention) -> None:
        database = self.address.database
        try:
            try:
                self._keep(retention, self._manage(influxql.show_retention(database)))
            except NotThere:
                self._manage(influxql.create_database(database, retention.hours))
                log.info(
                    "created database %s, which keeps %s", database, shown_hours(retention.hours)
                )
        except StoreDenied as error:
            # A user without administration rights can still use a database that is there.
            try:
                self.query(influxql.any_event())
            except NotThere:
                raise error from None
            log.info("the retention of %s is left as it is: %s", database, error)

    def _manage(self, statement: str) -> list[dict[str, Any]]:
        fields = {"q": statement}
        answer = self.http.request("POST", "/query", fields, headers=self.headers())
        return results(answer, refusal=StoreDenied)[0]

    def _keep(self, retention: Retention, policies: list[dict[str, Any]]) -> None:
        default = next((policy for policy in policies if policy["default"]), None)
        if default is None:
            return
        before = seconds_of(str(default["duration"])) / 3600
        if self.may_change(retention, before):
            database, name = self.address.database, str(default["name"])
            self._manage(influxql.alter_retention(database, name, retention.hours))


def seconds_of(duration: str) -> int:
    """Seconds of a duration as InfluxDB 1.x writes it, such as ``168h0m0s``; 0 is for ever."""
    match = _DURATION.fullmatch(duration)
    if match is None:
        return 0
    h, hm, hs, m, ms, s = (int(group or 0) for group in match.groups())
    return h * 3600 + (hm + m) * 60 + hs + ms + s
