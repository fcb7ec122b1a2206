"""One share of the fleet: what it follows, finds, saves and tells."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import orjson
import pytest

from reader.detection.anomaly import Anomaly
from reader.detection.episode import Episode
from reader.health.evidence import Evidence, PreviousState, Rules, Unit
from reader.health.intervals import Silence, Silences
from reader.health.limits import Thresholds
from reader.health.reasons import from_finding
from reader.health.verdict import judge
from reader.lookups.known.watch_findings import WatchFindings
from reader.watching import announcements
from reader.watching.fleet_health import health_from_json, health_json, silences_from_json
from reader.watching.followed_shares import FollowedShares
from reader.watching.series import FollowedSeries
from reader.watching.share import MOST_ENDED, Share, series_name
from spindle.errors import InvalidInput
from spindle.store.base import DeviceKey, Latest, SeriesKey
from spindle.timestamps import NS
from spindle.wire_metric import MetricReader

KEY = SeriesKey("DiskUnit", "Latency", "d1", "a1")
START = 1_800_000_000.0


def follow(share: Share, values: list[float], start: float = START) -> None:
    series = share.series.setdefault(KEY, FollowedSeries(KEY, share.step))
    for second, value in enumerate(values):
        share.take(series, start + second, value)


def noise(count: int, seed: int = 3) -> list[float]:
    made = random.Random(seed)
    return [2 + 0.2 * made.gauss(0, 1) for _ in range(count)]


def slow_disk() -> list[float]:
    return noise(400) + [40 + each for each in noise(40)] + noise(60, 4)


def test_an_anomaly_begins_and_ends_once() -> None:
    share = Share(0, 1.0)
    follow(share, [*noise(400), 40.0, 41.0, 40.5, 42.0, 41.0])
    (found,) = share.lasting.values()
    assert (found.key, found.ended, found.announced, found.criticality) == (KEY, False, False, 7)
    finding = found.finding()
    assert (found.device, finding.severity, finding.metric_type) == (
        ("DiskUnit", "d1", "a1"),
        "warning",
        "Latency",
    )
    follow(share, noise(60, 4), START + 405)
    assert not share.lasting
    (ended,) = share.ended
    assert (ended.ended, ended.announced, ended.start_ns) == (True, False, found.start_ns)


def test_a_series_restored_from_its_state_finds_what_it_would_have_found() -> None:
    whole, first = Share(0, 1.0), Share(0, 1.0)
    follow(whole, slow_disk())
    follow(first, slow_disk()[:420])
    saved = [(series_name(s.key), s.to_bytes()) for s in first.series.values()]
    assert all(len(data) < 64 * 1024 for _, data in saved)
    second = Share(0, 1.0)
    second.restore_record(orjson.loads(orjson.dumps(first.record())))
    for name, data in saved:
        second.restore(name, data)
    second.reconcile()
    assert len(second.lasting) == 1
    # The step that was being filled is read again.
    follow(second, slow_disk()[419:], START + 419)
    assert [each.last_ns for each in second.ended] == [each.last_ns for each in whole.ended]


def test_an_anomaly_whose_series_state_is_lost_is_ended() -> None:
    first = Share(0, 1.0)
    follow(first, slow_disk()[:420])
    second = Share(0, 1.0)
    second.restore_record(first.record())
    second.reconcile()
    assert not second.lasting
    assert [each.ended for each in second.ended] == [True]


def test_a_silence_that_is_over_is_known_after_a_restart_and_to_every_reader() -> None:
    key, before, after = DeviceKey("DiskUnit", "d1", "a1"), Silence(5, 9), Silence(20, 30)
    other = DeviceKey("DiskUnit", "d2", "")
    kept = orjson.loads(orjson.dumps(health_json({}, 40, (), {key: after, other: before})))
    known = Silences()
    known.learn({key: before})
    known.learn(silences_from_json(kept))
    known.learn({key: before})
    assert known.over == {key: after, other: before}
    assert silences_from_json(None) == silences_from_json({"checked": 7}) == {}


def test_an_anomaly_found_anew_from_the_last_minutes_stays_as_it_was_told() -> None:
    """As after an update, which states of series do not survive."""
    values = [*noise(1000), *(20.0 + n for n in range(30))]
    first, second = Share(0, 1.0), Share(0, 1.0)
    follow(first, values)
    first.refresh()
    (told,) = first.lasting.values()
    second.restore_record(first.record(START + 1030), START + 1031)
    follow(second, values[800:], START + 800)  # all that is read from the store
    second.reconcile(anew=second.series)
    second.refresh()
    (found,) = second.lasting.values()
    assert found.episode.text == told.episode.text
    assert (found.episode.value, found.start_ns) == (told.episode.value, told.start_ns)


@pytest.mark.parametrize("data", [b"", b"nonsense", FollowedSeries(KEY, 1.0).to_bytes()[:-9]])
def test_a_damaged_state_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        FollowedSeries.from_bytes(data, 1.0)


def test_a_state_of_another_step_is_refused() -> None:
    with pytest.raises(InvalidInput, match="steps of 1 s, not of 5 s"):
        FollowedSeries.from_bytes(FollowedSeries(KEY, 1.0).to_bytes(), 5.0)


def test_a_record_that_somebody_broke_is_no_record() -> None:
    share = Share(0, 1.0)
    broken: object
    old = {"open": [{"device": "d1", "from": "2026-01-01T00:00:00Z", "told": True}], "ended": []}
    for broken in (None, [], old, {"anomalies": [1, {"key": "x"}, None], "unwatched": "x"}):
        share.restore_record(broken)
    assert not share.lasting
    assert not share.ended


def six_disks(share: Share, made: random.Random, minute: int, slow: float) -> None:
    """The latency that six disks have in a minute, ``d2`` so many times its peers'."""
    now = START + 60 * minute
    for disk in range(6):
        key = SeriesKey("DiskUnit", "Latency", f"d{disk}", "a1")
        series = share.series.setdefault(key, FollowedSeries(key, 60.0))
        times = slow if disk == 2 else 1.0
        share.take(series, now, 3 * times * made.lognormvariate(0, 0.1))
    share.compare_peers(now)


