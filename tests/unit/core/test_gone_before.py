"""Never seen online is not gone before the notice: which bound there is, and what a later sighting takes back."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from schemas.events import Event
from services.core.bounds import standing
from services.core.case import Case
from services.core.fold import fold
from services.core.machines import Clock, Presence
from services.core.removal import removal_time
from tests.strategies import look
from tests.unit.core.test_fold import NL, at, gone, notice, online, report, stands

HOUR = timedelta(hours=1)


def folded(*events: Event) -> Case:
    return fold([report(), notice(1), *events], NL)[0]


def refused(hours: float) -> Event:
    return look(at(hours), "undetermined", reason="blocked_forbidden")


@pytest.mark.parametrize(
    ("first_look", "expected"),
    [
        (0.5, "excluded:gone_before_notice"),
        (1.2, "excluded:gone_before_notice"),
        (1.3, "within"),
        (24.9, "within"),
        (25.1, "undecided"),
    ],
)
def test_only_what_is_gone_at_once_leaves_n(first_look: float, expected: str) -> None:
    """Up to 15 minutes after the clock's start it is gone before; later it is within, or neither."""
    assert stands(folded(*gone(first_look))) == expected


def test_the_methodology_names_the_bound() -> None:
    """Under a definition of two hours, what is gone an hour after the notice was gone before it."""
    wide = replace(NL, gone_before_notice_within="2h")
    case, _ = fold([report(), notice(1), *gone(2)], wide)
    assert standing(case, case.spell, wide, at(48)) == "excluded:gone_before_notice"
    assert wide.digest != NL.digest


def test_three_days_of_a_block_and_then_a_404_stay_undecided() -> None:
    """A host that keeps us out can't buy itself out of n."""
    case = folded(*(refused(hours) for hours in range(2, 72)), *gone(72))
    assert (case.spell.clock, stands(case, 100)) == (Clock.UNDECIDED, "undecided")


def test_a_prober_that_was_away_leaves_it_undecided() -> None:
    """A first look two days after the notice says nothing about the deadline."""
    assert stands(folded(*gone(49)), 100) == "undecided"


def test_what_was_seen_before_the_notice_is_within() -> None:
    """Seen online before the clock started and gone right after it: the provider was in time."""
    case = fold([report(), online(0.9), notice(1), *gone(1.1)], NL)[0]
    assert (case.spell.clock, stands(case)) == (Clock.WITHIN, "within")


def test_a_gate_at_the_first_looks_does_not_move_the_clock() -> None:
    """Gone at the first looks, served afterwards: the clock has run since the notice, and breaches at its deadline."""
    case = folded(*gone(1.1), online(3))
    assert (case.spell.clock, case.spell.gone_before_notice) == (Clock.RUNNING, False)
    assert (case.spell.clock_started_at, case.spell.deadline) == (at(1), at(25))
    late = folded(*gone(1.1), online(3), online(25))
    assert (late.spell.clock, late.spell.breached_at) == (Clock.BREACHED, at(25))


@pytest.mark.parametrize("first_look", [1.1, 5])
def test_a_gate_that_stood_until_the_deadline_leaves_it_undecided(first_look: float) -> None:
    """Gone at every look until the deadline, never seen before, and there after all: neither can be said, and in n."""
    case = folded(*gone(first_look), online(26), online(30))
    assert (case.spell.clock, case.spell.clock_started_at) == (Clock.UNDECIDED, at(1))
    assert case.spell.presence is Presence.RETURNED
    assert stands(case) == "undecided"
    assert removal_time(case.spell, NL, 24 * HOUR) == (0.0, None)


@pytest.mark.parametrize("rule", ["reopens", "ignored"])
def test_absence_alone_is_taken_back_under_every_definition(rule: str) -> None:
    """A removal of what nobody had seen counts no more once it is seen, whatever a return is to the methodology."""
    method = replace(NL, return_before_deadline=rule)
    case = fold([report(), notice(1), *gone(5), online(10)], method)[0]
    assert case.spell.clock is Clock.RUNNING
    assert removal_time(case.spell, method, 24 * HOUR) == (9 * 3600, None)


def test_a_proven_removal_before_the_notice_stands() -> None:
    """Seen online, then gone before the notice: back after the deadline it returned; before it, the clock runs."""
    before = [report(), online(0.1), *gone(0.2), notice(4)]
    late, early = (fold([*before, online(hours)], NL)[0] for hours in (40, 10))
    assert (late.spell.clock, late.spell.returned_at) == (Clock.STOPPED, [at(40)])
    assert stands(late) == "excluded:gone_before_notice"
    assert (early.spell.clock, early.spell.clock_started_at) == (Clock.RUNNING, at(4))


# -- what the reporter saw -------------------------------------------------------------------------


def seen(hours: float, *events: Event, rule: str = "counts") -> Case:
    """Fold a report at 0.5 h whose analyst saw the URL at an hour, with a notice at 1 h."""
    method = replace(NL, reported_sighting=rule)
    filed = report(0.5, seen_online_at=at(hours))
    return fold([filed, notice(1), *events], method)[0]


def test_what_the_analyst_saw_is_a_sighting() -> None:
    """L is then the analyst's instant, so that a removal after the notice is within and not gone before."""
    case = seen(0.25, *gone(1.1))
    assert (case.spell.removals[0].lower, stands(case)) == (at(0.25), "within")
    assert case.known_online
    assert case.spell.first_online_at is None


def test_whether_a_report_is_a_sighting_is_the_methodologys_to_say() -> None:
    """Under a definition that passes over what reporters saw, the same evidence is gone before the notice."""
    case = seen(0.25, *gone(1.1), rule="ignored")
    assert (case.spell.removals[0].lower, case.known_online) == (None, False)
    assert stands(case) == "excluded:gone_before_notice"


def test_a_sighting_before_lets_a_soft_404_count() -> None:
    """What only a comparison says needs a sighting by somebody; the analyst's is one, and nobody's is none."""
    soft = [look(at(5 + n), "removed", reason="soft_404_control") for n in (0, 0.25, 0.75)]
    assert seen(0.25, *soft).spell.presence is Presence.REMOVED
    unseen = folded(*soft).spell
    assert (unseen.presence, unseen.undetermined) == (Presence.UNSEEN, 3)


def test_a_later_report_moves_the_last_sighting() -> None:
    """A second analyst saw it later; a look that saw it later still counts more."""
    again = report(8, seen_online_at=at(7))
    assert seen(0.25, again, *gone(10)).spell.removals[0].lower == at(7)
    assert seen(0.25, again, online(9), *gone(10)).spell.removals[0].lower == at(9)


def test_a_report_breaches_nobody() -> None:
    """Seen online by an analyst after the deadline: a look decides, not a report (law 4)."""
    case = seen(0.25, report(30, seen_online_at=at(29)))
    assert (case.spell.clock, case.spell.last_seen_at) == (Clock.RUNNING, at(0.25))
    assert stands(case) == "undecided"


def test_a_report_ends_no_run() -> None:
    """What a report says of the time after the first look that saw it gone calls for a look, and decides nothing."""
    looks = gone(5)
    case = seen(0.25, *looks[:2], report(5.5, seen_online_at=at(5.4)), looks[2])
    assert case.spell.presence is Presence.REMOVED
    assert case.spell.removals[0].lower == at(0.25)
