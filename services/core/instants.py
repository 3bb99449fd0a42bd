"""Instants as whole microseconds since 1970: what ticks are counted in, and what a million cases are kept in."""

from datetime import UTC, datetime, timedelta, tzinfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """Write an instant as whole microseconds since 1970."""
    return (moment - EPOCH) // _MICROSECOND


def moment(stamp: int) -> datetime:
    """Read an instant back."""
    return EPOCH + timedelta(microseconds=stamp)


def span(seconds: float) -> int:
    """Write a duration in seconds as whole microseconds."""
    return round(seconds * 1_000_000)


def local(at: datetime, zone: tzinfo) -> datetime:
    """Give an instant as the clocks of a zone show it; in UTC where it is beyond the calendar there."""
    try:
        return at.astimezone(zone)
    except OverflowError:
        return at.astimezone(UTC)
