"""InfluxDB 2.x. Sources: https://docs.influxdata.com/influxdb/v2/api/ and
.../v2/query-data/influxql/dbrp/ (how InfluxQL's databases map to buckets)."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Mapping
from typing import Any

import orjson

from spindle.errors import BatchRefused, StoreDenied
from spindle.store.influxdb import influxql
from spindle.store.influxdb.answers import NotThere
from spindle.store.influxdb.http import Address, Http, checked
from spindle.store.influxdb.versions.server import Retention, Server, shown_hours

log = logging.getLogger("spindle.store")

_DEFAULT_POLICY = "autogen"
_ID = re.compile(r"[0-9a-fA-F]{16}")

_Json = dict[str, Any]


class V2(Server):
    """2.x: buckets, and a mapping of database and retention policy for InfluxQL."""

    def __init__(self, http: Http, address: Address) -> None:
        super().__init__(http, address)
        self._mapping = {"db": address.database, "rp": _DEFAULT_POLICY}

    def headers(self) -> dict[str, str]:
        return self.address.bearer("Token")

    def _database(self) -> dict[str, str]:
        return self._mapping

    def prepare(self, retention: Retention) -> None:
        try:
            bucket = self._bucket()
            if bucket is None:
                bucket = self._create(retention)
            else:
                self._keep(bucket, retention)
            self._map(bucket)
        except BatchRefused as error:
            raise StoreDenied(f"the bucket was refused: {error}") from None
        except StoreDenied as error:
            # A token that cannot see the bucket may still write to it, or read from it.
            if not self._usable():
                raise
            log.info("bucket %s is used as it is: %s", self.address.database, error)

    def _bucket(self) -> _Json | None:
        """The bucket; None where it is missing, or hidden from this token."""
        for organisation in self._organisations():
            # Some versions answer 404 where the bucket is missing.
            with contextlib.suppress(NotThere):
                found = self._call(
                    "GET", "/api/v2/buckets", {"name": self.address.database, **organisation}
                )
                bucket: _Json | None = next(iter(found.get("buckets") or ()), None)
                if bucket is not None:
                    return bucket
        return None

    def _organisations(self) -> list[dict[str, str]]:
        """INFLUXDB_ORG is a name, or it may be an id."""
        org = self.address.org
        return [{"org": org}, *([{"orgID": org}] if _ID.fullmatch(org) else [])]

    def _create(self, retention: Retention) -> _Json:
        name, org = self.address.database, self.address.org
        rules = [{"type": "expire", "everySeconds": retention.hours * 3600}]
        wanted = {
            "name": name,
            "orgID": self._org_id(),
            "retentionRules": rules if retention.hours else [],
        }
        try:
            made = self._call("POST", "/api/v2/buckets", body=wanted)
        except StoreDenied as error:
            raise self._cannot(str(error)) from None
        log.info(
            "created bucket %s in organisation %s, which keeps %s",
            name,
            org,
            shown_hours(retention.hours),
        )
        return made

    def _org_id(self) -> str:
        for organisation in self._organisations():
            with contextlib.suppress(NotThere):
                found = self._call("GET", "/api/v2/orgs", organisation).get("orgs")
                if found:
                    return str(found[0]["id"])
        raise self._cannot("it sees no such organisation")

    def _cannot(self, why: str) -> StoreDenied:
        return StoreDenied(
            f"this token cannot see or make bucket {self.address.database} in organisation "
            f"{self.address.org}: {why} (INFLUXDB_TOKEN, INFLUXDB_ORG, INFLUXDB_BUCKET)"
        )

    def _usable(self) -> bool:
        """Whether this token writes to the bucket (no lines are a bad request), or reads it."""
        try:
            self.write(b"")
        except BatchRefused:
            return True
        except StoreDenied:
            pass
        else:
            return True
        try:
            self.query(influxql.any_event())
        except StoreDenied:
            return False
        return True

    def _keep(self, bucket: _Json, retention: Retention) -> None:
        rules = bucket.get("retentionRules") or ()
        before = next((int(rule["everySeconds"]) for rule in rules), 0)
        if not self.may_change(retention, before / 3600):
            return
        # An empty list would change nothing (0 is for ever). Shards keep their size unless it is
        # given, and where they are longer than the new retention 2.x answers 422
        # (influxdata/docs-v2 2283).
        rule = {
            "type": "expire",
            "everySeconds": retention.hours * 3600,
            "shardGroupDurationSeconds": influxql.shard_hours(retention.hours) * 3600,
        }
        try:
            self._call("PATCH", f"/api/v2/buckets/{bucket['id']}", body={"retentionRules": [rule]})
        except (StoreDenied, BatchRefused) as error:  # a token for data alone, say
            log.warning("the retention of %s stays as it is: %s", bucket["name"], error)

    def _map(self, bucket: _Json) -> None:
        """Learn the name InfluxQL knows the bucket by; 2.4 and later have a virtual one."""
        place = {"orgID": bucket["orgID"], "bucketID": bucket["id"]}
        try:
            listed = self._call("GET", "/api/v2/dbrps", place).get("content")
            if listed:
                found = listed[0]
            else:
                wanted = {
                    **place,
                    "database": self.address.database,
                    "retention_policy": _DEFAULT_POLICY,
                    "default": True,
                }
                found = self._call("POST", "/api/v2/dbrps", body=wanted)
                log.info("mapped database %s to its bucket, for InfluxQL", self.address.database)
        except StoreDenied as error:  # a token for data alone: the virtual mapping may serve
            log.info("the InfluxQL mapping of %s is not known: %s", bucket["name"], error)
            return
        self._mapping = {"db": str(found["database"]), "rp": str(found["retention_policy"])}

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: _Json | None = None,
    ) -> _Json:
        headers = {**self.headers(), "Content-Type": "application/json"}
        sent = None if body is None else orjson.dumps(body)
        answer = checked(self.http.request(method, path, query, sent, headers)).json()
        return answer if isinstance(answer, dict) else {}
