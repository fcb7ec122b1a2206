"""Each sentence about an anomaly holds for the data it speaks of."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reader.detection import wording
from reader.detection.detector import Detector
from reader.detection.episodes import Episodes
from reader.detection.peers import PeerGroup
from reader.detection.story import SETTLES, WORSE
from reader.detection.window import BRIEF, WINDOW
from reader.watching.series import FollowedSeries
from spindle.store.base import SeriesKey
from spindle.timestamps import duration

STEP = 5.0
SURGE = re.compile(
    r"V (\S+); (\S+) % of the last .+ lay (at or )?(below|above) ([^\s;]+)(?:; .*)?$"
)
STUCK = re.compile(r"V (\S+) without any change for (.+); (?:never (.+) before|usually not (.+))$")
NOVEL = re.compile(r"V (\S+), (the highest value so far|the lowest value so far|a value rarely.*)")
LEVEL = re.compile(r"V was (\S+) in the mean of 5 min; usually (\S+)(?: to (\S+))?")
MIDDLE = re.compile(
    r"V was (\S+) in the middle of the readings of 60 s; usually (\S+)(?: to (\S+))?"
)
UNLIKE = re.compile(r"V (\S+); the last hours were unlike each of the (\d+) days before")
SPREAD = re.compile(r"V scattered by (\S+) within 5 min; usually (\S+)(?: to (\S+))?")
ROUGH = re.compile(r"V moved by (\S+) from one reading to the next within 5 min")
SLOPE = re.compile(r"V changed by (\S+) within 5 min")
EXPECTED = re.compile(r"V (\S+); \S+ was expected")
RESET = re.compile(r"V fell from (\S+) to (\S+) and never fell before")

Floats = npt.NDArray[np.float64]
#: Stretches of a series: how long, around what, how rough, and in what grain.
STRETCHES = st.lists(
    st.tuples(
        st.integers(1, 120),
        st.sampled_from([0.0, 1.0, 2.0, 10.0, 1000.0, -5.0]),
        st.sampled_from([0.0, 0.1, 1.0, 5.0]),
    ),
    min_size=1,
    max_size=5,
)


def near(said: str, true: float) -> bool:
    """Four digits are said; a spread of nothing may come out as next to nothing."""
    return abs(float(said) - true) <= 1e-3 * abs(true) + 1e-6


def hours(values: Floats) -> Floats:
    """Every window that there was."""
    return np.lib.stride_tricks.sliding_window_view(values, WINDOW)


def medians(values: Floats) -> Floats:
    """Of every few points in a row."""
    found: Floats = np.median(np.lib.stride_tricks.sliding_window_view(values, BRIEF), axis=1)
    return found


def lies_in(low: str, high: str | None, seen: Floats) -> bool:
    """Whether what is said to be usual has been seen."""
    high = high or low
    room = 1e-3 * float(np.abs(seen).max()) + 1e-6
    return bool(seen.min() - room <= float(low) <= float(high) <= seen.max() + room)


def is_stuck(lasts: str, never: str | None, usually: str | None, past: Sequence[float]) -> bool:
    """Whether the last value has lasted so long, and none before as long as is said."""
    *before, now = [len(list(run)) for _, run in groupby(past)]

    def longer_than(run: int) -> str:
        return f"longer than {duration(STEP * run)}" if run > 1 else "twice in a row"

    if lasts != duration(STEP * now):
        return False
    if never is not None:
        return now > max(before) and never in {longer_than(run) for run in before}
    return now <= max(before) and usually in {longer_than(run) for run in before if run < now}


def holds(text: str, past: Sequence[float]) -> bool:  # noqa: PLR0911  # one for each sentence
    """Whether the sentence is true of all values up to its point."""
    values = np.array(past)
    last, window = values[-1440:], values[-WINDOW:]
    if found := SURGE.match(text):
        value, share, equal, side, limit = found.groups()
        bound = float(limit)
        sign = 1 if side == "below" else -1
        inside = sign * last <= sign * bound if equal else sign * last < sign * bound
        return near(value, past[-1]) and inside.mean() >= float(share) / 100
    if found := STUCK.match(text):
        return near(found[1], past[-1]) and is_stuck(found[2], found[3], found[4], past)
    if found := NOVEL.match(text):
        highest = values.max() == past[-1]
        lowest = values.min() == past[-1]
        told = {"the highest value so far": highest, "the lowest value so far": lowest}
        return bool(told.get(found[2], True))
    if found := LEVEL.match(text) or MIDDLE.match(text):
        now, low, high = found.groups()
        levels = hours(values).mean(axis=1) if found.re is LEVEL else medians(values)
        return near(now, float(levels[-1])) and lies_in(low, high, levels)
    if found := SPREAD.match(text):
        now, low, high = found.groups()
        return near(now, float(window.std())) and lies_in(low, high, hours(values).std(axis=1))
    if found := ROUGH.match(text):
        return near(found[1], float(np.abs(np.diff(values[-WINDOW - 1 :])).mean()))
    if found := SLOPE.match(text):
        return near(found[1], float(np.polyfit(np.arange(WINDOW), window, 1)[0]) * WINDOW)
    if found := RESET.match(text):
        return near(found[1], past[-2]) and near(found[2], past[-1]) and past[-1] < past[-2]
    if found := UNLIKE.match(text):
        return near(found[1], past[-1]) and int(found[2]) <= STEP * len(past) / 86_400
    return bool(EXPECTED.match(text))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from([0.0, 0.3, 2.0]),
    st.booleans(),
    STRETCHES,
    st.sampled_from([1.0, 1.0, 1e-9, 192805482.47, -3e6]),
)
def test_every_sentence_is_true(
    seed: int,
    noise: float,
    whole: bool,
    stretches: list[tuple[int, float, float]],
    scale: float,
) -> None:
    rng, past, detector = random.Random(seed), list[float](), Detector()
    plan = [((400, 1700, 400, 2600)[seed % 4], 2.0, noise), *stretches, (80, 2.0, noise)]
    for length, level, spread in plan:
        for _ in range(length):
            value = level + spread * rng.gauss(0.0, 1.0)
            past.append(scale * max(0.0, round(value) if whole else value))
            detector.update(STEP * len(past), past[-1])
            if detector.alarm > 0.0:
                text = detector.explain("V", "").text
                assert holds(text, past), text


SPAN = re.compile(r" of the last (\d+) (s|min|h|days)( of readings)? lay ")
SECONDS = {"s": 1, "min": 60, "h": 3600, "days": 86_400}
ILL_READABLE = re.compile(r"(?<![\d.e])-0(?![.\d])|\de\+|\b0 s\b|\bnan\b|\binf\b|; ;|  ")


def spans(text: str, times: Sequence[float]) -> bool:
    """Whether the values spoken of are as old as is said; where a clock jumped, of readings."""
    found = SPAN.search(text)
    if found is None or found[3]:
        return True
    said, lasts = int(found[1]) * SECONDS[found[2]], times[-1] - times[-1440:][0]
    return 0.7 * said - STEP <= lasts <= 1.4 * said + STEP


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from(["", "%", "B", "degC", "/s", "ms"]),
    st.sampled_from([1.0, -1.0, 1e-9, 1e6]),
    STRETCHES,
    st.lists(
        st.tuples(
            st.integers(12, 900), st.sampled_from([3600.0, 86_400.0, 50.0, 0.0, -60.0, -3600.0])
        ),
        max_size=4,
    ),
)
def test_every_sentence_is_true_whatever_the_clock_does(
    seed: int,
    unit: str,
    scale: float,
    stretches: list[tuple[int, float, float]],
    jumps: list[tuple[int, float]],
) -> None:
    """An hour on, a minute back, no time between two readings, summer time; and no numbers."""
    rng, now, detector, episodes = random.Random(seed), 1.79e9, Detector(), Episodes("V")
    past, times = list[float](), list[float]()
    plan = [(400, 2.0, 0.3), *stretches, (150, 2.0, 0.3), *stretches[:2], (80, 2.0, 0.3)]
    levels = [(level, spread) for length, level, spread in plan for _ in range(length)]
    for n, (level, spread) in enumerate(levels):
        now += STEP + sum(jump - STEP for at, jump in jumps if at == n)
        value = scale * (level + spread * rng.gauss(0.0, 1.0))
        if n % 97 == 5:
            value = rng.choice([np.nan, np.inf, -np.inf])
        detector.update(now, value)
        began, _ = episodes.take(now, value, detector)
        if began is not None:
            assert not ILL_READABLE.search(began.text), began.text
        if not np.isfinite(value):
            continue
        past.append(value)
        times.append(now)
        if detector.alarm > 0.0:
            text = detector.explain("V", unit).text
            assert not ILL_READABLE.search(text), text
            assert spans(text, times), text
            if (
                found := SURGE.match(text.replace(f" {unit};", ";") if unit != "%" else text)
            ) is not None:
                assert near(found[1], value), text


def test_ten_readings_of_four_times_the_usual_are_told_and_told_again() -> None:
    """Each is too little for one reading's surprise and too short for an hour's."""
    told = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        values = np.exp(rng.normal(0.0, 0.3, 3100))
        values[2700:2710] *= 4.0
        values[2900:2910] *= 4.0
        detector, episodes, begins = Detector(), Episodes("Latency"), []
        for second, value in enumerate(values.tolist()):
            detector.update(STEP * second, value)
            began, _ = episodes.take(STEP * second, value, detector)
            if began is not None and began.value > 1.0:
                begins.append(second)
        told.append([any(at <= b < at + 15 for b in begins) for at in (2700, 2900)])
    first, second = np.mean(told, axis=0)
    assert first >= 0.8
    assert second >= 0.8


def test_a_value_that_was_at_the_limit_is_not_said_to_lie_below_it() -> None:
    assert wording.beyond(5.0, [0.0] * 100) == (99.9, "at or below", 0.0)
    share, side, limit = wording.beyond(9.0, [float(n % 5) for n in range(100)]) or (0, "", 0)
    assert (share, side, limit) == (99.9, "at or below", 4.0)


@pytest.mark.parametrize(
    ("value", "up", "down"),
    [
        (3.90449, "3.905", "3.904"),
        (-3.90449, "-3.904", "-3.905"),
        (0.0, "0", "0"),
        (-0.0, "0", "0"),
        (7, "7", "7"),
        (192805482.47, "192805483", "192805482"),
        (-192805482.47, "-192805482", "-192805483"),
    ],
)
def test_a_limit_is_rounded_so_that_what_is_said_of_it_stays_true(
    value: float, up: str, down: str
) -> None:
    assert (wording.number(value, np.inf), wording.number(value, -np.inf)) == (up, down)


def alarm_text(values: Sequence[float], metric: str, unit: str) -> str:
    detector, text = Detector(), ""
    for n, value in enumerate(values):
        detector.update(STEP * n, value)
        if detector.alarm >= 0.5:
            text = detector.explain(metric, unit).text
    return text


def test_a_counter_that_begins_anew_is_said_to() -> None:
    rng, values = random.Random(3), [1e6]
    for _ in range(600):
        values.append(values[-1] + round(rng.lognormvariate(7, 0.5)))
    told = alarm_text([*values, 0.0], "BytesWritten", "B")
    assert told.startswith("BytesWritten fell from 1")
    assert told.endswith(" B to 0 B and never fell before: a counter that began anew?")


@pytest.mark.parametrize("metric", ["BytesWritten", "PowerOnHours", "LifetimeWritten"])
def test_a_counter_that_rises_evenly_is_said_to_begin_anew_too(metric: str) -> None:
    detector, episodes = Detector(), Episodes(metric)
    begun = []
    for n, value in enumerate([1e6 + 5.0 * n for n in range(400)] + [5e5, 0.0, 5.0, 10.0]):
        detector.update(STEP * n, value)
        began, _ = episodes.take(STEP * n, value, detector)
        begun += [began.text] if began is not None else []
    (told,) = begun
    assert "fell from 1001995" in told
    assert told.endswith("and never fell before: a counter that began anew?")


def followed(metric: str, values: Sequence[float], every: float = 1.0) -> list[str]:
    """The sentence of each anomaly as it begins, of readings at so many seconds."""
    series, told = FollowedSeries(SeriesKey("DiskUnit", metric, "d1", ""), STEP), list[str]()
    for n, value in enumerate(values):
        began, _ = series.take(1e9 + every * n, value)
        told += [] if began is None else [began.text]
    return told


def counted(readings: int, seed: int = 3) -> list[float]:
    rng, values = random.Random(seed), [1e6]
    while len(values) < readings:
        values.append(values[-1] + round(rng.lognormvariate(7, 0.5)))
    return values


def test_a_reset_within_a_step_is_no_mean_of_before_and_after() -> None:
    before = counted(4002)  # the last two of them and the next three are one step
    (told,) = followed("BytesWritten", [*before, *(900.0 + n for n in range(10))])
    assert told.startswith(f"BytesWritten fell from {np.mean(before[-7:-2]):.0f} to 901 and never")


@pytest.mark.parametrize("gap", [0.0, 3600.0])
def test_a_counter_that_begins_anew_once_more_is_said_to_after_a_gap_too(gap: float) -> None:
    values = [*counted(500), *(each - 1e6 for each in (*counted(500), *counted(500, 4)))]
    detector, episodes, told = Detector(), Episodes("BytesWritten"), list[str]()
    for n, value in enumerate(values):
        time = STEP * n + gap * (n // 500)
        detector.update(time, value)
        began, _ = episodes.take(time, value, detector)
        told += [] if began is None else [began.text]
    first, second = told
    assert first == (
        f"BytesWritten fell from {values[499]:.0f} to 0 and never fell before: "
        "a counter that began anew?"
    )
    assert f"fell from {values[999]:.0f} to 0 and fell only once before: " in second
    assert "; for the 2nd time in " in second


def test_a_reset_is_told_though_something_lasts() -> None:
    steady, fast = counted(900), [n * 50_000.0 for n in range(1, 60)]
    values = [*steady, *(steady[-1] + each for each in fast), *counted(60)]
    values[-60:] = [each - 1e6 for each in values[-60:]]
    assert "a counter that began anew?" in followed("BytesWritten", values, STEP)[-1]


def test_a_sawtooth_is_no_counter_that_begins_anew_each_time() -> None:
    told = followed("Queued", [float(n % 150) for n in range(4500)], STEP)
    assert sum("began anew" in text for text in told) <= 1


def test_a_unit_is_suspected_at_each_peak_and_by_the_middle_of_the_last_few() -> None:
    rng = random.Random(2)
    usual = [2.0 * rng.lognormvariate(0.0, 0.1) for _ in range(900)]
    series = FollowedSeries(SeriesKey("DiskUnit", "Latency", "d1", ""), STEP)
    texts = set[str]()
    for n, value in enumerate(
        [*usual, *(n * 1000.0 for n in usual[:9]), *(n * 1500.0 for n in usual[:90])]
    ):
        series.take(STEP * n, value)
        texts |= {series.episodes.open.text} if series.episodes.open is not None else set()
    assert len(texts) > 1
    assert all(
        text.endswith("some 1000 times the usual, as if in another unit now") for text in texts
    )
    detector, low = Detector(), list[str]()
    for n, value in enumerate([*usual, *(each / 1000.0 for each in usual[:100])]):
        detector.update(STEP * n, value)
        low += [detector.explain_lately("Latency", "ms").text] if n > 912 else []
    assert all("some 1000th of the usual, as if in another unit now" in text for text in low)


def test_what_does_not_rise_any_more_is_not_said_to() -> None:
    rng, series = random.Random(2), FollowedSeries(SeriesKey("D", "CapacityUsed", "d1", ""), STEP)
    used = [40 + 0.0001 * n + rng.gauss(0, 0.002) for n in range(400)]
    leak = [used[-1] + 0.05 * n for n in range(1, 50)]
    texts = []
    for n, value in enumerate([*used, *leak, *(leak[-1] + rng.gauss(0, 0.002) for _ in range(40))]):
        series.take(STEP * n, value)
        texts.append("" if series.episodes.open is None else series.episodes.open.text)
    assert "rises by 0.6 % a minute, full in " in texts[440]
    assert texts[-1] != ""
    assert "rises" not in texts[-1]


def test_the_end_of_what_came_on_top_is_no_end_of_what_was_before() -> None:
    rng, series = random.Random(4), FollowedSeries(SeriesKey("D", "Latency", "d1", ""), STEP)
    times = [1] * 600 + [4] * 60 + [12] * 20 + [4] * 200 + [12] * 20 + [4] * 60 + [1] * 60
    begun, ended, texts = list[int](), list[int](), list[str]()
    for n, each in enumerate(times):
        began, over = series.take(STEP * n, 2 * each * rng.lognormvariate(0, 0.2))
        begun += [] if began is None else [n]
        ended += [] if over is None or over.worse else [n]
        texts.append("" if series.episodes.open is None else series.episodes.open.text)
    first, second, third = begun
    assert [600 < first < 610, 660 < second < 680, 880 < third < 900] == [True] * 3
    (end,) = ended
    assert 960 < end < 985
    assert re.search(r"was 8\S* ms in .*; it was 2\S* ms at 00:5\d UTC$", texts[800])
    assert re.search(
        r"was 2\S* ms in .*; worse than at \S+ UTC, when .* was [78]\S* ms$", texts[890]
    )
    assert re.search(r"was [78]\S* ms in .*; it was 2\S* ms at 01:1\d UTC$", texts[950])


def test_a_peak_is_as_far_as_the_middle_of_the_last_few() -> None:
    """Though no alarm was as sure as the first."""
    rng, series = random.Random(4), FollowedSeries(SeriesKey("D", "DiskTemp", "d1", ""), STEP)
    degrees = [35.0] * 600 + [43.0] * 20 + [49.0] * 20
    for n, each in enumerate(degrees):
        series.take(STEP * n, each + 0.3 * rng.gauss(0.0, 1.0))
    now = series.episodes.open
    assert now is not None
    assert now.value == pytest.approx(49.0, abs=1.0)
    assert now.text.startswith("DiskTemp 4") or now.text.startswith("DiskTemp was 4")


def test_a_counter_is_not_compared_with_what_it_was_before_its_reset() -> None:
    series, told = FollowedSeries(SeriesKey("D", "BytesWritten", "d1", ""), STEP), set[str]()
    steady = counted(400)
    after = [3.0 * (each - 1e6) for each in counted(150, 4)]
    for n, value in enumerate([*steady, *after]):
        series.take(STEP * n, value)
        now = series.episodes.open
        told |= set() if now is None or now.expected is None else {now.text}
    usual = [re.search(r"was (\S+) in the middle.*; usually (\S+)", text) for text in told]
    assert all(float(each[1]) > float(each[2]) for each in usual if each is not None)


def test_a_limit_is_nearer_to_the_usual_than_to_the_value() -> None:
    usual = [35.0 + n / 1000 for n in range(600)]
    assert wording.beyond(95.0, [*usual, 64.0, 95.0, 95.0]) == (99.0, "below", 35.597)


def test_what_falls_below_nothing_is_no_counter_that_began_anew() -> None:
    assert "began anew" not in alarm_text([*(5.0 * n for n in range(400)), -1e6, -1e6 - 1], "V", "")


def test_what_rises_and_then_falls_a_little_is_no_counter_that_began_anew() -> None:
    values = [40 + 0.01 * min(n, 700 - n) for n in range(600)]
    assert "began anew" not in alarm_text(values, "V", "")


def test_a_unit_that_changed_is_suspected_aloud() -> None:
    times, of = wording.other_unit("ms", 2.0, 2001.0), wording.other_unit("B/s", 5e6, 5e3)
    assert times == "1000 times the usual, as if in another unit now"
    assert of == "a 1000th of the usual, as if in another unit now"
    assert wording.other_unit("ms", 2.0, 2301.0, 0.2) == (
        "some 1000 times the usual, as if in another unit now"
    )
    assert wording.other_unit("ms", 2.0, 1.8e-6, 0.2) == (
        "some 1000000th of the usual, as if in another unit now"
    )
    assert (
        wording.other_unit("ms", 2.0, 2301.0) is wording.other_unit("ms", 2.0, 400.0, 9.0) is None
    )
    assert wording.other_unit("degC", 40.0, 104.5) == "as if it were in degF now"
    assert wording.other_unit("ms", 2.0, 8.0) is None
    assert wording.other_unit("ms", 0.0, 8.0) is None
    assert wording.other_unit("ms", 1e150, 1e-308) is None
    assert wording.other_unit("ms", 1e-308, 1e150) is None
    rng = random.Random(1)
    degrees = [40 + rng.gauss(0, 0.5) for _ in range(400)]
    changed = [v * 1.8 + 32 for v in degrees[:3]]
    told = alarm_text([*degrees, *changed], "DiskTemp", "degC")
    assert told.endswith("as if it were in degF now")


def test_a_leak_is_told_with_its_rate_and_when_the_device_is_full() -> None:
    rng = random.Random(2)
    used = [40 + 0.0001 * n + rng.gauss(0, 0.002) for n in range(400)]
    leak = [used[-1] + 0.05 * n for n in range(1, 12)]  # a step of 5 s: 0.6 % a minute
    text = alarm_text([*used, *leak], "CapacityUsed", "%")
    said = re.search(r"rises by (\S+) % a minute, full in (\d+) min", text)
    assert said is not None
    assert float(said[1]) == pytest.approx(0.6, rel=0.05)
    assert int(said[2]) == pytest.approx(60 / 0.6, rel=0.05)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(3, 9),
    st.sampled_from([1.6, 2.0, 2.5, 3.0]),
    st.integers(30, 300),
)
def test_what_is_said_of_a_device_beside_its_peers_is_true(
    seed: int, peers: int, times: float, lasts: int
) -> None:
    rng, group, ratios = random.Random(seed), PeerGroup("Latency"), list[float]()
    for minute in range(200 + lasts):
        values = {f"d{n}": 2.0 * rng.lognormvariate(0.0, 0.1) for n in range(peers + 1)}
        values["d0"] *= times if minute >= 200 else 1.0
        others = [value for device, value in values.items() if device != "d0"]
        ratios.append(values["d0"] / float(np.median(others)))
        reason = group.update(60.0 * minute, values).get("d0")
        if reason is None:
            continue
        since = round(reason.since / 60)
        said = re.match(r"Latency (.+) that of its (\d+) peers for (.+)$", reason.text)
        assert said is not None
        assert (int(said[2]), said[3]) == (peers, duration(60.0 * (minute - since)))
        assert reason.ratio == pytest.approx(float(np.exp(np.mean(np.log(ratios[since:])))))
        first = said[1].split()[0]
        ratio = {"twice": 2.0, "three": 3.0, "four": 4.0}.get(first) or float(first)
        assert ratio == pytest.approx(reason.ratio, rel=0.06)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1.6, 2.0, 3.0]), st.integers(60, 300))
def test_what_is_said_of_a_device_that_gets_worse_beside_its_peers_is_true(
    seed: int, times: float, later: int
) -> None:
    rng, group, ratios, told = (
        random.Random(seed),
        PeerGroup("Latency"),
        list[float](),
        set[float](),
    )
    for minute in range(200 + later + 60):
        values = {f"d{n}": 2.0 * rng.lognormvariate(0.0, 0.1) for n in range(8)}
        values["d0"] *= 1.0 if minute < 200 else times if minute < 200 + later else 2.5 * times
        ratios.append(values["d0"] / float(np.median([values[f"d{n}"] for n in range(1, 8)])))
        reason = group.update(60.0 * minute, values).get("d0")
        if reason is None or not reason.worse:
            continue
        told.add(reason.since)
        said = re.search(r"; worse than at (\d+):(\d+) UTC, when it was (.+) that$", reason.text)
        assert said is not None
        then, since = 60 * int(said[1]) + int(said[2]), round(reason.since / 60)
        first = said[3].split()[0]
        ratio = {"twice": 2.0, "three": 3.0, "four": 4.0}.get(first) or float(first)
        parts = (ratios[then:since], ratios[since:])
        before, now = (float(np.exp(np.mean(np.log(part)))) for part in parts)
        assert before == pytest.approx(ratio, rel=0.06)
        assert now == pytest.approx(reason.ratio)
        assert now > 1.5 * before
    assert len(told) == 1


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(80, 600), min_size=1, max_size=5), st.integers(0, 2**16))
def test_how_often_it_has_been_so_is_true(pauses: list[int], seed: int) -> None:
    rng, detector, episodes = random.Random(seed), Detector(), Episodes("V")
    plan = [(400, 2.0), *((n, v) for pause in pauses for n, v in ((20, 40.0), (pause, 2.0)))]
    minute, begun = 0, list[tuple[str, float]]()
    for length, level in plan:
        for _ in range(length):
            minute += 1
            value = level + 0.2 * rng.gauss(0.0, 1.0)
            detector.update(60.0 * minute, value)
            found, _ = episodes.take(60.0 * minute, value, detector)
            if found is None:
                continue
            same = [start for like, start in begun if like == found.likeness]
            assert found.times == len(same) + 1
            if same:
                within, last = (
                    duration(found.start - same[0]),
                    datetime.fromtimestamp(same[-1], UTC),
                )
                again = (
                    f"for the {wording.ordinal(found.times)} time in {within}, as at {last:%H:%M}"
                )
                assert again in found.text
            begun.append((found.likeness, found.start))


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 200), st.sampled_from([0.5, 1.0, 3.0, 8.0, 30.0])),
        min_size=2,
        max_size=6,
    ),
    st.floats(0.02, 0.6),
    st.integers(0, 2**16),
)
def test_what_is_said_to_be_worse_is_worse_than_it_was_when_it_was_told(
    stretches: list[tuple[int, float]], spread: float, seed: int
) -> None:
    rng, detector, episodes = random.Random(seed), Detector(), Episodes("Latency")
    past, told = list[float](), list[int]()  # values; numbers of those at which something began
    for length, times in [(400, 1.0), (100, 4.0), *stretches]:
        for _ in range(length):
            past.append(2.0 * times * rng.lognormvariate(0.0, spread))
            detector.update(STEP * len(past), past[-1])
            began, ended = episodes.take(STEP * len(past), past[-1], detector)
            if began is None:
                continue
            told.append(len(past))
            said = re.search(
                r"was (\S+) ms in .*; worse than at (\S+) UTC, .* was (\S+) ms", began.text
            )
            if said is None:
                assert ended is None or not ended.worse
                continue
            now, at, then = said.groups()
            *_, before, _ = told
            assert ended is not None
            assert ended.worse
            middles = medians(np.array(past))
            assert near(now, float(middles[-1]))
            since = [
                n
                for n in range(before, len(past))
                if f"{datetime.fromtimestamp(STEP * n, UTC):%H:%M}" == at
            ]
            settled = middles[since[0] - BRIEF : since[-1] - BRIEF + SETTLES + 1]
            assert any(near(then, float(middle)) for middle in settled)
            assert began.expected is not None
            assert float(now) - began.expected >= 0.99 * WORSE * (float(then) - began.expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.01, 0.2), st.floats(10.0, 60.0))
def test_how_fast_it_fills_and_when_it_is_full_is_true(seed: int, leak: float, used: float) -> None:
    rng, detector, past, told = random.Random(seed), Detector(), list[float](), 0
    for n in range(460):
        past.append(used + leak * max(0, n - 400) + rng.gauss(0.0, 0.002))
        detector.update(STEP * n, past[-1])
        text = detector.explain("CapacityUsed", "%").text if detector.alarm >= 0.5 else ""
        if found := re.search(r"rises by (\S+) % a minute, full in (.+) at that rate", text):
            told += 1
            slopes = [float(np.polyfit(range(n), past[-n:], 1)[0]) for n in range(4, 13)]
            assert (found[1], found[2]) in {
                (wording.number(slope * 60 / STEP), duration((100 - past[-1]) * STEP / slope))
                for slope in slopes
            }
    assert told
