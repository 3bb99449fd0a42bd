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


def hour_of_week(at: datetime, time_zone: str) -> tuple[int, int]:
    """Give (weekday, hour): weekday 0 is Sunday."""
    local = at.astimezone(_zone(time_zone))
    return local.isoweekday() % 7, local.hour


def month_of(at: datetime, time_zone: str) -> str:
    """Give the month of an instant, as `2026-03`."""
    local = at.astimezone(_zone(time_zone))
    return f"{local.year:04}-{local.month:02}"
