"""The methodology's calendar: elapsed and working time, over weekends, holidays and changes of the clocks."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.event_words import LATEST
from schemas.methodology import Business, Methodology, shipped
from services.core.calendar import BusinessTime, Calendar, Elapsed, calendar_of
from services.core.fold import fold
from services.core.machines import Clock
from tests.strategies import BUSINESS, START, event, look
from tests.unit.core.test_fold import notice, report

AMSTERDAM = "Europe/Amsterdam"
OFFICE = BusinessTime(Business(holidays=(date(2026, 4, 6),)), AMSTERDAM)
NIGHT = BusinessTime(Business(days=("sun",), opens="00:00", closes="06:00"), AMSTERDAM)
WHOLE_DAYS = BusinessTime(Business(opens="00:00", closes="24:00"), AMSTERDAM)
HOUR = timedelta(hours=1)

calendars = st.sampled_from([Elapsed(), OFFICE, NIGHT, WHOLE_DAYS])
instants = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)).map(  # noqa: DTZ001
    lambda naive: naive.replace(tzinfo=UTC)
)
spans = st.integers(0, 60 * 24 * 20).map(lambda minutes: timedelta(minutes=minutes))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_a_friday_afternoon_runs_on_on_monday() -> None:
    """What is left of the norm on Friday at five is counted from Monday at nine."""
    assert OFFICE.add(at("2026-01-09T16:00+01:00"), 2 * HOUR) == at("2026-01-12T10:00+01:00")


def test_a_holiday_does_not_count() -> None:
    """Easter Monday 2026 is skipped, and the clocks that changed a week before shift nothing."""
    assert OFFICE.add(at("2026-04-03T16:30+02:00"), HOUR) == at("2026-04-07T09:30+02:00")


def test_a_notice_at_night_starts_in_the_morning() -> None:
    """Time outside working hours counts for nothing."""
    assert OFFICE.between(at("2026-01-06T20:00+01:00"), at("2026-01-07T10:00+01:00")) == HOUR


def test_a_span_ends_at_closing_and_not_at_the_next_opening() -> None:
    """A norm that runs out exactly at five is over at five, not at nine the next day."""
    assert OFFICE.add(at("2026-01-06T16:00+01:00"), HOUR) == at("2026-01-06T17:00+01:00")


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 5), ("2026-10-25", 7), ("2026-05-03", 6)]
)
def test_a_change_of_the_clocks_changes_the_length_of_a_day(day: str, hours: int) -> None:
    """Between midnight and six there are five hours in spring, seven in autumn, six else."""
    noon = at(f"{day}T12:00+01:00")
    assert NIGHT.between(noon - 13 * HOUR, noon) == hours * HOUR


@given(calendars, instants, spans)
def test_what_was_added_has_passed(calendar: Calendar, start: datetime, span: timedelta) -> None:
    """Between an instant and the instant a span later lies exactly that span, and never less before it."""
    end = calendar.add(start, span)
    assert calendar.between(start, end) == span
    if span:
        assert calendar.between(start, end - timedelta(seconds=1)) < span


@given(calendars, instants, instants, instants)
def test_time_adds_up(calendar: Calendar, a: datetime, b: datetime, c: datetime) -> None:
    """Time from a to c is time from a to b and from b to c, whatever their order."""
    assert calendar.between(a, b) + calendar.between(b, c) == calendar.between(a, c)


@given(calendars, instants, instants, spans)
def test_a_later_start_ends_no_earlier(
    calendar: Calendar, a: datetime, b: datetime, span: timedelta
) -> None:
    """Deadlines keep the order of the clocks that they belong to."""
    first, second = sorted((a, b))
    assert calendar.add(first, span) <= calendar.add(second, span)


@given(instants, instants)
def test_working_time_is_never_longer(a: datetime, b: datetime) -> None:
    """No more working time passes than time."""
    first, second = sorted((a, b))
    assert timedelta() <= OFFICE.between(first, second) <= second - first


def test_a_deadline_is_in_working_time() -> None:
    """Under a business calendar the clock of a Thursday evening's notice runs out on the next working days."""
    case, _ = fold([report(), notice(9)], BUSINESS)
    spell = case.spell
    # START is Thursday, 1 January, a holiday; the norm is eight working hours.
    assert spell.clock_started_at == START + 9 * HOUR
    assert spell.deadline == at("2026-01-02T17:00+01:00")


def test_a_look_at_the_weekend_is_no_breach() -> None:
    """Seen on Saturday with working time left on Monday: still running."""
    friday = at("2026-01-02T15:00+01:00")
    sent = event(friday, notice(0).data)
    seen = [look(friday + HOUR, "online", provider="giant"), look(friday + 24 * HOUR, "online")]
    case, _ = fold([report(), sent, *seen], BUSINESS)
    assert case.spell.clock is Clock.RUNNING
    assert case.spell.deadline == at("2026-01-05T15:00+01:00")


def test_a_hold_moves_the_deadline_by_working_time() -> None:
    """A hold over a weekend moves the deadline by the working hours that it took, not by the weekend."""
    from schemas import events as ev  # noqa: PLC0415

    friday = at("2026-01-02T15:00+01:00")
    events = [
        report(),
        event(friday, notice(0).data),
        event(friday + HOUR, ev.HoldPlaced(actor="p", reason="r", expires_at=friday + 96 * HOUR)),
        event(at("2026-01-05T11:00+01:00"), ev.HoldLifted(actor="p")),
    ]
    case, _ = fold(events, BUSINESS)
    # An hour on Friday, two on Monday: three on top of Monday at three.
    assert case.spell.deadline == at("2026-01-06T10:00+01:00")


@pytest.mark.parametrize("method", [BUSINESS, shipped()["nl-24h"]], ids=["working", "elapsed"])
def test_a_hold_for_good_is_a_hold(method: Methodology) -> None:
    """A hold may last to the last year of the calendar: what is owed then is owed after every event."""
    from schemas import events as ev  # noqa: PLC0415

    friday = at("2026-01-02T15:00+01:00")
    for expires_at in (at("2200-01-01T00:00Z"), at("9999-12-31T23:59:59Z")):
        hold = event(friday + HOUR, ev.HoldPlaced(actor="p", reason="r", expires_at=expires_at))
        case, _ = fold([report(), event(friday, notice(0).data), hold], method)
        assert case.spell.clock is Clock.ON_HOLD
        assert case.spell.deadline is not None
        assert LATEST < case.spell.deadline < LATEST + 30 * 24 * HOUR


def test_calendars_are_kept_by_digest() -> None:
    """One calendar serves every clock of a methodology."""
    assert calendar_of(BUSINESS) is calendar_of(BUSINESS)
