"""The forecast of one series; the product makes those of many at once."""

from __future__ import annotations

from collections.abc import Sequence

from reader.forecasting.forecast import SPOKEN, Forecast, forecasts
from reader.forecasting.models import Floats


def forecast(
    times: Floats,
    values: Floats,
    now: float,
    levels: Sequence[float] = (80.0, 90.0, 100.0),
    horizon_days: float = 90.0,
    spoken: Sequence[float] = SPOKEN,
) -> Forecast:
    """See ``forecasts``."""
    return forecasts([(times, values)], now, levels, horizon_days, spoken)[0]
