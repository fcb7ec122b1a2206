"""An InfluxDB 2.x for tests: its API as documented, before a real influxd that keeps the data."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import urllib3

from tests import servers
from tests.fake_http import FakeServer, Reply, Request, serving

ORG = "0a60000000000001"


@contextlib.contextmanager
def in_front_of(influxd: servers.Server, bucket: str, hours: int = 168) -> Iterator[FakeServer]:
    """Serve 2.x with one bucket, which is a database of influxd's with that retention."""
    http = urllib3.PoolManager()
    base = f"http://{influxd.url}"
    policy = f'"autogen" ON "{bucket}" DURATION'
    http.request("POST", f"{base}/query", fields={"q": f'CREATE DATABASE "{bucket}"'})
    http.request("POST", f"{base}/query", fields={"q": f"ALTER RETENTION POLICY {policy} {hours}h"})
    rules = [{"type": "expire", "everySeconds": hours * 3600}]
    kept = {"id": "b1", "orgID": ORG, "name": bucket, "type": "user", "retentionRules": rules}
    mapping = {"id": "d1", "orgID": ORG, "bucketID": "b1", "database": bucket, "default": True}
    mapping["retention_policy"] = "autogen"

    def forwarded(request: Request, path: str, **fields: str) -> Reply:
        reply = http.request(
            request.method,
            f"{base}{path}?{urlencode({**request.query, **fields})}",
            body=request.body,
        )
        return Reply(reply.status, reply.data)

    def patched(request: Request) -> Reply:
        kept["retentionRules"] = request.json["retentionRules"]
        seconds = request.json["retentionRules"][0]["everySeconds"]
        fields = {"q": f"ALTER RETENTION POLICY {policy} {seconds // 3600}h"}
        http.request("POST", f"{base}/query", fields=fields)
        return Reply(200, kept)

    version = {"X-Influxdb-Version": "v2.7.12", "X-Influxdb-Build": "OSS"}
    routes: dict[tuple[str, str], Callable[[Request], Reply]] = {
        ("GET", "/ping"): lambda _: Reply(headers=version),
        ("GET", "/api/v2/buckets"): lambda _: Reply(200, {"buckets": [kept]}),
        ("PATCH", "/api/v2/buckets/b1"): patched,
        ("GET", "/api/v2/dbrps"): lambda _: Reply(200, {"content": [mapping]}),
        ("POST", "/api/v2/write"): lambda request: forwarded(request, "/write", db=bucket),
        ("GET", "/query"): lambda request: forwarded(request, "/query"),
        ("POST", "/query"): lambda request: forwarded(request, "/query"),
    }

    def answer(request: Request) -> Reply:
        route = routes.get((request.method, request.path))
        missing = Reply(404, {"code": "not found", "message": "no such thing"})
        return route(request) if route else missing

    with serving(answer) as fake:
        yield fake
