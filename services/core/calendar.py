"""The methodology's calendar: when a norm has run out, and how much of it has passed between two instants.

Elapsed time counts always. Business time counts within the working hours of working days in a named time zone.
A change of the clocks is no special case: a day's opening and closing are local times read as instants, so a
working day that loses an hour is an hour shorter.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from typing import Protocol
from zoneinfo import ZoneInfo

from schemas.methodology import DAYS, Business, Methodology

_DAY = timedelta(days=1)
_NOTHING = timedelta()


class Calendar(Protocol):
    """Time as a methodology counts it."""

    def add(self, at: datetime, span: timedelta) -> datetime:
        """Give the first instant at which `span` has passed since `at`."""

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Count the time from `start` to `end`; negative where `end` comes first."""


class Elapsed:
    """Every second counts."""

    __slots__ = ()

    def add(self, at: datetime, span: timedelta) -> datetime:
        """Give the instant `span` after `at`."""
        return at + span

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Count the time from `start` to `end`."""
        return end - start


class BusinessTime:
    """Only working hours count."""

    __slots__ = ("_closes", "_days", "_holidays", "_opens", "_windows", "_zone")

    def __init__(self, business: Business, time_zone: str) -> None:
        self._zone = ZoneInfo(time_zone)
        self._days = frozenset(DAYS.index(day) for day in business.days)
        self._holidays = frozenset(business.holidays)
        self._opens = _offset(business.opens)
        self._closes = _offset(business.closes)
        self._windows: dict[date, tuple[datetime, datetime] | None] = {}

    def add(self, at: datetime, span: timedelta) -> datetime:
        """Give the first instant at which `span` of working time has passed since `at`."""
        if span <= _NOTHING:
            return at
        left = span
        for opens, closes in self._from(at):
            start = max(at, opens)
            if left <= closes - start:
                return start + left
            left -= max(closes - start, _NOTHING)
        raise AssertionError("working days never end")

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Count the working time from `start` to `end`; negative where `end` comes first."""
        if end < start:
            return -self.between(end, start)
        total = _NOTHING
        for opens, closes in self._from(start):
            if opens >= end:
                break
            total += max(min(closes, end) - max(opens, start), _NOTHING)
        return total

    def _from(self, at: datetime) -> Iterator[tuple[datetime, datetime]]:
        day = at.astimezone(self._zone).date()
        while True:
            window = self._window(day)
            if window is not None:
                yield window
            day += _DAY

    def _window(self, day: date) -> tuple[datetime, datetime] | None:
        if day not in self._windows:
            self._windows[day] = self._compute(day)
        return self._windows[day]

    def _compute(self, day: date) -> tuple[datetime, datetime] | None:
        if day.weekday() not in self._days or day in self._holidays:
            return None
        midnight = datetime.combine(day, time_of_day(), self._zone)
        # Adding to an aware local time moves the hands, not the instant: 24:00 is the next midnight.
        opens = (midnight + self._opens).astimezone(UTC)
        closes = (midnight + self._closes).astimezone(UTC)
        return (opens, closes) if opens < closes else None


def _offset(clock: str) -> timedelta:
    hours, minutes = clock.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


_ELAPSED = Elapsed()
_calendars: dict[str, Calendar] = {}


def calendar_of(methodology: Methodology) -> Calendar:
    """Prepare a methodology's calendar; kept by digest, because every clock that starts asks for it."""
    if methodology.business is None:
        return _ELAPSED
    calendar = _calendars.get(methodology.digest)
    if calendar is None:
        calendar = BusinessTime(methodology.business, methodology.time_zone)
        _calendars[methodology.digest] = calendar
    return calendar
