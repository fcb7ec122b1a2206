"""What is particular to InfluxDB, on a real influxd 1.x."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import urllib3
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from spindle.errors import BatchRefused, BatchTooLarge, StoreDenied, StoreUnavailable
from spindle.settings import Settings, load
from spindle.store.base import EventRow, Selection, Series
from spindle.store.influxdb import influxql
from spindle.store.influxdb.event_times import own_place
from spindle.store.influxdb.store import InfluxStore
from tests import influx2, servers
from tests.stored import counts
from writer import migrate

NOW = time.time_ns()
DAY = 86_400 * 10**9
TEMP = Series("DiskUnit", "DiskTemp", "disk-1", "array-1")
Ask = Callable[..., str]


@pytest.fixture
def database() -> str:
    return f"spindle_{uuid4().hex[:12]}"


@pytest.fixture
def ask(influxd: servers.Server) -> Iterator[Ask]:
    """Ask influxd past the store; the raw answer."""
    with urllib3.PoolManager() as http:

        def ask(statement: str, **fields: str) -> str:
            given = {"q": statement, **fields}
            return http.request("POST", f"http://{influxd.url}/query", fields=given).data.decode()

        yield ask


@pytest.fixture
async def store(influxd: servers.Server, database: str) -> AsyncIterator[InfluxStore]:
    store = InfluxStore(load(Settings, store_url=f"influxdb://{influxd.url}/{database}"))
    yield store
    await store.close()


def write_lines(influxd: servers.Server, database: str, lines: str) -> None:
    """As another program does."""
    with urllib3.PoolManager() as http:
        url = f"http://{influxd.url}/write?db={database}&precision=ns"
        assert http.request("POST", url, body=lines.encode()).status == 204


async def test_a_missing_database_is_made_with_its_retention(
    store: InfluxStore, ask: Ask, database: str
) -> None:
    await store.prepare()
    assert '"autogen","168h0m0s","24h0m0s",1,true' in ask(f"SHOW RETENTION POLICIES ON {database}")
    assert store.name.startswith("InfluxDB 1.")


async def test_a_retention_that_was_changed_is_set_again(
    influxd: servers.Server, ask: Ask, database: str
) -> None:
    for hours, shown in ((168, "168h0m0s"), (24, "24h0m0s"), (0.5, "1h0m0s"), (0, "0s")):
        url = f"influxdb://{influxd.url}/{database}"
        store = InfluxStore(load(Settings, store_url=url, retention_hours=hours))
        await store.prepare()
        assert f'"autogen","{shown}"' in ask(f"SHOW RETENTION POLICIES ON {database}")
        await store.close()


@pytest.mark.parametrize("hours", [720, 24])
@pytest.mark.fault("6")
async def test_a_retention_that_was_there_stays_unless_ours_is_set(
    influxd: servers.Server, ask: Ask, database: str, caplog: pytest.LogCaptureFixture, hours: int
) -> None:
    ask(f'CREATE DATABASE {database} WITH DURATION {hours}h NAME "theirs"')
    url = f"influxdb://{influxd.url}/{database}"
    for changed, shown in ({}, f"{hours}h0m0s"), ({"retention_hours": 168}, "168h0m0s"):
        store = InfluxStore(load(Settings, store_url=url, **changed))
        await store.prepare()
        assert f'"theirs","{shown}"' in ask(f"SHOW RETENTION POLICIES ON {database}")
        await store.close()
    assert ("deletes everything in it that is older" in caplog.text) == (hours == 720)


async def test_a_database_that_keeps_everything_loses_nothing_to_the_default_retention(
    store: InfluxStore, ask: Ask, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    ask(f"CREATE DATABASE {database}")
    server = InfluxStore(
        load(Settings, store_url=f"{store._address.base}/{database}", retention_hours=0)
    )
    await server.write_points([(TEMP, NOW - 30 * DAY, 1.0)])
    await server.close()
    caplog.set_level("INFO")
    await store.prepare()
    assert '"autogen","0s"' in ask(f"SHOW RETENTION POLICIES ON {database}")
    assert "left as it is" in caplog.text
    assert (await counts(store))["device_metrics"] == 1


async def test_a_point_outside_the_retention_is_refused_and_its_neighbour_kept(
    store: InfluxStore,
) -> None:
    with pytest.raises(BatchRefused, match="beyond retention policy"):
        await store.write_points([(TEMP, NOW - 30 * DAY, 1.0), (TEMP, NOW, 2.0)])
    assert (await counts(store))["device_metrics"] == 1


@pytest.mark.parametrize(
    ("now_ns", "said"),
    [
        pytest.param(NOW - 30 * DAY, "InfluxDB's clock says .*, and this machine's", id="apart"),
        pytest.param(None, "until the clocks agree", id="this machine's is in doubt"),
    ],
)
async def test_a_point_is_too_old_only_where_the_clocks_agree(
    influxd: servers.Server, database: str, now_ns: int | None, said: str
) -> None:
    settings = load(Settings, store_url=f"influxdb://{influxd.url}/{database}")
    believed = [now_ns]
    store = InfluxStore(settings, writing=True, now_ns=lambda: believed[0])
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=said):
            await store.write_points([(TEMP, NOW - 30 * DAY, 1.0), (TEMP, NOW, 2.0)])
    believed[0] = time.time_ns()  # NOW is of the beginning of the whole run
    with pytest.raises(BatchRefused, match=r"^expired: "):
        await store.write_points([(TEMP, NOW - 30 * DAY, 1.0)])
    await store.close()


async def test_a_body_that_is_too_large_is_not_the_points_fault(store: InfluxStore) -> None:
    with pytest.raises(BatchTooLarge):
        await store.write_points([(TEMP, NOW + n, 1.0) for n in range(300_000)])


async def test_a_database_that_was_dropped_is_made_again(
    store: InfluxStore, ask: Ask, database: str
) -> None:
    await store.write_points([(TEMP, NOW, 1.0)])  # without prepare: made as well
    ask(f"DROP DATABASE {database}")
    assert await store.latest(Selection(), 0) == []
    ask(f"DROP DATABASE {database}")
    await store.write_points([(TEMP, NOW, 1.0)])
    assert (await counts(store))["device_metrics"] == 1
    assert '"168h0m0s"' in ask(f"SHOW RETENTION POLICIES ON {database}")


@pytest.mark.parametrize("name", ['a"b', "a'b; DROP DATABASE x", "späť ✓", "a b"])
async def test_any_name_of_a_database_is_quoted(influxd: servers.Server, name: str) -> None:
    url = f"influxdb://{influxd.url}"
    store = InfluxStore(load(Settings, store_url=url, influxdb_bucket=f"{name}{uuid4().hex[:6]}"))
    await store.prepare()
    await store.write_points([(TEMP, NOW, 1.0)])
    assert (await counts(store))["device_metrics"] == 1
    await store.close()


async def test_a_name_that_influxdb_refuses_is_a_persons_to_mend(influxd: servers.Server) -> None:
    store = InfluxStore(load(Settings, store_url=f"influxdb://{influxd.url}/a%5Cb"))
    with pytest.raises(StoreDenied, match="invalid name"):
        await store.prepare()
    await store.close()


async def test_events_far_apart_are_looked_up_in_as_many_requests_as_it_takes(
    store: InfluxStore,
) -> None:
    """A day of catching up, say: all in one address would be too long for influxd, or a proxy."""
    far = [
        EventRow(NOW - number * 61 * 10**9, f"e{number}", "DiskUnit", "Any", "disk-1", "", 3, "")
        for number in range(5_000)
    ]
    for _ in range(2):  # a repeat changes nothing
        await store.write_events(far)
    assert (await counts(store))["events"] == len(far)


async def test_an_event_that_was_moved_says_so_in_a_field(
    store: InfluxStore, ask: Ask, database: str
) -> None:
    rows = [EventRow(NOW, i, "DiskUnit", "DriveFailure", "d", "", 5, "") for i in ("a", "b", "c")]
    await store.write_events(rows)
    answer = ask('SELECT "event_id", "time_shift_ns" FROM "events"', db=database, epoch="ns")
    for row in rows:
        place = own_place(row)
        assert f'[{place},"{row.event_id}",{place - NOW}]' in answer


TEXT = st.one_of(st.text(max_size=40), st.text("'\"\\;\n =,()-ab", max_size=15)).filter(
    lambda text: not set(text) & {"\0", "\r"}
)


@given(TEXT)
@example("\\")
@example("'; DROP MEASUREMENT events; --")
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_a_literal_finds_the_very_text_that_was_stored(
    store: InfluxStore, ask: Ask, database: str, text: str
) -> None:
    sent = EventRow(NOW, f"id {text}", "DiskUnit", "DriveFailure", "d", "", 5, text)
    await store.write_events([sent])
    condition = f'"event_id" = {influxql.literal(sent.event_id)}'
    found = ask(f'SELECT count("event_id") FROM "events" WHERE {condition}', db=database)
    assert '"values":[["1970-01-01T00:00:00Z",1]]' in found
    assert sent in await store.events(Selection(), 0)


async def test_a_database_that_is_away_is_named_and_found_again(
    tmp_path: Path, database: str
) -> None:
    server = servers.influxd(tmp_path / "influxd")
    url = f"influxdb://someone:s3cret@{server.url}/{database}"
    store = InfluxStore(load(Settings, store_url=url, influxdb_token="s3cret"))
    with pytest.raises(StoreUnavailable, match="Connection refused") as raised:
        await store.prepare()
    assert "s3cret" not in str(raised.value)
    with servers.running(server):
        await store.write_points([(TEMP, NOW, 1.0)])
        server.kill()
        with pytest.raises(StoreUnavailable, match="is away"):
            await store.write_points([(TEMP, NOW + 1, 1.0)])
        with pytest.raises(StoreUnavailable, match="is away"):
            await store.latest(Selection(), 0)
        server.start()
        await store.write_points([(TEMP, NOW + 1, 1.0)])
        assert (await counts(store))["device_metrics"] == 2
    await store.close()


async def test_with_authentication_on_the_right_user_is_let_in_and_the_wrong_one_told(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFLUXDB_HTTP_AUTH_ENABLED", "true")
    with (
        servers.running(servers.influxd(tmp_path / "influxd")) as server,
        urllib3.PoolManager() as h,
    ):

        def admin(statement: str) -> None:
            login = urllib3.make_headers(basic_auth="admin:MyStrongPassword888")
            url = f"http://{server.url}/query"
            assert h.request("POST", url, fields={"q": statement}, headers=login).status == 200

        admin("CREATE USER admin WITH PASSWORD 'MyStrongPassword888' WITH ALL PRIVILEGES")
        store = InfluxStore(load(Settings, store_url=f"influxdb://{server.url}/{database}"))
        await store.write_points([(TEMP, NOW, 1.0)])
        assert (await counts(store))["device_metrics"] == 1
        await store.close()

        wrong = InfluxStore(
            load(Settings, store_url=f"influxdb://admin:s3cret@{server.url}/{database}")
        )
        for ask in (wrong.prepare(), wrong.write_points([(TEMP, NOW, 1.0)]), counts(wrong)):
            with pytest.raises(StoreDenied, match="authorization failed") as raised:
                await ask
            assert "s3cret" not in str(raised.value)
        await wrong.close()

        admin("CREATE USER jo WITH PASSWORD 'jo'")
        admin(f"GRANT ALL ON {database} TO jo")
        plain = InfluxStore(load(Settings, store_url=f"influxdb://jo:jo@{server.url}/{database}"))
        await plain.prepare()  # may not manage, but may read and write
        await plain.write_points([(TEMP, NOW + 1, 1.0)])
        assert (await counts(plain))["device_metrics"] == 2
        await plain.close()


async def test_rows_that_another_program_wrote_are_read_as_far_as_they_go(
    store: InfluxStore, influxd: servers.Server, database: str
) -> None:
    await store.prepare()
    lines = f"device_metrics,source_device=DiskUnit value=1 {NOW}\n"
    lines += f"events,source_device=DiskUnit criticality=9i {NOW}"
    write_lines(influxd, database, lines)
    [latest] = await store.latest(Selection(source_device="DiskUnit"), 0)
    assert (latest.metric_type, latest.device_id, latest.value) == ("", "", 1.0)
    assert await store.events(Selection(), 0) == [EventRow(NOW, "", "DiskUnit", "", "", "", 9, "")]


@pytest.fixture(params=["1.x", "2.x"])
def url(request: pytest.FixtureRequest, influxd: servers.Server, database: str) -> Iterator[str]:
    """Of an InfluxDB of both lines, on the same data."""
    with influx2.in_front_of(influxd, database) as second:
        port = influxd.port if request.param == "1.x" else second.port
        yield f"influxdb://127.0.0.1:{port}/{database}"


@pytest.mark.parametrize("org", [influx2.ORG_NAME, influx2.ORG, influx2.ORG.upper()])
@pytest.mark.parametrize("hours", [24, None])
async def test_2x_makes_finds_and_changes_its_bucket_by_the_organisations_name_or_id(
    influxd: servers.Server, database: str, org: str, hours: int | None
) -> None:
    with influx2.in_front_of(influxd, database, hours) as second:
        url = f"influxdb://127.0.0.1:{second.port}/{database}"
        given = {"store_url": url, "influxdb_token": "t", "influxdb_org": org}
        settings = load(Settings, **given, retention_hours=48)
        store = InfluxStore(settings)
        await store.prepare()
        event = EventRow(NOW, "ours", "DiskUnit", "DriveFailure", "d", "", 9, "")
        await store.write_events([event])
        assert await store.events(Selection(), 0) == [event]
        assert await migrate._migrate(settings, dry_run=False) == migrate.Count(found=0)
        path = "/api/v2/buckets/b1" if hours else "/api/v2/buckets"
        [bucket] = second.asked("PATCH" if hours else "POST", path)
        [rule] = bucket.json["retentionRules"]
        assert rule["everySeconds"] == 48 * 3600
        await store.close()


async def test_migrate_copies_old_events_once_and_answers_show_each_once(
    url: str,
    influxd: servers.Server,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(migrate, "AT_ONCE", 7)
    settings = load(Settings, store_url=url, influxdb_token="t", influxdb_org="our org")
    store = InfluxStore(settings)
    await store.prepare()
    ours = EventRow(NOW + 5, "ours", "DiskUnit", "DriveFailure", "d", "", 9, "")
    await store.write_events([ours])
    lines = [
        f"events,source_device=DiskUnit,event_type=DriveFailure,criticality_level={n % 10 + 1} "
        f'event_id="e{n}",event_message="old" {NOW - n // 3}'
        for n in range(40)
    ]
    write_lines(influxd, database, "\n".join(lines))
    before = await store.events(Selection(), 0)
    assert len(before) == 41
    assert await store.old_event_count() == 40
    dry = await migrate._migrate(settings, dry_run=True)
    assert dry == migrate.Count(found=40)
    assert await store.events(Selection(), 0) == before
    assert await migrate._migrate(settings, dry_run=False) == migrate.Count(40, copied=40)
    again = await migrate._migrate(settings, dry_run=False)
    assert again == migrate.Count(40, copied=0, there=40)

    after = await store.events(Selection(), 0)
    assert [(e.time_ns, e.event_id) for e in after] == [(e.time_ns, e.event_id) for e in before]
    assert after[0] == ours
    assert {event.device_id for event in after[1:]} == {"DiskUnit"}
    assert [e.criticality for e in after] == [e.criticality for e in before]
    for limit in (1, 2, 5, 30):
        assert await store.events(Selection(), 0, limit=limit) == after[:limit]
    critical = await store.events(Selection(device_id="DiskUnit"), 0, 8)
    assert len(critical) == sum(n % 10 + 1 >= 8 for n in range(40))
    await store.close()


@pytest.mark.parametrize("beside_ours", [False, True])
@pytest.mark.parametrize("id_as", ["tag", "field"])
async def test_events_of_the_platform_that_users_come_from_are_read_too(
    store: InfluxStore, influxd: servers.Server, database: str, id_as: str, beside_ours: bool
) -> None:
    ours = EventRow(NOW, "ours", "DiskUnit", "DriveFailure", "d", "", 7, "")
    await store.prepare()
    if beside_ours:
        await store.write_events([ours])
    for level in (3, 7, 10):
        tag, field = (
            (f",event_id=e{level}", "") if id_as == "tag" else ("", f'event_id="e{level}",')
        )
        write_lines(
            influxd,
            database,
            f"events,source_device=DiskUnit,event_type=DriveFailure,criticality_level={level}{tag} "
            f'{field}event_message="old" {NOW - level}',
        )
    found = await store.events(Selection(source_device="DiskUnit"), 0, 7)
    assert found == [ours] * beside_ours + [
        EventRow(NOW - n, f"e{n}", "DiskUnit", "DriveFailure", "", "", n, "old") for n in (7, 10)
    ]
    assert len(await store.events(Selection(), 0)) == 3 + beside_ours
    assert await store.events(Selection(), 0, 11) == []
