"""The instants that a time may mean, where a source says no more than a wall clock or a date (domain: P16)."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple


class TimeSpan(NamedTuple):
    """The instants that a time may mean: from `earliest` to `latest`, in UTC."""

    earliest: datetime
    latest: datetime

    @classmethod
    def at(cls, instant: datetime) -> "TimeSpan":
        """Give the span of an instant."""
        utc = instant.astimezone(UTC)
        return cls(utc, utc)

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
