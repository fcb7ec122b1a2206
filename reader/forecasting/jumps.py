"""Changes of level that are not growth (a deletion, an expansion), after which a trend begins anew,
and single false readings."""

from __future__ import annotations

import numpy as np

from reader.forecasting.models import Floats

_USUAL = 8.0  # times the usual change: less is growth or noise
_LIKE = {-1.0: 0.6, 1.0: 0.33}  # part of it that makes another change its like: with a like, a fall
# is how the device lives, such as a weekly purge, and a rise is growth in bursts
_FALL = 0.1  # part of the series' range; a smaller fall changes no forecast
_RISE = 0.5  # the same for a rise: growth may come in bursts, so only an import as large as this
_BESIDE = 4  # readings on both sides that must agree that the level has changed
_SPIKE = 6.0  # times twice the mean deviation from the median of three


def without_spikes(values: Floats) -> Floats:
    """Readings that their neighbours on both sides contradict become NaN."""
    at = np.flatnonzero(np.isfinite(values))
    if len(at) < 5:
        return values
    kept = values[at]
    about = np.zeros(len(kept))
    windows = np.lib.stride_tricks.sliding_window_view(kept, 3)
    about[1:-1] = kept[1:-1] - np.sort(windows, axis=1)[:, 1]
    low, high = np.quantile(kept, (0.1, 0.9))
    size = max(2.0 * float(np.mean(np.abs(about))), 0.02 * float(high - low))
    cleaned = values.copy()
    cleaned[at[np.abs(about) > _SPIKE * size]] = np.nan
    return cleaned


def last_jump(values: Floats, span: float, swing: float = 0.0) -> tuple[int, float] | None:
    """The latest change of level that is no growth.

    :param values: steps, oldest first, NaN where there is no reading.
    :param span: range of the readings, which a change must be a good part of.
    :param swing: range of the rhythm that was taken out: less than that is none.
    :returns: the index of the first reading after it, and the change.
    """
    at = np.flatnonzero(np.isfinite(values))
    kept, latest, offset = values[at], None, 0
    while (found := _largest(kept[offset:], max(_FALL * span, swing))) is not None:
        latest = int(at[offset + found[0]]), found[1]
        offset += found[0]
    return latest


def _largest(kept: Floats, least: float) -> tuple[int, float] | None:
    """The largest jump of so much or more: index of the first reading after it, and the change."""
    if len(kept) < 6:
        return None
    change = kept[2:] - kept[:-2]  # a jump inside a step is spread over two changes
    usual = float(np.median(change))
    size = 1.4826 * float(np.median(np.abs(change - usual)))
    span = float(kept.max() - kept.min())
    for sign, part in ((-1.0, _FALL), (1.0, _RISE)):
        far = sign * (change - usual)
        i = int(far.argmax())
        others = np.r_[far[: max(0, i - 1)], far[i + 2 :]]
        alike = bool((others > _LIKE[sign] * far[i]).any())
        if not alike and far[i] > max(_USUAL * size, part * span, least, 1e-12):
            after = _after(kept, i, sign)
            before, beyond = kept[max(0, i + 1 - _BESIDE) : i + 1], kept[after : after + _BESIDE]
            lasting = float(np.median(beyond) - np.median(before))
            if sign * lasting > 0.5 * far[i]:
                return after, float(kept[after] - kept[i])
    return None


def _after(kept: Floats, i: int, sign: float) -> int:
    """Past the jump: where one change holds most of it, right there, else past the mixed step."""
    first, second = sign * (kept[i + 1] - kept[i]), sign * (kept[i + 2] - kept[i + 1])
    return i + 1 if first > 0.0 and abs(second) < 0.05 * first else i + 2
