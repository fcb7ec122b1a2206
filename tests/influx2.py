"""An InfluxDB 2.x for tests: its API as documented, before a real influxd that keeps the data."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import urllib3

from tests import servers
from tests.fake_http import FakeServer, Reply, Request, serving

ORG, ORG_NAME = "0a6000000000000b", "our org"
_UNKNOWN = Reply(404, {"code": "not found", "message": "organization name not found"})


def _is_ours(request: Request, *, by_either: bool = False) -> bool:
    """Lists take a name as ``org`` and an id as ``orgID``; writes take either as ``org``."""
    name, number = request.query.get("org", ""), request.query.get("orgID", "").lower()
    return name == ORG_NAME or number == ORG or (by_either and name.lower() == ORG)


@contextlib.contextmanager
def in_front_of(
    influxd: servers.Server, bucket: str, hours: int | None = 168
) -> Iterator[FakeServer]:
    """Serve 2.x with one bucket, which is a database of influxd's.

    :param hours: its retention; None where the bucket is not there yet.
    """
    http = urllib3.PoolManager()
    base = f"http://{influxd.url}"
    policy = f'"autogen" ON "{bucket}" DURATION'
    there = [True] * (hours is not None)
    hours = hours or 0
    if there:
        for q in (f'CREATE DATABASE "{bucket}"', f"ALTER RETENTION POLICY {policy} {hours}h"):
            http.request("POST", f"{base}/query", fields={"q": q})
    rules = [{"type": "expire", "everySeconds": hours * 3600}]
    kept = {"id": "b1", "orgID": ORG, "name": bucket, "type": "user", "retentionRules": rules}
    mapping = {"id": "d1", "orgID": ORG, "bucketID": "b1", "database": bucket, "default": True}
    mapping["retention_policy"] = "autogen"

    def only_ours(request: Request, reply: dict[str, object]) -> Reply:
        return Reply(200, reply) if _is_ours(request) else _UNKNOWN

    def written(request: Request) -> Reply:
        ours = _is_ours(request, by_either=True)
        return forwarded(request, "/write", db=bucket) if ours else _UNKNOWN

    def created(request: Request) -> Reply:
        if request.json["orgID"] != ORG:
            return _UNKNOWN
        http.request("POST", f"{base}/query", fields={"q": f'CREATE DATABASE "{bucket}"'})
        kept.update(request.json, id="b1")
        there.append(True)
        return Reply(201, kept)

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
        ("GET", "/api/v2/buckets"): lambda r: only_ours(r, {"buckets": [kept] if there else []}),
        ("GET", "/api/v2/orgs"): lambda r: only_ours(r, {"orgs": [{"id": ORG, "name": ORG_NAME}]}),
        ("POST", "/api/v2/buckets"): created,
        ("PATCH", "/api/v2/buckets/b1"): patched,
        ("GET", "/api/v2/dbrps"): lambda _: Reply(200, {"content": [mapping]}),
        ("POST", "/api/v2/write"): written,
        ("GET", "/query"): lambda request: forwarded(request, "/query"),
        ("POST", "/query"): lambda request: forwarded(request, "/query"),
    }

    def answer(request: Request) -> Reply:
        route = routes.get((request.method, request.path))
        missing = Reply(404, {"code": "not found", "message": "no such thing"})
        return route(request) if route else missing

    with serving(answer) as fake:
        yield fake