def test_a_disk_slower_than_its_peers_is_found_beside_them() -> None:
    share, made = Share(0, 60.0), random.Random(1)
    for minute in range(300):
        six_disks(share, made, minute, slow=2.2 if minute > 150 else 1.0)
    (found,) = [each for each in share.lasting.values() if each.is_among_peers]
    assert (found.key.device_id, found.criticality, found.severity) == ("d2", 5, "warning")
    assert "5 peers" in found.episode.text
    restored = Share(0, 60.0)
    restored.restore("peers", share.save_peers())
    assert restored.save_peers() == share.save_peers()


@pytest.mark.parametrize(
    ("load", "counter"),
    [
        *((name, False) for name in ("IOPs", "ReadBytes", "Throughput", "BytesRead")),
        *((name, True) for name in ("BytesRead", "BytesWritten")),
    ],
)
@pytest.mark.parametrize("busier", [1.0, 2.0])
def test_latency_that_comes_with_more_load_is_no_illness_whatever_it_is_called(
    load: str, counter: bool, busier: float
) -> None:
    """Of a counter it is what it grows by that counts, not what it has counted in its life."""
    share, made, counted = Share(0, 60.0), random.Random(1), [1e9 * (1 + n) for n in range(6)]
    named = set()
    for minute in range(110):
        now = START + 60 * minute
        ill = minute >= 60
        for disk in range(6):
            rate = 1e5 * made.lognormvariate(0, 0.1) * (busier if disk == 5 and ill else 1.0)
            counted[disk] += 60 * rate
            slow = 2.5 if disk == 5 and ill else 1.0
            values = {
                "Latency": 3 * slow * made.lognormvariate(0, 0.1),
                load: counted[disk] if counter else rate,
            }
            for metric, value in values.items():
                key = SeriesKey("DiskUnit", metric, f"d{disk}", "a1")
                series = share.series.setdefault(key, FollowedSeries(key, 60.0))
                share.take(series, now, value)
        share.compare_peers(now)
        named |= {
            each.key.device_id
            for each in share.lasting.values()
            if each.is_among_peers and each.key.metric_type == "Latency"
        }
    assert named == ({"d5"} if busier == 1.0 else set())


