"""What a channel carries, who can't be measured by notice, and who is told next."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.errors import ConfigError
from services.notices.channel_capacity import Capacity, capacity, duration, forecast
from services.notices.escalation_ladder import Due, due, ladder
from services.notices.measurability import ChannelCount, not_measurable

DAY = timedelta(days=1)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
LADDER = ladder(["provider=0h", "site_owner=24h", "police=7d"])


def count(channel: str = "email", **fields: int) -> ChannelCount:
    return ChannelCount(provider="stubborn", channel=channel, **fields)


def test_the_article_s_form_needs_a_week() -> None:
    """At 5 an hour, 900 open cases take 7.5 days: the last is told long after the norm."""
    made = forecast(900, 5, DAY)
    assert str(made) == "at 5 an hour, 900 open cases take 7.5 days"
    assert made.beyond_norm
    assert not forecast(100, 5, DAY).beyond_norm


@pytest.mark.parametrize(
    ("hours", "text"),
    [(1, "1 hour"), (20, "20 hours"), (47.5, "47.5 hours"), (48, "2 days"), (180, "7.5 days")],
)
def test_durations_are_written_for_people(hours: float, text: str) -> None:
    """Hours up to two days, days from there on."""
    assert duration(timedelta(hours=hours)) == text


def test_a_capacity_is_read() -> None:
    """A provider, a channel and a number an hour."""
    assert capacity("stubborn/form=5") == Capacity("stubborn", "form", 5.0)


@pytest.mark.parametrize(
    "text", ["", "stubborn=5", "stubborn/form", "stubborn/form=0", "a/b=inf", "a/b=nan", "A/b=1"]
)
def test_a_capacity_that_says_nothing_is_refused(text: str) -> None:
    """No provider, no channel, no number above nothing: an error that shows the form."""
    with pytest.raises(ConfigError, match="stubborn/form=5"):
        capacity(text)


def test_not_measurable_comes_of_their_fault_alone() -> None:
    """Three failures of theirs and no arrival say so; any number of ours or of the way does not."""
    assert not_measurable([count(sent=3, theirs=3)], {}) == "undeliverable"
    assert not_measurable([count(sent=2, theirs=2)], {}) is None
    assert not_measurable([count(sent=90, ours=60, way=20, unclear=10)], {}) is None
    assert not_measurable([count(sent=92, ours=90, theirs=2)], {}) is None
    assert not_measurable([], {}) is None


def test_one_way_that_carries_is_enough() -> None:
    """Who blocks mail and takes notices by a form can be measured, unless the form is too narrow."""
    blocked, form = count(sent=9, theirs=9), count("form", sent=50, arrived=50)
    assert not_measurable([blocked, form], {}) is None
    assert not_measurable([blocked, form], {"form": forecast(10, 5, DAY)}) is None
    assert not_measurable([blocked, form], {"form": forecast(900, 5, DAY)}) == "capacity"


def test_a_narrow_form_beside_mail_that_arrives_is_no_reason() -> None:
    """Every way that carries anything has to be too narrow; one that was never tried counts by its capacity."""
    narrow = {"form": forecast(900, 5, DAY)}
    assert not_measurable([count(sent=5, arrived=5)], narrow) is None
    assert not_measurable([count(sent=5, theirs=5)], narrow) == "capacity"


def test_a_delay_is_no_failure_of_theirs() -> None:
    """Notices that are still under way leave a provider measurable."""
    assert not_measurable([count(sent=5, theirs=3, delayed=2)], {}) is None


def test_rungs_become_due_one_after_the_other() -> None:
    """Each at its time after the deadline, and only the lowest that was not taken."""

    def next_rung(hours: float, *taken: str) -> Due | None:
        return due(
            LADDER, deadline=NOON, failed_at=None, taken=taken, now=NOON + timedelta(hours=hours)
        )

    assert next_rung(-1) is None
    assert next_rung(0) == Due("provider", NOON)
    assert next_rung(30) == Due("provider", NOON)
    assert next_rung(20, "provider") is None
    assert next_rung(24, "provider") == Due("site_owner", NOON + DAY)
    assert next_rung(24, "site_owner") is None
    assert next_rung(999, "police") is None


def test_without_a_clock_the_first_failure_counts() -> None:
    """The police by-pass of a provider that takes no notice is due too; where nobody was told, nothing is."""
    taken = ("provider", "site_owner")
    rung = due(LADDER, deadline=None, failed_at=NOON, taken=taken, now=NOON + 7 * DAY)
    assert rung == Due("police", NOON + 7 * DAY)
    assert due(LADDER, deadline=None, failed_at=None, taken=(), now=NOON) is None


@pytest.mark.parametrize(
    "texts",
    [
        ["police=1d", "provider=2d"],
        ["provider=1d", "provider=2d"],
        ["provider=2d", "police=1d"],
        ["mayor=1d"],
        ["police=soon"],
    ],
)
def test_a_ladder_goes_up(texts: list[str]) -> None:
    """Rungs in their order, each once, times never falling."""
    with pytest.raises(ConfigError):
        ladder(texts)
