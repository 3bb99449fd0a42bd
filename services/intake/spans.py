"""Read a time as a source says it: an instant, a wall clock's time or a date."""

import re
from datetime import MAXYEAR, MINYEAR, datetime
from zoneinfo import ZoneInfo

from schemas.errors import TakedownError
from services.core.time_spans import TimeSpan, day_of, on_wall_clock, width_of

_WALL_CLOCK = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d)(?:(:\d\d)(?:\.\d{1,6})?)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_HOURS = 14


class NoTime(TakedownError):
    """A text that says no time; the message says why, and never what stood there."""


def wall_clock(text: str, zone: ZoneInfo) -> TimeSpan:
    """Read `2026-10-25 02:30:00` as a clock on the wall of a zone shows it; raises `NoTime`.

    In the hour that comes twice in autumn it means two instants; without seconds it means a minute.
    """
    match = _WALL_CLOCK.fullmatch(text)
    if match is None:
        raise NoTime("a time in another form than 2026-01-31 12:00:00")
    local = _datetime(f"{match[1]} {match[2]}{match[3] or ':00'}")
    span = on_wall_clock(local, zone, width_of(text))
    if span is None:
        raise NoTime("a wall-clock time that never was")
    return span


def day(text: str, zone: ZoneInfo) -> TimeSpan:
    """Read a date as the span from one midnight to the next; raises `NoTime`."""
    if _DATE.fullmatch(text) is None:
        raise NoTime("a date in another form than 2026-01-31")
    return day_of(_datetime(text).date(), zone)


def said_time(text: str, zone: ZoneInfo | None) -> TimeSpan:
    """Read an instant with its offset, or else a wall clock's time or a date in a zone; raises `NoTime`."""
    text = text.strip()
    wall, date_only = _WALL_CLOCK.fullmatch(text), _DATE.fullmatch(text)
    if wall is None and date_only is None:
        return instant(text)
    if zone is None:
        raise NoTime("a time without its offset from UTC, and no zone was given")
    return wall_clock(text, zone) if wall else day(text, zone)


def instant(text: str) -> TimeSpan:
    """Read an RFC 3339 instant, or without its seconds the minute; raises `NoTime`."""
    try:
        moment = datetime.fromisoformat(text.upper())
        if len(text) <= _HOURS or moment.tzinfo is None:
            raise ValueError
        return TimeSpan.at(moment, width_of(text))
    except (ValueError, OverflowError):
        raise NoTime("no instant such as 2026-01-31T12:00:00Z") from None


def _datetime(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NoTime("a time that is in no calendar") from None
    # Midnight of the next day, in any zone, must be a date too.
    if not MINYEAR < moment.year < MAXYEAR:
        raise NoTime("a time that is in no calendar")
    return moment