def test_a_disk_that_gets_much_slower_beside_its_peers_is_told_of_again_once() -> None:
    share, made = Share(0, 60.0), random.Random(1)
    for minute in range(400):
        slow = 1.0 if minute < 150 else 2.0 if minute < 250 else 5.0
        six_disks(share, made, minute, slow)
        if minute == 300:
            restored = Share(0, 60.0)
            restored.restore_record(orjson.loads(orjson.dumps(share.record())))
            restored.restore("peers", share.save_peers())
            restored.series, share = share.series, restored
    first, worse = (each for each in share.anomalies if each.is_among_peers)
    assert (first.ended, first.criticality, worse.ended, worse.criticality) == (True, 5, False, 6)
    assert worse.start_ns == pytest.approx((START + 60 * 250) * NS, abs=180 * NS)
    over, begun = (announcements.event(each).payload.decode() for each in (first, worse))
    assert '"worse since 2027-01-15T' in over
    assert first.episode.last == worse.episode.start
    assert re.search(r"peers for 2 h; worse than at .* UTC, when it was twice that", begun)


def test_the_bound_on_series_is_kept_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    followed = FollowedShares(1.0, 3)
    followed.shares = {n: Share(n, 1.0) for n in range(8)}
    for n in range(10):
        followed.take(SeriesKey("DiskUnit", "IOPs", f"d{n}", ""), int(START) * NS, 1.0)
    assert followed.size == 3
    assert caplog.text.count("READER_WATCH_SERIES") == 1
    here, other = WatchFindings(), FollowedShares(1.0, 3)
    followed.show(here)
    assert here.unwatched == 7
    for number, share in followed.shares.items():
        other.read_elsewhere(number, orjson.loads(orjson.dumps(share.record())))
    there = WatchFindings()
    other.show(there)
    assert there.unwatched == 7


def test_a_record_says_from_when_on_it_is_complete_and_what_still_learns() -> None:
    first = Share(0, 1.0)
    first.restore_record(None, START - 100)
    assert first.since == START - 100
    follow(first, noise(51))  # the 51st waits for its step to end
    record = orjson.loads(orjson.dumps(first.record(START + 51)))
    soon, late, there = Share(0, 1.0), Share(0, 1.0), WatchFindings()
    soon.restore_record(record, START + 60)
    late.restore_record(record, START + 7200)
    assert (soon.since, late.since) == (START - 100, START + 7200)  # nobody looked for two hours
    other = FollowedShares(1.0, 3)
    other.read_elsewhere(0, record)
    other.show(there)
    assert (there.since, there.learning) == (START - 100, {KEY: 101.0})


def test_what_is_forgotten_of_a_record_is_not_said_to_be_known() -> None:
    share = Share(0, 1.0)
    for number in range(MOST_ENDED + 1):
        at = START + number
        gone = Episode(at, at, at, 9.0, 1.0, 0.9, "surge", "")
        share.lasting[KEY, False] = Anomaly.of_series(KEY, gone)
        share._end((KEY, False), gone)
    assert share.since == START


def test_only_shares_that_are_followed_are_scored() -> None:
    followed = FollowedShares(1.0, 100)
    followed.take(KEY, int(START) * NS, 1.0)
    assert followed.size == 0


def test_events_of_an_anomaly_have_the_same_id_whoever_tells_them() -> None:
    share = Share(0, 1.0)
    follow(share, slow_disk()[:420])
    (found,) = share.lasting.values()
    begin, again = announcements.event(found), announcements.event(replace(found, announced=True))
    assert begin == again
    assert begin.subject == "events.event.DiskUnit.d1"
    said = orjson.loads(begin.payload)
    assert (said["eventType"], said["criticality"], said["arrayId"]) == ("Anomaly", 7, "a1")
    follow(share, slow_disk()[420:], START + 420)
    end = announcements.event(share.ended[0])
    assert end.id != begin.id
    assert orjson.loads(end.payload)["criticality"] == 1
    assert "over since" in orjson.loads(end.payload)["eventMessage"]


def test_what_was_learnt_of_a_drive_that_was_replaced_is_forgotten_and_not_what_came_after() -> (
    None
):
    share, replaced_ns = Share(0, 1.0), int(START + 400) * NS
    follow(share, slow_disk()[:420])
    assert share.lasting
    again = Share(0, 1.0)
    again.restore(series_name(KEY), share.series[KEY].to_bytes())
    for each in (share, again):
        each.forget(lambda device, time_ns: time_ns < replaced_ns)
        assert not each.series
        assert not each.lasting
    follow(share, noise(20), START + 420)
    share.forget(lambda device, time_ns: time_ns < replaced_ns)
    assert share.series[KEY].learning_seconds > 0


