"""Times as sources write them: instants where they say one, spans where they do not."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.spans import NoTime, day, said_time, wall_clock

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
FIRST = datetime(1995, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_wall_clock_is_an_instant() -> None:
    """Summer and winter time are told apart by the date."""
    assert wall_clock("2026-07-01 12:00:00", AMSTERDAM) == (utc("2026-07-01T10:00"),) * 2
    assert wall_clock("2026-01-01 12:00:00", AMSTERDAM) == (utc("2026-01-01T11:00"),) * 2


def test_the_hour_that_comes_twice_is_a_span() -> None:
    """In autumn half past two means two instants, an hour apart."""
    span = wall_clock("2026-10-25 02:30:00", AMSTERDAM)
    assert span == (utc("2026-10-25T00:30"), utc("2026-10-25T01:30"))


def test_a_time_without_seconds_is_a_minute() -> None:
    """A form that a person filled in says no more, with an offset or without."""
    minute = utc("2026-07-01T10:04"), utc("2026-07-01T10:05")
    assert said_time("2026-07-01 12:04", AMSTERDAM) == minute
    assert said_time("2026-07-01T12:04+02:00", None) == minute


@pytest.mark.parametrize(
    "text",
    ["2026-03-29 02:30:00", "28-11-2026 10:00", "2026-02-30 10:00:00", "0001-01-01 00:00:00", ""],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """The hour that is left out in spring, another form, a day that is in no calendar."""
    with pytest.raises(NoTime):
        wall_clock(text, AMSTERDAM)


def test_a_date_is_a_span_of_its_day() -> None:
    """It has 24 hours, 23 where the clock goes forward, 25 where it goes back."""
    for text, hours in (("2026-06-01", 24), ("2026-03-29", 23), ("2026-10-25", 25)):
        first, last = day(text, AMSTERDAM)
        assert last - first == timedelta(hours=hours)


def test_an_offset_outweighs_the_zone() -> None:
    """A time with an offset is an instant; without one it is read in the zone, which must be given."""
    assert said_time("2026-06-01T12:00:00+05:00", AMSTERDAM).latest == utc("2026-06-01T07:00")
    assert said_time("2026-06-01T12:00:00", AMSTERDAM).latest == utc("2026-06-01T10:00")
    assert said_time("2026-06-01", AMSTERDAM).earliest == utc("2026-05-31T22:00")
    with pytest.raises(NoTime, match="no zone was given"):
        said_time("2026-06-01T12:00:00", None)


@given(st.integers(0, 65 * 365 * 86_400).map(lambda seconds: FIRST + timedelta(seconds=seconds)))
def test_every_instant_of_a_span_shows_the_wall_clock(local: datetime) -> None:
    """What a span means, the clock on the wall shows; what it does not mean, it never shows."""
    try:
        span = wall_clock(f"{local:%Y-%m-%d %H:%M:%S}", AMSTERDAM)
    except NoTime:
        probes = [local.replace(tzinfo=UTC) - timedelta(hours=hours) for hours in (0, 1, 2)]
        assert all(at.astimezone(AMSTERDAM).replace(tzinfo=None) != local for at in probes)
    else:
        assert {at.astimezone(AMSTERDAM).replace(tzinfo=None) for at in span} == {local}
