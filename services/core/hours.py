"""Figures by weekday and hour of the clock's start, Sunday to Saturday, in the methodology's time zone.

Notices that leave at night and at weekends meet fewer people (domain rule P15).
"""

from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


@lru_cache(maxsize=8)
def _zone(name: str) -> tzinfo:
    # What is stored in UTC needs no conversion to UTC itself.
    return UTC if name == "UTC" else ZoneInfo(name)


def local_time(at: datetime, time_zone: str) -> datetime:
    """Give an instant as the clocks of a zone show it."""
    zone = _zone(time_zone)
    return at if at.tzinfo is zone else at.astimezone(zone)


def hour_of_week(local: datetime) -> tuple[int, int]:
    """Give (weekday, hour) of a local time: weekday 0 is Sunday."""
    return local.isoweekday() % 7, local.hour


def month_number(local: datetime) -> int:
    """Number the month of a local time, from January of the year 0 on."""
    return local.year * 12 + local.month - 1


def month_name(number: int) -> str:
    """Name a month by its number, as `2026-03`."""
    return f"{number // 12:04}-{number % 12 + 1:02}"
