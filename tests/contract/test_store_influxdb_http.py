"""The requests that InfluxDB 2.x and 3.x are documented to take, and their documented answers.

No such server is here, so a server that answers as the documentation says stands for them; with
``--containers`` the whole contract runs against real ones. Sources:
https://docs.influxdata.com/influxdb/v2/api/, https://docs.influxdata.com/influxdb3/core/api/v3/.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from spindle.errors import BatchRefused, BatchTooLarge, StoreDenied, StoreError, StoreUnavailable
from spindle.settings import Settings, load
from spindle.store.base import Bucket, EventRow, Latest, Selection, Series
from spindle.store.influxdb.event_times import own_place
from spindle.store.influxdb.store import InfluxStore
from tests.fake_http import FakeServer, Reply, Request, serving

NOW = time.time_ns()
TOKEN = "s3cret-token"
TEMP = Series("DiskUnit", "DiskTemp", "disk-1", "array-1")
LINE = f"{TEMP.head}41.5 {NOW}\n".encode()
TAGS = {
    "source_device": "DiskUnit",
    "metric_type": "DiskTemp",
    "device_id": "disk-1",
    "array_id": "array-1",
}
BUCKET = {
    "id": "b1d0000000000001",
    "orgID": "0a60000000000001",
    "name": "spindle",
    "type": "user",
    "retentionRules": [{"type": "expire", "everySeconds": 604_800}],
}
MAPPING = {
    "id": "d1",
    "orgID": BUCKET["orgID"],
    "bucketID": BUCKET["id"],
    "database": "spindle",
    "retention_policy": "autogen",
    "default": True,
    "virtual": True,
}
Answer = Reply | Callable[[Request], Reply]


@dataclass
class Script:
    """Replies by method and path; ``/ping`` tells the version, everything else is 404."""

    version: str
    replies: dict[tuple[str, str], Answer] = field(default_factory=dict)

    def __call__(self, request: Request) -> Reply:
        key = (request.method, request.path)
        if key == ("GET", "/ping") and key not in self.replies:
            return Reply(headers={"X-Influxdb-Version": self.version, "X-Influxdb-Build": "OSS"})
        reply = self.replies.get(key, Reply(404, {"code": "not found", "message": "no such thing"}))
        return reply if isinstance(reply, Reply) else reply(request)


@pytest.fixture
def start() -> Iterator[Callable[..., tuple[FakeServer, InfluxStore]]]:
    """Start a scripted server, and a store that uses it."""
    with ExitStack() as running:

        def start(script: Script, **given: object) -> tuple[FakeServer, InfluxStore]:
            server = running.enter_context(serving(script))
            fields = {"influxdb_token": TOKEN, "influxdb_org": "our org", **given}
            url = f"influxdb://127.0.0.1:{server.port}/spindle"
            return server, InfluxStore(load(Settings, store_url=url, **fields))

        yield start


Start = Callable[..., tuple[FakeServer, InfluxStore]]


def v2(**replies: Answer) -> Script:
    """A 2.7 with its bucket and mapping there."""
    return Script(
        "v2.7.11",
        {
            ("GET", "/api/v2/buckets"): Reply(200, {"buckets": [BUCKET]}),
            ("GET", "/api/v2/dbrps"): Reply(200, {"content": [MAPPING]}),
            ("POST", "/api/v2/write"): Reply(),
            **{_KEYS[name]: reply for name, reply in replies.items()},
        },
    )


def v3(**replies: Answer) -> Script:
    """A 3 Core whose database is not there yet."""
    return Script(
        "3.8.0",
        {
            ("GET", "/ping"): _v3_ping,
            ("POST", "/api/v3/configure/database"): Reply(200, b""),
            ("POST", "/api/v2/write"): Reply(),
            **{_KEYS[name]: reply for name, reply in replies.items()},
        },
    )


_KEYS = {
    "write": ("POST", "/api/v2/write"),
    "query": ("GET", "/query"),
    "buckets": ("GET", "/api/v2/buckets"),
    "orgs": ("GET", "/api/v2/orgs"),
    "create": ("POST", "/api/v2/buckets"),
    "patch": ("PATCH", f"/api/v2/buckets/{BUCKET['id']}"),
    "mappings": ("GET", "/api/v2/dbrps"),
    "map": ("POST", "/api/v2/dbrps"),
    "database": ("POST", "/api/v3/configure/database"),
}


def _v3_ping(request: Request) -> Reply:
    if request.headers.get("authorization") != f"Bearer {TOKEN}":
        return Reply(401, {"error": "the request was not authenticated"})
    body = {"version": "3.8.0", "revision": "abc", "process_id": "p"}
    return Reply(200, body, {"x-influxdb-version": "3.8.0", "x-influxdb-build": "Core"})


def rows(*results: dict[str, object]) -> Reply:
    return Reply(200, {"results": list(results)})


# -- 2.x ------------------------------------------------------------------------------------------


async def test_2x_is_written_to_as_its_api_says(start: Start) -> None:
    server, store = start(v2())
    await store.prepare()
    await store.write_points([(TEMP, NOW, 41.5)])
    [write] = server.asked("POST", "/api/v2/write")
    assert write.query == {"org": "our org", "bucket": "spindle", "precision": "ns"}
    assert write.headers["authorization"] == f"Token {TOKEN}"
    assert write.headers["content-type"].startswith("text/plain")
    assert write.headers.get("content-encoding", "identity") == "identity"
    assert write.body == LINE
    assert store.name == "InfluxDB 2.7.11"
    await store.close()


async def test_2x_is_asked_in_influxql_by_the_name_its_mapping_gives(start: Start) -> None:
    mapping = {**MAPPING, "database": "mapped", "retention_policy": "policy"}
    series = {
        "name": "device_metrics",
        "tags": TAGS,
        "columns": ["time", "value"],
        "values": [[NOW, 41.5]],
    }
    server, store = start(
        v2(
            mappings=Reply(200, {"content": [mapping]}),
            query=rows({"statement_id": 0, "series": [series]}),
        )
    )
    assert await store.latest(Selection(device_id="disk-1"), NOW) == [Latest(*TEMP.key, NOW, 41.5)]
    [listing] = server.asked("GET", "/api/v2/dbrps")
    assert listing.query == {"orgID": BUCKET["orgID"], "bucketID": BUCKET["id"]}
    [query] = server.asked("GET", "/query")
    assert {key: query.query[key] for key in ("db", "rp", "epoch")} == {
        "db": "mapped",
        "rp": "policy",
        "epoch": "ns",
    }
    assert query.query["q"].startswith('SELECT last("value")')
    assert query.headers["authorization"] == f"Token {TOKEN}"
    await store.close()


@pytest.mark.parametrize(
    "missing",
    [
        Reply(200, {"buckets": []}),
        Reply(404, {"code": "not found", "message": 'bucket "spindle" not found'}),
    ],
)
async def test_2x_gets_a_missing_bucket_with_retention_and_a_missing_mapping(
    start: Start, missing: Reply
) -> None:
    server, store = start(
        v2(
            buckets=missing,
            orgs=Reply(200, {"orgs": [{"id": BUCKET["orgID"], "name": "our org"}]}),
            create=Reply(201, BUCKET),
            mappings=Reply(200, {"content": []}),
            map=Reply(201, {**MAPPING, "virtual": False}),
        )
    )
    await store.prepare()
    [found] = server.asked("GET", "/api/v2/buckets")
    assert found.query == {"name": "spindle", "org": "our org"}
    [made] = server.asked("POST", "/api/v2/buckets")
    assert made.json == {
        "name": "spindle",
        "orgID": BUCKET["orgID"],
        "retentionRules": [{"type": "expire", "everySeconds": 604_800}],
    }
    [mapped] = server.asked("POST", "/api/v2/dbrps")
    assert mapped.json == {
        "bucketID": BUCKET["id"],
        "orgID": BUCKET["orgID"],
        "database": "spindle",
        "retention_policy": "autogen",
        "default": True,
    }
    await store.close()


@pytest.mark.parametrize(
    ("hours", "shard_hours"),
    [(24, 1), (720, 24), pytest.param(0, 168, id="for ever")],
)
async def test_2x_gets_its_retention_and_shards_that_fit_it_where_it_drifted(
    start: Start, hours: int, shard_hours: int
) -> None:
    server, store = start(v2(patch=Reply(200, BUCKET)), retention_hours=hours)
    await store.prepare()
    [patch] = server.asked("PATCH", f"/api/v2/buckets/{BUCKET['id']}")
    assert patch.json["retentionRules"] == [
        {
            "type": "expire",
            "everySeconds": hours * 3600,
            "shardGroupDurationSeconds": shard_hours * 3600,
        }
    ]
    await store.close()


async def test_2x_that_refuses_another_retention_is_used_as_it_is(start: Start) -> None:
    message = "shard-group duration must also be updated to be smaller than new retention duration"
    refused = Reply(422, {"code": "unprocessable entity", "message": message})
    server, store = start(v2(patch=refused), retention_hours=24)
    await store.write_points([(TEMP, NOW, 41.5)])
    assert len(server.asked("POST", "/api/v2/write")) == 1
    await store.close()


@pytest.mark.parametrize("rules", [[], [{"type": "expire", "everySeconds": 90 * 86_400}]])
@pytest.mark.fault("6")
async def test_2x_keeps_the_retention_that_its_bucket_had_unless_ours_is_set(
    start: Start, rules: list[object], caplog: pytest.LogCaptureFixture
) -> None:
    for given, patches in ({}, 0), ({"retention_hours": 168}, 1):
        server, store = start(
            v2(
                buckets=Reply(200, {"buckets": [{**BUCKET, "retentionRules": rules}]}),
                patch=Reply(200, BUCKET),
            ),
            **given,
        )
        await store.prepare()
        assert len(server.asked("PATCH", f"/api/v2/buckets/{BUCKET['id']}")) == patches
        assert ("deletes everything in it that is older" in caplog.text) == bool(patches)
        await store.close()


async def test_2x_with_a_token_for_data_alone_is_used_as_it_is(start: Start) -> None:
    forbidden = Reply(403, {"code": "forbidden", "message": "insufficient permissions"})
    server, store = start(
        v2(mappings=forbidden, patch=forbidden, query=rows({})), retention_hours=1
    )
    await store.prepare()
    await store.write_points([(TEMP, NOW, 41.5)])
    assert await store.latest(Selection(), 0) == []
    [query] = server.asked("GET", "/query")
    assert (query.query["db"], query.query["rp"]) == ("spindle", "autogen")
    await store.close()


async def test_2x_without_the_organisation_says_which_setting(start: Start) -> None:
    missing = Reply(404, {"code": "not found", "message": "organization not found"})
    empty = {"buckets": Reply(200, {"buckets": []}), "orgs": Reply(200, {"orgs": []})}
    _, store = start(v2(**empty, write=missing, query=missing))
    with pytest.raises(StoreDenied, match=r"our org.*INFLUXDB_ORG"):
        await store.prepare()
    await store.close()


@pytest.mark.parametrize("writes", [Reply(400, {"message": "writing requires points"}), Reply()])
async def test_2x_with_a_token_that_only_writes_is_written_to(
    start: Start, writes: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    unseen = {"buckets": Reply(200, {"buckets": []}), "orgs": Reply(200, {"orgs": []})}

    def write(request: Request) -> Reply:
        return Reply() if request.body else writes

    server, store = start(v2(**unseen, write=write))
    await store.prepare()
    await store.write_points([(TEMP, NOW, 41.5)])
    assert server.asked("POST", "/api/v2/write")[-1].body == LINE
    assert "this token cannot see or make bucket spindle" in caplog.text
    assert "creating bucket" not in caplog.text
    await store.close()


async def test_2x_takes_the_organisation_by_its_id(start: Start) -> None:
    org = str(BUCKET["orgID"])

    def buckets(request: Request) -> Reply:
        if request.query.get("orgID") == org:
            return Reply(200, {"buckets": [BUCKET]})
        return Reply(404, {"code": "not found", "message": "organization name not found"})

    server, store = start(v2(buckets=buckets), influxdb_org=org)
    await store.write_points([(TEMP, NOW, 41.5)])
    assert server.asked("POST", "/api/v2/write")[0].query["org"] == org
    await store.close()


async def test_2x_that_does_not_say_which_of_several_statements_failed_is_asked_one_by_one(
    start: Start,
) -> None:
    made: list[object] = []

    def query(request: Request) -> Reply:
        if made:
            found: list[dict[str, object]] = [{"statement_id": n} for n in range(2)]
            return rows(*found[: request.query["q"].count(";") + 1])
        error = "not executed" if ";" in request.query["q"] else "database not found: spindle"
        return rows({"statement_id": 0, "error": error})

    def create(request: Request) -> Reply:
        made.append(request.json)
        return Reply(201, BUCKET)

    def buckets(_: Request) -> Reply:
        # There when the store starts, and deleted after.
        listings = len(server.asked("GET", "/api/v2/buckets"))
        return Reply(200, {"buckets": [BUCKET] if listings == 1 else []})

    orgs = Reply(200, {"orgs": [{"id": BUCKET["orgID"], "name": "our org"}]})
    server, store = start(v2(query=query, buckets=buckets, create=create, orgs=orgs))
    row = ("DiskUnit", "DriveFailure", "d", "", 5, "")
    await store.write_events([EventRow(NOW + n * 3600 * 10**9, "id", *row) for n in (0, 1)])
    assert len(made) == 1
    await store.close()


@pytest.mark.parametrize(("setup", "path"), [(200, "/api/v2/write"), (404, "/write")])
async def test_what_calls_itself_unknown_is_known_by_what_it_offers(
    start: Start, setup: int, path: str
) -> None:
    script = v2()
    script.version = "unknown"
    script.replies[("GET", "/api/v2/setup")] = Reply(setup, {"allowed": False})
    script.replies[("POST", "/write")] = Reply()
    script.replies[("POST", "/query")] = rows({"statement_id": 0})
    server, store = start(script)
    await store.write_points([(TEMP, NOW, 41.5)])
    assert len(server.asked("POST", path)) == 1
    await store.close()


# -- 3.x ------------------------------------------------------------------------------------------


async def test_3_is_written_to_by_the_compatible_api_and_its_database_made(start: Start) -> None:
    server, store = start(v3())
    await store.prepare()
    [made] = server.asked("POST", "/api/v3/configure/database")
    assert made.json == {"db": "spindle", "retention_period": "168h"}
    assert made.headers["authorization"] == f"Bearer {TOKEN}"
    assert made.headers["content-type"] == "application/json"
    await store.write_points([(TEMP, NOW, 41.5)])
    [write] = server.asked("POST", "/api/v2/write")
    assert (write.query["bucket"], write.query["precision"]) == ("spindle", "ns")
    assert write.headers["authorization"] == f"Bearer {TOKEN}"
    assert write.body == LINE
    assert store.name == "InfluxDB 3.8.0"
    await store.close()


async def test_3_keeps_for_ever_where_no_retention_is_set(start: Start) -> None:
    server, store = start(v3(), retention_hours=0)
    await store.prepare()
    assert server.asked("POST", "/api/v3/configure/database")[0].json == {"db": "spindle"}
    await store.close()


@pytest.mark.parametrize("reply", [Reply(409, {"error": "exists"}), Reply(403, {"error": "no"})])
async def test_3_with_the_database_there_or_not_ours_to_make_is_used(
    start: Start, reply: Reply
) -> None:
    _, store = start(v3(database=reply))
    await store.prepare()
    await store.write_points([(TEMP, NOW, 41.5)])
    await store.close()


@pytest.mark.parametrize("status", [400, 401])
async def test_3_that_refuses_the_database_is_a_persons_to_mend(start: Start, status: int) -> None:
    _, store = start(v3(database=Reply(status, {"error": "invalid database name"})))
    with pytest.raises(StoreDenied, match="invalid database name"):
        await store.prepare()
    await store.close()


async def test_3_is_asked_one_statement_at_a_time_with_a_bearer_token(start: Start) -> None:
    def answer(request: Request) -> Reply:
        assert ";" not in request.query["q"]
        return rows({"statement_id": 0})

    server, store = start(v3(query=answer))
    row = ("DiskUnit", "DriveFailure", "d", "", 5, "")
    await store.write_events([EventRow(NOW + n * 3600 * 10**9, "id", *row) for n in (0, 1)])
    queries = server.asked("GET", "/query")
    assert len(queries) == 2
    for query in queries:
        assert (query.query["db"], query.query["epoch"]) == ("spindle", "ns")
        assert "rp" not in query.query
        assert query.headers["authorization"] == f"Bearer {TOKEN}"
    await store.close()


async def test_3_may_give_tags_as_columns_and_no_tag_as_null(start: Start) -> None:
    columns = ["time", *TAGS, "mean", "minimum", "maximum", "count"]
    values = [[NOW, "DiskUnit", "DiskTemp", "disk-1", None, 2, 1, 3.0, 2]]
    series = {"name": "device_metrics", "columns": columns, "values": values}
    _, store = start(v3(query=rows({"statement_id": 0, "series": [series]})))
    steps = await store.series(Selection(), 0, NOW, every_ns=60 * 10**9)
    assert steps == [Bucket("DiskUnit", "DiskTemp", "disk-1", "", NOW, 2.0, 1.0, 3.0, 2)]
    await store.close()


async def test_3_without_a_token_is_denied_with_the_setting_to_mend(start: Start) -> None:
    _, store = start(v3(), influxdb_token="")
    with pytest.raises(StoreDenied, match="INFLUXDB_TOKEN"):
        await store.prepare()
    await store.close()


# -- both -----------------------------------------------------------------------------------------


async def test_events_are_looked_up_before_they_are_written(start: Start) -> None:
    row = ("DiskUnit", "DriveFailure", "d", "", 5, "")
    taken = own_place(EventRow(NOW, "new", *row))
    stored = {
        "name": "events",
        "tags": {
            "source_device": "DiskUnit",
            "event_type": "DriveFailure",
            "device_id": "d",
            "array_id": "",
        },
        "columns": ["time", "event_id", "time_shift_ns"],
        "values": [[taken, "other", taken - NOW], [NOW + 1, "again", 1]],
    }
    server, store = start(v2(query=rows({"statement_id": 0, "series": [stored]})))
    await store.write_events([EventRow(NOW, "new", *row), EventRow(NOW, "again", *row)])
    [write] = server.asked("POST", "/api/v2/write")
    new, again = write.body.decode().splitlines()
    assert new.endswith(f",time_shift_ns={taken + 1 - NOW}i {taken + 1}")
    assert again.endswith(f",time_shift_ns=1i {NOW + 1}")
    await store.close()


@pytest.mark.parametrize("version", [v2, v3])
@pytest.mark.parametrize(
    ("reply", "kind", "says"),
    [
        (
            Reply(400, {"code": "invalid", "message": "unable to parse 'x': missing fields"}),
            BatchRefused,
            "unable to parse",
        ),
        (
            Reply(422, {"code": "unprocessable entity", "message": "partial write: dropped=1"}),
            BatchRefused,
            "partial write",
        ),
        (
            Reply(
                400,
                {
                    "error": "partial write of line protocol occurred",
                    "data": [
                        {"original_line": "m v=hi", "line_number": 2, "error_message": "bad type"}
                    ],
                },
            ),
            BatchRefused,
            "line 2: bad type",
        ),
        (Reply(413, {"code": "request too large"}), BatchTooLarge, "413"),
        (Reply(401, {"code": "unauthorized", "message": "no"}), StoreDenied, "INFLUXDB_TOKEN"),
        (Reply(403, {"code": "forbidden", "message": "no"}), StoreDenied, "403"),
        (Reply(404, {"code": "not found", "message": "bucket"}), StoreDenied, "404"),
        (Reply(429, {}, {"Retry-After": "3"}), StoreUnavailable, "429"),
        (Reply(503, {}, {"retry-after": "3"}), StoreUnavailable, "503"),
        (Reply(500, {"code": "internal error", "message": "oh"}), StoreUnavailable, "oh"),
        (Reply(cut=True), StoreUnavailable, "is away"),
    ],
)
async def test_an_answer_to_a_write_carries_the_decision(
    start: Start,
    version: Callable[..., Script],
    reply: Reply,
    kind: type[StoreError],
    says: str,
) -> None:
    _, store = start(version(write=reply))
    with pytest.raises(kind, match=says) as raised:
        await store.write_points([(TEMP, NOW, 41.5)])
    assert TOKEN not in str(raised.value)
    if reply.headers:
        assert isinstance(raised.value, StoreUnavailable)
        assert raised.value.retry_after == 3.0
    await store.close()


@pytest.mark.parametrize("version", [v2, v3])
async def test_a_bucket_that_is_gone_is_made_once_more_and_the_batch_written(
    start: Start, version: Callable[..., Script]
) -> None:
    answers = [Reply(404, {"code": "not found", "message": "gone"}), Reply()]
    server, store = start(version(write=lambda _: answers.pop(0)))
    await store.write_points([(TEMP, NOW, 41.5)])
    assert len(server.asked("POST", "/api/v2/write")) == 2
    assert len(server.asked("GET", "/ping")) == 2
    await store.close()


async def test_an_answer_that_does_not_come_is_a_time_out(start: Start) -> None:
    released = threading.Event()

    def slow(_: Request) -> Reply:
        released.wait(30)
        return Reply()

    _, store = start(v2(write=slow), store_timeout_seconds=1)
    with pytest.raises(StoreUnavailable, match="did not answer within 1 s"):
        await store.write_points([(TEMP, NOW, 41.5)])
    released.set()
    await store.close()


async def test_a_refused_question_is_no_refused_batch(start: Start) -> None:
    _, store = start(v3(query=Reply(400, {"error": "error parsing query"})))
    with pytest.raises(StoreUnavailable, match="the query was refused"):
        await store.latest(Selection(), 0)
    await store.close()


@pytest.mark.parametrize(
    "ping", [Reply(200, b"<html>welcome</html>"), Reply(204), Reply(200, {"hello": "world"})]
)
async def test_what_is_no_influxdb_is_not_written_to(start: Start, ping: Reply) -> None:
    server, store = start(Script("", {("GET", "/ping"): ping}))
    with pytest.raises(StoreError, match="STORE_URL"):
        await store.write_points([(TEMP, NOW, 41.5)])
    assert {request.path for request in server.requests} == {"/ping"}
    await store.close()