def test_what_gets_worse_is_told_again_and_the_event_before_says_that_it_went_on_as_worse() -> None:
    share, much_worse = Share(0, 1.0), [160 + each for each in noise(40, 5)]
    follow(share, [*noise(400), *[40 + each for each in noise(80, 4)]])
    (first,) = share.lasting.values()
    state = [(series_name(each.key), each.to_bytes()) for each in share.series.values()]
    follow(share, much_worse, START + 480)
    (now,), (before,) = share.lasting.values(), share.ended
    told, went_on = (orjson.loads(announcements.event(each).payload) for each in (now, before))
    assert "; worse than at 08:06 UTC, when the middle was 42" in told["eventMessage"]
    assert told["criticality"] >= 6
    assert went_on["eventMessage"].startswith("worse since 2027-01-15T08:0")
    assert before.start_ns == first.start_ns
    again = Share(0, 1.0)  # who takes over has an older state, and reads on from there
    again.restore_record(orjson.loads(orjson.dumps(share.record())))
    for name, data in state:
        again.restore(name, data)
    follow(again, much_worse, START + 480)
    assert [each.start_ns for each in again.lasting.values()] == [now.start_ns]
    assert [each.start_ns for each in again.ended] == [before.start_ns]


def test_a_change_of_health_is_told_once_with_old_and_new_state_and_reasons() -> None:
    now = int(START) * NS
    rules = Rules(Thresholds(), 120 * NS, 900 * NS)
    units = judge(
        Evidence(
            [
                Latest("DiskUnit", "DiskTemp", "d.1", "a1", now, 70.0),
                Latest("DiskUnit", "DiskTemp", "d2", "a1", now, 30.0),
            ]
        ),
        rules,
        now,
    )
    (change,) = announcements.changes(units, {}, now)
    said = orjson.loads(change.payload)
    assert change.subject == "health.changed.DiskUnit.d_1"
    assert (said["old_state"], said["new_state"]) == ("ok", "critical")
    assert "DiskTemp 70 degC" in said["reasons"][0]["message"]
    states = announcements.states(units, {}, now)
    assert announcements.changes(units, states, now) == []
    assert health_from_json(orjson.loads(orjson.dumps(health_json(states, now)))) == (states, now)
    well = {DeviceKey("DiskUnit", "d2", "a1"): PreviousState("warning", 1)}
    assert [
        orjson.loads(c.payload)["new_state"] for c in announcements.changes(units[1:], well, now)
    ] == ["critical" if units[1].state == "critical" else "ok"]


def test_states_that_an_earlier_version_wrote_without_the_array_go_on() -> None:
    before, _ = health_from_json({"checked": 7, "devices": {"DiskUnit/d1": ["critical", 5]}})
    unit = Unit("DiskUnit", "d1", "a1", "critical", 20, None, 9, ())
    assert announcements.changes([unit], before, 9) == []
    now = announcements.states([unit], before, 9)
    assert now == {unit.key: PreviousState("critical", 5)}
    assert health_from_json(health_json(now, 9)) == (now, 9)


LATEST = int(START) * NS


@pytest.mark.parametrize(
    ("payload", "count"),
    [
        (b'{"timestamp":"2026-01-01T00:00:00Z","sourceDevice":"D","metricType":"M","value":1}', 1),
        (
            b'[{"timestamp":"2026-01-01T00:00:00Z","sourceDevice":"D","metricType":"M","value":1,'
            b'"deviceId":"d","arrayId":"a","more":2},{"timestamp":"x","sourceDevice":"D",'
            b'"metricType":"M","value":1},{"timestamp":"2099-01-01T00:00:00Z","sourceDevice":"D",'
            b'"metricType":"M","value":1},{"timestamp":"2026-01-01T00:00:00Z","sourceDevice":"a b",'
            b'"metricType":"M","value":1}]',
            1,
        ),
        (b"nonsense", 0),
        (b"", 0),
        (b'{"value":"x"}', 0),
        (b"[" * 100_000, 0),
        (b"[" + b" " * 2_000_000 + b"]", 0),
    ],
)
def test_of_a_payload_only_what_the_contract_takes_is_scored(payload: bytes, count: int) -> None:
    assert len(MetricReader(900_000).good(payload, LATEST)) == count


