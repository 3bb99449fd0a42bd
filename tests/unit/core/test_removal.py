"""The removal time agrees with the clock, whatever the history and the definition."""

from datetime import timedelta

import msgspec
from hypothesis import given

from schemas import events as ev
from schemas.events import Event
from schemas.methodology import Methodology
from services.core.bounds import exclusion, standing
from services.core.fold import fold
from services.core.incidence import ending_of, state_at
from services.core.machines import Clock
from services.core.removal import lasting_removal, removal_time, resolution
from services.reports.standings import Judge
from tests.strategies import START, event, histories, methodologies
from tests.unit.core.test_fold import NL, gone, notice, online, report

HOUR = timedelta(hours=1)


@given(histories, methodologies)
def test_the_removal_time_agrees_with_the_clock(
    events: list[Event], methodology: Methodology
) -> None:
    """Within means an end at or before the norm; a certain breach means a begin at or after it."""
    case, _ = fold(events, methodology)
    norm = methodology.norm_for(case.category)
    for spell in case.spells:
        found = removal_time(spell, methodology, norm)
        if found is None or exclusion(case, spell) is not None:
            continue
        left, right = found
        assert left >= 0
        assert right is None or left <= right
        if spell.clock is Clock.WITHIN and lasting_removal(spell, methodology) is not None:
            assert right is not None
            assert right <= norm.total_seconds()
        if spell.clock is Clock.BREACHED and lasting_removal(spell, methodology) is None:
            assert left >= norm.total_seconds()


@given(histories, methodologies)
def test_incidence_agrees_with_the_counts(events: list[Event], methodology: Methodology) -> None:
    """What is within the norm may have been removed by then, and a certain breach may be there still."""
    case, _ = fold(events, methodology)
    for spell in case.spells:
        norm = methodology.norm_for(case.category)
        interval = removal_time(spell, methodology, norm)
        stands = standing(case, spell, methodology, START + 5000 * HOUR)
        if interval is None or spell.held_at is not None:
            continue
        ending = ending_of(spell, methodology, norm, interval)
        _, possible = state_at(ending, methodology.norm_for(case.category).total_seconds())
        if stands == "within":
            assert "removed" in possible
        elif stands == "certain_breaches":
            assert "still_there" in possible


def told(*history: Event) -> tuple[float, float | None] | None:
    spell = fold(history, NL)[0].spell
    found = removal_time(spell, NL, 24 * HOUR)
    return None if found is None else (found[0] / 3600, found[1] and round(found[1] / 3600, 2))


def test_the_interval_runs_from_the_clock_start() -> None:
    """Last seen four hours after the notice, first gone five hours after it."""
    assert told(report(), notice(1), online(2), online(5), *gone(6)) == (4, 5)


def test_still_online_is_open_to_the_right() -> None:
    """What was not seen to go has no right end."""
    assert told(report(), notice(1), online(2), online(5)) == (4, None)


def test_a_removal_that_did_not_last_is_none() -> None:
    """Back before the deadline: the second removal is the one that counts."""
    assert told(report(), notice(1), online(2), *gone(3), online(8), *gone(10, further=6)) == (7, 9)


def test_a_return_after_the_deadline_leaves_the_first_removal() -> None:
    """Back after the deadline: removed in time, and returned."""
    assert told(report(), notice(1), online(2), *gone(3), online(40)) == (1, 2)


def test_what_was_gone_before_the_notice_was_never_at_risk() -> None:
    """It has no removal time under this clock."""
    assert told(report(), online(0.5), *gone(1), notice(4)) is None


def test_time_on_hold_does_not_count() -> None:
    """Ten hours on hold are taken off, during the hold the clock stands still."""
    hold = event(
        START + 3 * HOUR, ev.HoldPlaced(actor="p", reason="r", expires_at=START + 99 * HOUR)
    )
    lift = event(START + 13 * HOUR, ev.HoldLifted(actor="p"))
    assert told(report(), notice(1), hold, online(5), lift, online(16), *gone(17)) == (5, 6)
    assert told(report(), notice(1), hold, lift, online(10)) == (2, None)


def test_a_hold_is_an_ending_once_the_norm_is_over() -> None:
    """As an ending of its own a hold counts from the norm's end on, whatever it does to the deadline."""
    expires = START + 99 * HOUR
    hold = event(START + 3 * HOUR, ev.HoldPlaced(actor="p", reason="r", expires_at=expires))
    case, _ = fold((report(), notice(1), hold, online(5)), NL)
    (spell,) = case.spells
    assert spell.clock is Clock.ON_HOLD
    lift = event(START + 50 * HOUR, ev.HoldLifted(actor="p"))
    lifted, _ = fold((report(), notice(1), hold, online(5), lift), NL)
    for told in (case, lifted):
        for hours, counted in ((24.9, False), (25, True), (60, True), (121, True)):
            judged = Judge(NL, START + hours * HOUR).judge(told, told.spell)
            assert (judged.kind.certain == "held") is counted
    assert standing(lifted, lifted.spell, NL, START + 60 * HOUR) == "younger_than_norm"


def test_what_was_gone_before_counts_as_in_time_where_it_counts() -> None:
    """A definition that does not exclude it has it within the norm, in no time, and removed."""
    counting = msgspec.structs.replace(NL, exclude=())
    case, _ = fold((report(), online(0.5), *gone(1), notice(4)), counting)
    judged = Judge(counting, START + 100 * HOUR).judge(case, case.spell)
    assert judged.standing == "within"
    assert judged.interval == (0, 60)
    assert judged.kind.certain == "removed"
    late, _ = fold((report(), notice(1), *gone(40)), counting)
    assert standing(late, late.spell, counting, START + 100 * HOUR) == "undecided"


def test_the_resolution_is_a_minute_for_a_day() -> None:
    """Shorter norms are told more finely."""
    assert resolution(NL) == 60
