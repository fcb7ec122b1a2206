"""A device's readings made ready for a trend: equal steps, no spikes, no rhythm, one regime."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import ceil

import numpy as np

from reader.forecasting.cycle import rhythm
from reader.forecasting.jumps import last_jump, without_spikes
from reader.forecasting.models import Floats
from spindle.timestamps import duration

DAY = 86_400.0
HOUR = 3600.0
LEAST = 12  # steps with a reading, from which on a trend is spoken of
REACH = 13.0  # a past speaks of the future so many times its own length: a week of a quarter
_SILENT = 0.25  # of the past's length: after such a silence it says nothing of today
_FINEST = 1e-5  # of the readings' range: no noise is believed to be smaller
_PLACES = (1.0, 10.0, 100.0, 1000.0)  # finer readings are as good as continuous
_lasting = partial(duration, decimals=True)
_REGIMES = 8  # jumps looked for at most, each in a finer view of what came after the one before


@dataclass(frozen=True, slots=True)
class StepSize:
    """How long the steps are into which readings are averaged.

    :ivar seconds: length of a step.
    :ivar most: steps of a past, at most; a longer one takes the next size.
    :ivar period: steps of the cycle that may be in it; 0 for none.
    :ivar cycle: ``daily``, ``weekly`` or empty.
    """

    seconds: float
    most: int
    period: int
    cycle: str


#: The shorter the past, the finer the steps.
STEP_SIZES = (
    StepSize(900.0, 96, 0, ""),
    StepSize(3600.0, 168, 24, "daily"),
    StepSize(21_600.0, 84, 4, "daily"),
    StepSize(DAY, 180, 7, "weekly"),
)


@dataclass(frozen=True, slots=True)
class History:
    """One series, ready for a trend.

    :ivar values: steps, oldest first, NaN where there is no reading.
    :ivar seconds: length of a step.
    :ivar since: when it begins, in seconds.
    :ivar ahead: steps from the middle of the last one to now.
    :ivar profile: what the rhythm adds to the steps after the last, or empty.
    :ivar cycle: ``daily``, ``weekly`` or empty.
    :ivar jump: the change of level that it begins after, or None.
    :ivar finest: no noise is believed to be smaller.
    :ivar grain: what every reading is a multiple of, 0 where of nothing.
    :ivar last: the newest reading.
    :ivar only_rises: no reading is below the one before, and no rhythm was taken out.
    """

    values: Floats
    seconds: float
    since: float
    ahead: float
    profile: Floats
    cycle: str
    jump: float | None
    finest: float
    grain: float
    last: float
    only_rises: bool

    def shown_from(self, level: float) -> float:
        """Where the trend is when readings begin to show a level.

        A reading of whole per cent shows 80 from 79.5 on where it is rounded; where it is cut off,
        it shows 80 from 80 on, when the mean of what such readings say is 79.5 too.
        """
        if self.grain == 0.0:
            return level
        # 1e-6: a level on the grain is not moved to the next by the rounding of the division.
        return (ceil(level / self.grain - 1e-6) - 0.5) * self.grain


def prepare(times: Floats, values: Floats, now: float) -> History | str:
    """Make one series ready for a trend, or say why it cannot be: an end of a sentence.

    :param times: seconds, in any order; later than ``now`` is left out, the same twice is averaged.
    :param values: NaN and infinities are left out.
    """
    good = np.isfinite(times) & np.isfinite(values) & (times <= now) & (np.abs(values) < 1e300)
    order = np.argsort(times[good], kind="stable")
    times, values = times[good][order], values[good][order]
    changed: float | None = None
    for _ in range(_REGIMES):
        reason = _too_short(times, now, changed)
        if reason:
            return reason
        size = _step_size(now - times[0])
        end = _end(now, size)
        steps = _equal_steps(times, values, end, size)
        if np.isfinite(steps).sum() < LEAST:
            return _too_few_steps(int(np.isfinite(steps).sum()), size, changed)
        profile = rhythm(steps, size.period) if size.period else None
        level = without_spikes(_without_rhythm(profile, steps))
        swing = 0.0 if profile is None else float(np.ptp(profile))
        found = last_jump(level, float(np.nanmax(steps) - np.nanmin(steps)), swing)
        if found is None:
            ahead = 0.5 + (now - end) / size.seconds
            return _ready(level, values, profile, size, (end, ahead), changed)
        first, changed = found
        begins = end - (len(steps) - first) * size.seconds
        later = times >= begins
        times, values = times[later], values[later]
    return "the level changes too often for a trend"


def _ready(
    level: Floats,
    values: Floats,
    profile: Floats | None,
    size: StepSize,
    ends: tuple[float, float],
    changed: float | None,
) -> History:
    end, ahead = ends
    first = int(np.isfinite(level).argmax())
    level = level[first:]
    coming = (
        np.empty(0) if profile is None else np.roll(profile, -((first + len(level)) % size.period))
    )
    return History(
        level,
        size.seconds,
        end - len(level) * size.seconds,
        ahead,
        coming,
        "" if profile is None else size.cycle,
        changed,
        _FINEST * float(np.ptp(values)),
        _grain(values),
        float(values[-1]),
        profile is None and bool((np.diff(values) >= 0.0).all()),
    )


def _grain(values: Floats) -> float:
    """1, or the decimal place, that readings are whole multiples of; 0 where they are of none.

    Not the smallest change seen: a drive that has worn by 2 % in one week need not count in twos.
    """
    for place in _PLACES:
        scaled = values * place
        if (np.abs(scaled - np.rint(scaled)) < 1e-6).all():
            return float(1.0 / place)
    return 0.0


def _end(now: float, size: StepSize) -> float:
    """Where the last step ends: the hour (or quarter) that is over.

    A store's own steps begin on the hour: each then lies in one step here, not across two; and a
    part of a step would say a part of its rhythm.
    """
    grain = min(size.seconds, HOUR)
    return now // grain * grain


def _equal_steps(times: Floats, values: Floats, end: float, size: StepSize) -> Floats:
    """Means of steps, oldest first, each as in its middle: where its readings lie to one side of
    that, it is moved by what usually comes between two steps."""
    over = times < end
    times, values = times[over], values[over]
    back = np.ceil((end - times) / size.seconds).astype(np.int64) - 1
    length = min(int(back.max()) + 1, size.most)
    kept = back < length
    place = length - 1 - back[kept]
    count = np.maximum(np.bincount(place, minlength=length), 1e-300)
    seen = count >= 1.0
    # About the first value: a sum of large numbers would lose the small differences.
    mean = np.bincount(place, values[kept] - values[0], minlength=length) / count
    middle = end - (length - np.arange(length) - 0.5) * size.seconds
    off = np.bincount(place, times[kept] - middle[place], minlength=length) / count
    apart = max(1, length // 4)  # a rhythm and single steps weigh little in the median
    changes = (mean[apart:] - mean[:-apart])[seen[apart:] & seen[:-apart]]
    usual = float(np.median(changes)) / apart if len(changes) else 0.0
    return np.where(seen, mean - off / size.seconds * usual + values[0], np.nan)


def _without_rhythm(profile: Floats | None, steps: Floats) -> Floats:
    """Steps less their rhythm, without the first: it may be part of one."""
    if profile is None:
        return steps
    level = steps - np.resize(profile, len(steps))
    level[int(np.isfinite(level).argmax())] = np.nan
    return level


def _step_size(span: float) -> StepSize:
    return next((size for size in STEP_SIZES if span < size.seconds * size.most), STEP_SIZES[-1])


def _too_short(times: Floats, now: float, changed: float | None) -> str:
    if len(times) == 0:
        return "no reading" if changed is None else f"no reading since {_the_jump(changed)}"
    span, silent = now - times[0], now - times[-1]
    if silent > max(_SILENT * span, 2 * STEP_SIZES[0].seconds):
        return f"no reading for {_lasting(silent)}"
    if span < (LEAST - 1) * STEP_SIZES[0].seconds:
        began = "readings go back" if changed is None else f"{_the_jump(changed)} was"
        ago = f"only {_lasting(span)}" + ("" if changed is None else " ago")
        return f"{began} {ago}; {_lasting(LEAST * STEP_SIZES[0].seconds)} are needed"
    return ""


def _too_few_steps(count: int, size: StepSize, changed: float | None) -> str:
    since = "" if changed is None else f" since {_the_jump(changed)}"
    return f"readings in only {count} steps of {_lasting(size.seconds)}{since}; {LEAST} are needed"


def _the_jump(changed: float) -> str:
    return f"the step of {changed:+.3g}"