def test_a_finding_knows_what_was_expected_so_that_health_can_say_that_it_is_back() -> None:
    share = Share(0, 1.0)
    follow(share, [*noise(400), 40.0, 41.0, 40.5, 42.0, 41.0])
    (finding,) = [each.finding() for each in share.lasting.values()]
    assert finding.expected is not None
    assert 1.5 < finding.expected < 2.5
    assert from_finding(finding, 41.2).message == finding.message
    back = from_finding(finding, 2.125).message
    assert back == f"{finding.message}; 2.125 ms now, over when it stays so"


@pytest.mark.parametrize("saved_at", [200, 399, 410])
@pytest.mark.parametrize("died_at", [425, 470])
def test_what_began_or_ended_after_the_state_was_saved_is_told_once_over_a_kill(
    saved_at: int, died_at: int
) -> None:
    values = [*slow_disk(), *noise(60, 5)]
    first = Share(0, 1.0)
    follow(first, values[:saved_at])
    saved = [(series_name(s.key), s.to_bytes()) for s in first.series.values()]
    follow(first, values[saved_at:died_at], START + saved_at)
    first.refresh()
    for each in first.anomalies:
        first.announced(each)
    began = [each.start_ns for each in first.anomalies]
    assert len(began) == 1
    second = Share(0, 1.0)
    second.restore_record(orjson.loads(orjson.dumps(first.record())))
    for name, data in saved:
        second.restore(name, data)
    follow(second, values[saved_at - 1 : died_at], START + saved_at - 1)  # read from the store
    second.reconcile()
    second.refresh()
    assert [each.announced for each in second.anomalies] == [True]
    follow(second, values[died_at:], START + died_at)
    assert not second.lasting
    assert [each.start_ns for each in second.ended] == began


def test_an_anomaly_that_ended_while_nobody_looked_is_over_when_the_next_begins() -> None:
    first = Share(0, 1.0)
    follow(first, [*noise(400), 40.0, 41.0, 40.5, 42.0, 41.0])
    (before,) = first.anomalies
    first.announced(before)
    second = Share(0, 1.0)
    second.restore_record(orjson.loads(orjson.dumps(first.record())))
    follow(second, [*noise(400, 6), 40.0, 41.0, 40.5, 42.0, 41.0], START + 1000)
    assert [(each.start_ns, each.announced) for each in second.ended] == [(before.start_ns, False)]
    assert [each.announced for each in second.lasting.values()] == [False]


def test_what_was_written_down_and_not_yet_told_is_told_by_the_next_owner() -> None:
    first = Share(0, 1.0)
    follow(first, [*noise(400), 40.0, 41.0, 40.5])
    for told in (False, True):
        if told:
            first.announced(*first.anomalies)
        second = Share(0, 1.0)
        second.restore_record(orjson.loads(orjson.dumps(first.record())))
        assert second.changed is not told


def test_a_device_that_is_followed_no_more_leaves_its_peers_and_their_snapshot() -> None:
    share = Share(0, 60.0)
    keys = [SeriesKey("DiskUnit", "Latency", f"d{disk}", "a1") for disk in range(6)]
    for key in keys:
        share.take(share.series.setdefault(key, FollowedSeries(key, 60.0)), START, 3.0)
    share.compare_peers(START + 60)
    assert b'"d5"' in share.save_peers()
    del share.series[keys[5]]
    share.compare_peers(START + 120)
    assert b'"d5"' not in share.save_peers()
    assert b'"d4"' in share.save_peers()
    share.series.clear()
    share.compare_peers(START + 180)
    assert share.save_peers() == b"[]"


def test_an_anomaly_that_the_record_does_not_tell_of_is_taken_up_from_its_series() -> None:
    first, second = Share(0, 1.0), Share(0, 1.0)
    follow(first, slow_disk()[:420])
    for series in first.series.values():
        second.restore(series_name(series.key), series.to_bytes())
    second.reconcile()
    assert [each.start_ns for each in second.lasting.values()] == [
        each.start_ns for each in first.lasting.values()
    ]
    assert second.changed
