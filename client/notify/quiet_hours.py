"""Times of the day, in this machine's time zone: when to be quiet, when to tell all. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


def time_of(text: str) -> time:
    """``08:30`` as a time.

    :raises ValueError: it is none.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError("expected a time of the day such as 08:30")
    return time(int(found[1]), int(found[2]))


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one time of the day to another, which may be of the next day."""

    begin: time
    end: time

    @classmethod
    def parse(cls, text: str) -> QuietHours | None:
        """``22:00-07:00``; None for an empty text.

        :raises ValueError: it is neither.
        """
        if not text.strip():
            return None
        begin, dash, end = text.partition("-")
        try:
            hours = cls(time_of(begin), time_of(end))
        except ValueError:
            dash = ""
        if not dash or hours.begin == hours.end:
            raise ValueError("expected two times of the day such as 22:00-07:00")
        return hours

    def contain(self, now: datetime) -> bool:
        """Whether ``now``, in local time, lies within."""
        clock = now.time()
        if self.begin < self.end:
            return self.begin <= clock < self.end
        return clock >= self.begin or clock < self.end


def next_at(clock: time, now: datetime) -> datetime:
    """The next time that it is ``clock``, after ``now``; both local."""
    today = now.replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)
