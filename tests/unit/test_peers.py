"""A device beside its peers."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Callable
from random import Random

import pytest

from reader.detection.peers import FACTORS, PeerGroup, PeerReason, _median_of_others, in_words

MINUTE = 60.0
DAY = 1440
Shape = Callable[[int, int], float]


def readings(disks: int, shape: Shape, random: Random, minute: int) -> dict[str, float]:
    """Latency in ms of disks under one load with a daily cycle, times ``shape(disk, minute)``."""
    load = 0.4 + 0.2 * math.sin(2 * math.pi * minute / DAY)
    return {
        f"disk{disk}": (1.2 + 3 * load) * random.lognormvariate(0, 0.25) * shape(disk, minute)
        for disk in range(1, disks + 1)
    }


def run(
    disks: int, minutes: int, shape: Shape, seed: int = 1, group: PeerGroup | None = None
) -> list[dict[str, PeerReason]]:
    group, random = group or PeerGroup("Latency"), Random(seed)
    return [
        group.update(MINUTE * minute, readings(disks, shape, random, minute))
        for minute in range(minutes)
    ]


def slow(which: set[int], factor: float, since: int = DAY, until: int = 10**9) -> Shape:
    return lambda disk, minute: factor if disk in which and since <= minute < until else 1.0


def test_disks_under_one_load_are_all_well_for_a_week() -> None:
    assert not any(run(12, 7 * DAY, slow(set(), 1)))


@pytest.mark.parametrize(("factor", "within"), [(1.5, 60), (2.0, 25), (3.0, 20)])
def test_a_fail_slow_disk_is_named_and_nobody_else(factor: float, within: int) -> None:
    for seed in range(5):
        found = run(8, DAY + within, slow({3}, factor), seed)
        assert set().union(*found) == {"disk3"}
        assert "disk3" in found[-1]


def test_the_reason_is_a_sentence_with_ratio_peers_and_time() -> None:
    reason = run(12, DAY + 180, slow({3}, 2.0))[-1]["disk3"]
    assert reason.text == "Latency twice that of its 11 peers for 3 h"
    assert reason.ratio == pytest.approx(2, rel=0.06)
    assert reason.since == pytest.approx(MINUTE * DAY, abs=15 * MINUTE)
    assert 0.5 <= reason.score <= 1


def test_it_is_over_when_the_disk_is_as_fast_as_its_peers_again() -> None:
    found = run(8, DAY + 300, slow({3}, 2.0, until=DAY + 180))
    assert found[DAY + 170]
    assert not any(found[DAY + 230 :])


@pytest.mark.parametrize(("factor", "within"), [(2.0, 16), (3.0, 10)])
def test_a_disk_that_is_well_again_is_let_go_within_minutes(factor: float, within: int) -> None:
    for seed in range(5):
        found = run(8, DAY + 200, slow({3}, factor, until=DAY + 150), seed)
        assert all(found[DAY + 30 : DAY + 150])
        assert not any(found[DAY + 150 + within :])


def test_what_a_disk_was_named_for_is_no_example_of_its_usual() -> None:
    """Followed for 25 minutes, slow for 40, three times: as soon told the third time."""
    spans = [range(start, start + 40) for start in (25, 105, 185)]

    def shape(disk: int, minute: int) -> float:
        return 2.0 if disk == 3 and any(minute in span for span in spans) else 1.0

    for seed in range(5):
        found = run(6, 225, shape, seed)
        delays = [next(n for n in span if found[n]) - span.start for span in spans]
        assert all(5 <= delay <= 16 for delay in delays)


def test_a_disk_that_comes_and_goes_is_ill_in_between() -> None:
    def shape(disk: int, minute: int) -> float:
        return 2.5 if disk == 3 and minute >= DAY and minute % 60 < 40 else 1.0

    found = run(8, 2 * DAY, shape)
    assert sum("disk3" in each for each in found[DAY + 15 :]) >= 0.95 * (DAY - 15)


def worsening(disk: int, minute: int) -> float:
    times = 2.0 if minute < DAY + 120 else 5.0
    return times if disk == 3 and minute >= DAY else 1.0


def test_a_disk_that_gets_much_slower_while_it_is_named_is_named_anew_once() -> None:
    group, random = PeerGroup("Latency"), Random(1)
    told: dict[float, PeerReason] = {}
    for minute in range(2 * DAY):
        reasons = group.update(MINUTE * minute, readings(8, worsening, random, minute))
        for reason in reasons.values():
            told.setdefault(reason.since, reason)
    first, worse = told.values()
    assert (first.worse, worse.worse) == (False, True)
    assert worse.since == pytest.approx(MINUTE * (DAY + 120), abs=5 * MINUTE)
    said = (
        r"Latency (4|5)\S* times that of its 7 peers for \d+ min; worse than at (23:5|00:0)\d UTC"
    )
    assert re.fullmatch(said + r", when it was (twice|2\.\d times) that", worse.text)


@pytest.mark.parametrize("times", [1.0, 1.4])
def test_a_disk_that_stays_as_slow_is_not_named_anew(times: float) -> None:
    def shape(disk: int, minute: int) -> float:
        later = times if minute >= DAY + 120 else 1.0
        return 2.0 * later if disk == 3 and minute >= DAY else 1.0

    reasons = [each["disk3"] for each in run(8, 3 * DAY, shape) if each]
    assert not any(reason.worse for reason in reasons)


def test_from_much_slower_to_slow_is_not_well() -> None:
    def shape(disk: int, minute: int) -> float:
        times = 5.0 if minute < DAY + 120 else 2.0
        return times if disk == 3 and minute >= DAY else 1.0

    assert all(run(8, 2 * DAY, shape)[DAY + 20 :])


def test_a_hot_disk_may_be_as_much_slower_as_it_is_busier() -> None:
    hot = {1.4: False, 1.0: True}
    for busier, named in hot.items():
        group, random = PeerGroup("Latency"), Random(1)
        found = []
        for minute in range(2 * DAY):
            load = {f"disk{disk}": 300 * random.lognormvariate(0, 0.05) for disk in range(1, 9)}
            values = readings(8, slow({3}, 1.5), random, minute)
            load["disk3"] *= busier if minute >= DAY else 1.0
            found.append(group.update(MINUTE * minute, values, load))
        assert any(found) == named


def test_a_disk_that_always_was_busier_is_named_where_it_gets_slow() -> None:
    group, random = PeerGroup("Latency"), Random(1)
    for minute in range(2 * DAY):
        load = {f"disk{disk}": 400.0 if disk == 3 else 300.0 for disk in range(1, 9)}
        found = group.update(MINUTE * minute, readings(8, slow({3}, 2.0), random, minute), load)
        assert not found or minute > DAY
    assert set(found) == {"disk3"}


@pytest.mark.parametrize("disks", [3, 4])
def test_a_silent_disk_leaves_its_verdict_and_disturbs_no_other(disks: int) -> None:
    group, random = PeerGroup("Latency"), Random(1)
    for minute in range(DAY + 300):
        values = readings(disks, slow({1}, 2.5), random, minute)
        if minute >= DAY + 60:
            del values["disk1" if minute < DAY + 180 else "disk2"]
        found = group.update(MINUTE * minute, values)
        assert set(found) <= {"disk1"}
        assert found or minute < DAY + 60


def test_a_replaced_disk_begins_anew() -> None:
    group, random = PeerGroup("Latency"), Random(1)
    for minute in range(DAY + 60):
        found = group.update(MINUTE * minute, readings(6, slow({3}, 2.0), random, minute))
    assert found
    group.drop("disk3")
    for minute in range(DAY + 60, 2 * DAY):
        assert not group.update(MINUTE * minute, readings(6, slow(set(), 1), random, minute))


def test_impossible_values_and_loads_break_nothing() -> None:
    group, random = PeerGroup("Latency"), Random(1)
    odd = [0.0, math.nan, math.inf, -math.inf, -1.0, 5e-324, 1e308]
    for minute in range(600):
        values = readings(8, slow({3}, 2.0, since=300), random, minute)
        values |= {"disk1": odd[minute % 7], "disk2": 1e90 if minute % 50 == 0 else values["disk2"]}
        load = {"disk1": odd[minute % 7], "disk2": odd[-1 - minute % 7], "disk3": 1.0, "disk4": 1.0}
        found = group.update(MINUTE * minute, values, load)
        assert set(found) <= {"disk3"}
        json.dumps(group.to_dict(), allow_nan=False)


def test_one_very_slow_answer_is_not_a_slow_disk() -> None:
    def spikes(disk: int, minute: int) -> float:
        return 100.0 if disk == 3 and minute % 30 == 0 else 1.0

    assert not any(run(8, 3 * DAY, spikes))


def test_a_whole_array_that_slows_down_at_once_names_nobody() -> None:
    assert not any(run(8, DAY + 300, slow(set(range(1, 9)), 4.0)))


def test_where_half_of_a_group_stands_out_nobody_is_named() -> None:
    assert not any(run(12, DAY + 300, slow({1, 2, 3, 4, 5, 6}, 3.0)))


def test_two_disks_are_no_peers_and_three_are() -> None:
    assert not any(run(2, DAY + 300, slow({1}, 3.0)))
    assert set(run(3, DAY + 300, slow({1}, 3.0))[-1]) == {"disk1"}


def test_a_disk_that_always_was_slower_is_known_after_a_while() -> None:
    found = run(8, 3 * DAY, slow({3}, 1.6, since=0))
    assert found[120]  # a new disk is expected to be like its peers
    assert not any(found[DAY:])
    assert not any(run(8, 3 * DAY, slow({3}, 1.25, since=0)))


def test_a_group_of_two_models_names_nobody() -> None:
    assert not any(run(12, DAY, slow({1, 2, 3, 4, 5, 6}, 5.0, since=0)))


def test_latency_that_comes_with_more_load_is_no_illness() -> None:
    group, random = PeerGroup("Latency"), Random(1)
    load = {f"disk{disk}": 300.0 for disk in range(1, 9)}
    for minute in range(DAY + 120):
        busy = minute >= DAY
        values = readings(8, slow({3}, 2.5), random, minute)
        assert not group.update(MINUTE * minute, values, {**load, "disk3": 700.0 if busy else 300})


def test_iops_are_too_few_not_too_many() -> None:
    for factor, named in ((0.1, {"disk3"}), (4.0, set())):
        found = run(8, DAY + 60, slow({3}, factor), group=PeerGroup("IOPs"))
        assert set().union(*found) == named


def test_what_is_no_number_or_missing_disturbs_nothing() -> None:
    group, random = PeerGroup("Latency"), Random(1)
    for minute in range(600):
        values = readings(8, slow(set(), 1), random, minute)
        values |= {"disk1": math.nan, "disk2": 0.0, "disk3": -1.0, "disk4": math.inf}
        if minute % 2:
            del values["disk5"]
        assert not group.update(MINUTE * minute, values)
    assert group.update(0.0, {}) == {}
    assert group.update(0.0, {"disk1": 1.0}) == {}


def test_a_restored_state_goes_on_as_if_nothing_had_happened() -> None:
    group, random = PeerGroup("Latency"), Random(7)
    for minute in range(DAY + 5):
        group.update(MINUTE * minute, readings(8, slow({3}, 2.0), random, minute))
    restored = PeerGroup.from_dict("Latency", json.loads(json.dumps(group.to_dict())))
    for minute in range(DAY + 5, DAY + 60):
        values = readings(8, slow({3}, 2.0), random, minute)
        assert restored.update(MINUTE * minute, values) == group.update(MINUTE * minute, values)
    assert PeerGroup.from_dict("Latency", {"disk1": {"age": 1.0}}).to_dict() == {}


def test_what_an_older_version_has_learnt_of_a_disk_is_kept() -> None:
    fields = ("allowance", "readings", "usual", "square", "run", "total", "count", "since", "slow")
    group, random = PeerGroup("Latency"), Random(1)
    for minute in range(DAY + 60):
        group.update(MINUTE * minute, readings(8, slow({3}, 2.0), random, minute))
    old = {disk: {name: of[name] for name in fields} for disk, of in group.to_dict().items()}
    updated = PeerGroup.from_dict("Latency", old)
    assert set(updated.update(MINUTE * (DAY + 60), {})) == {"disk3"}
    for minute in range(DAY + 60, 3 * DAY):  # it is none that always was as slow
        values = readings(8, slow({3}, 2.0), random, minute)
        assert set(updated.update(MINUTE * minute, values)) == {"disk3"}


def test_of_a_device_that_has_left_the_group_no_state_is_kept() -> None:
    group = PeerGroup("Latency")
    group.update(0.0, {"a": 1.0, "b": 1.0, "c": 1.0})
    group.keep_only({"b", "c", "newcomer"})
    assert (sorted(group.to_dict()), group.is_empty) == (["b", "c"], False)
    group.keep_only(())
    assert (group.to_dict(), group.is_empty) == ({}, True)


def test_ratios_are_said_as_people_say_them() -> None:
    said = [in_words(ratio) for ratio in (1.5, 1.93, 2.05, 2.96, 4.1, 3.4, 12.3, 0.06)]
    assert said == [
        *("1.5 times", "twice", "twice", "three times", "four times"),
        *("3.4 times", "12 times", "0.06 times"),
    ]


def test_the_median_of_the_others_leaves_one_out() -> None:
    for values in ([1.0, 2.0, 4.0], [1.0, 2.0, 4.0, 8.0], [3.0, 3.0, 3.0, 9.0, 9.0]):
        for place, value in enumerate(values):
            rest = values[:place] + values[place + 1 :]
            assert _median_of_others(values, value) == statistics.median(rest)


def test_every_metric_that_is_compared_is_in_the_catalogue() -> None:
    from spindle.catalog import METRICS

    assert set(FACTORS) <= set(METRICS)
