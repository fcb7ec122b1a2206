"""InfluxDB 2.x. Sources: https://docs.influxdata.com/influxdb/v2/api/ and
.../v2/query-data/influxql/dbrp/ (how InfluxQL's databases map to buckets)."""

from __future__ import annotations

import logging
import time
from typing import Any

from influxdb_client.domain.bucket_retention_rules import BucketRetentionRules
from influxdb_client.domain.dbrp_create import DBRPCreate
from influxdb_client.service.dbr_ps_service import DBRPsService

from spindle.errors import BatchRefused, StoreDenied
from spindle.store.influxdb import influxql
from spindle.store.influxdb.answers import NotThere
from spindle.store.influxdb.client import LineWriter
from spindle.store.influxdb.http import Address, Http
from spindle.store.influxdb.server import Server

log = logging.getLogger("spindle.store")

_DEFAULT_POLICY = "autogen"


class V2(Server):
    """2.x: buckets, and a mapping of database and retention policy for InfluxQL."""

    def __init__(self, http: Http, address: Address, timeout_seconds: float) -> None:
        super().__init__(http, address)
        self._writer = LineWriter(address, timeout_seconds)
        self._mapping = {"db": address.database, "rp": _DEFAULT_POLICY}

    def headers(self) -> dict[str, str]:
        return self.address.bearer("Token")

    def write(self, body: bytes) -> None:
        self._writer.write(body)

    def close(self) -> None:
        self._writer.close()

    def _database(self) -> dict[str, str]:
        return self._mapping

    def prepare(self, retention_hours: int) -> None:
        try:
            bucket = self._bucket() or self._create(retention_hours)
            self._map(bucket)
            self._keep(bucket, retention_hours)
        except BatchRefused as error:
            raise StoreDenied(f"the bucket was refused: {error}") from None

    def _bucket(self) -> Any:
        name, org = self.address.database, self.address.org
        api = self._writer.client.buckets_api()
        try:
            found = self._writer.call(lambda: api.find_buckets(name=name, org=org))
        except NotThere:  # so answer some versions where the bucket is missing
            return None
        return next(iter(found.buckets or ()), None)

    def _create(self, hours: int) -> Any:
        name, org = self.address.database, self.address.org
        api = self._writer.client.buckets_api()
        rules = _rules(hours)
        log.info("creating bucket %s in organisation %s", name, org)
        return self._writer.call(
            lambda: api.create_bucket(bucket_name=name, retention_rules=rules, org=org)
        )

    def _keep(self, bucket: Any, hours: int) -> None:
        before = next((int(rule.every_seconds) for rule in bucket.retention_rules or ()), 0)
        if before == hours * 3600:
            return
        if before == 0 and not self.may_shorten(time.time_ns(), hours):
            return
        # An empty list would change nothing (0 is for ever). Shards keep their size unless it is
        # given, and where they are longer than the new retention 2.x answers 422
        # (influxdata/docs-v2 2283).
        shards = influxql.shard_hours(hours) * 3600
        bucket.retention_rules = [
            BucketRetentionRules(every_seconds=hours * 3600, shard_group_duration_seconds=shards)
        ]
        api = self._writer.client.buckets_api()
        try:
            self._writer.call(lambda: api.update_bucket(bucket))
        except (StoreDenied, BatchRefused) as error:  # a token for data alone, say
            log.info("the retention of %s is left as it is: %s", bucket.name, error)
        else:
            log.info(
                "retention of %s: %d s, was %d s (0: for ever)", bucket.name, hours * 3600, before
            )

    def _map(self, bucket: Any) -> None:
        """Learn the name InfluxQL knows the bucket by; 2.4 and later have a virtual one."""
        service = DBRPsService(self._writer.client.api_client)
        try:
            listed = self._writer.call(
                lambda: service.get_dbr_ps(org_id=bucket.org_id, bucket_id=bucket.id)
            )
            found = next(iter(listed.content or ()), None)
            if found is None:
                wanted = DBRPCreate(
                    org_id=bucket.org_id,
                    bucket_id=bucket.id,
                    database=self.address.database,
                    retention_policy=_DEFAULT_POLICY,
                    default=True,
                )
                found = self._writer.call(lambda: service.post_dbrp(wanted))
                log.info("mapped database %s to its bucket, for InfluxQL", self.address.database)
        except StoreDenied as error:  # a token for data alone: the virtual mapping may serve
            log.info("the InfluxQL mapping of %s is not known: %s", bucket.name, error)
            return
        self._mapping = {"db": str(found.database), "rp": str(found.retention_policy)}


def _rules(hours: int) -> list[BucketRetentionRules]:
    return [BucketRetentionRules(type="expire", every_seconds=hours * 3600)] if hours else []
