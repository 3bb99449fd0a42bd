"""The instants that a time may mean, where a source says no more than a wall clock or a date (domain: P16)."""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

EXACT, MINUTE, HOUR = timedelta(), timedelta(minutes=1), timedelta(hours=1)
_CLOCK = re.compile(r"[T ]\d\d(:?\d\d)?(:?\d\d)?", re.IGNORECASE)


class TimeSpan(NamedTuple):
    """The instants that a time may mean: from `earliest` to `latest`, in UTC."""

    earliest: datetime
    latest: datetime

    @classmethod
    def at(cls, instant: datetime, width: timedelta = EXACT) -> "TimeSpan":
        """Give the span of an instant, or of the minute or hour that begins with it."""
        utc = instant.astimezone(UTC)
        return cls(utc, utc + width)

    @property
    def first(self) -> datetime | None:
        """The earliest instant; None where there is one only."""
        return None if self.earliest == self.latest else self.earliest

    def shown(self) -> dict[str, str]:
        """Write both ends as RFC 3339."""
        return {name: at.isoformat().replace("+00:00", "Z") for name, at in self._asdict().items()}


def day_of(on: date, zone: tzinfo) -> TimeSpan:
    """Give the 24 hours of a date; where the clocks change, they are 23 or 25."""
    ends = (datetime.combine(one, time(), zone) for one in (on, on + timedelta(days=1)))
    return TimeSpan(*(end.astimezone(UTC) for end in ends))


def on_wall_clock(local: datetime, zone: tzinfo, width: timedelta) -> TimeSpan | None:
    """Give what a clock on the wall of a zone means by a time without one; None where it never shows that.

    In the hour that comes twice in autumn it means two instants, in the one that is left out in spring none.
    """
    instants = [local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    shown = [one for one in instants if one.astimezone(zone).replace(tzinfo=None) == local]
    return TimeSpan(min(shown), max(shown) + width) if shown else None


def width_of(text: str) -> timedelta:
    """Say how much a time such as `2026-01-31T12:04Z` leaves open: a minute or, without minutes, an hour."""
    match = _CLOCK.search(text)
    if match is None or match[2]:
        return EXACT
    return MINUTE if match[1] else HOUR
