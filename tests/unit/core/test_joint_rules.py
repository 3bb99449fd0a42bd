"""The rules that couple the machines: they come to a fixed point, and never ask for a move that no table knows."""

from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.case import Removal, Spell
from services.core.machines import (
    CLOCK,
    Clock,
    Departure,
    News,
    Presence,
    Trigger,
    advance,
    conclude,
)
from tests.strategies import minutes

removals = st.builds(
    lambda lower, upper: Removal(lower=lower, upper=upper, layer=None, reason="test"),
    st.none() | minutes,
    minutes,
)
brings = st.one_of(
    st.just({}),
    st.just({"started": True}),
    minutes.map(lambda at: {"seen_at": at}),
    removals.map(lambda removed: {"removed": removed}),
    minutes.map(lambda at: {"left": Departure(at, "moved")}),
)
news = st.builds(
    lambda held, reopens, brought: News(
        held=held, reopens=reopens, within=timedelta(minutes=15), **brought
    ),
    st.booleans(),
    st.booleans(),
    brings,
)
spells = st.builds(
    lambda presence, clock, start, owed, gone: Spell(
        number=1,
        opened_at=start,
        presence=presence,
        clock=clock,
        clock_started_at=min(start, owed),
        deadline=max(start, owed),
        gone_before_notice=bool(gone),
        removals=gone,
    ),
    st.sampled_from(Presence),
    st.sampled_from(Clock),
    minutes,
    minutes,
    st.lists(removals, max_size=2),
)


@given(spells, news)
def test_the_rules_come_to_a_fixed_point(spell: Spell, brought: News) -> None:
    """Applied one after the other, they end after few moves, each of which the clock's table knows."""
    for _ in range(4):
        conclusion = conclude(spell, brought)
        if conclusion is None:
            return
        spell.clock = advance(CLOCK, spell.clock, conclusion.trigger)
    assert conclude(spell, brought) is None


@pytest.mark.parametrize(("presence", "clock"), list(product(Presence, Clock)))
def test_without_news_only_a_hold_moves_the_clock(presence: Presence, clock: Clock) -> None:
    """No timers (law 6): where an event brings nothing, no rule concludes anything but from a hold."""
    spell = Spell(number=1, opened_at=None, presence=presence, clock=clock)  # type: ignore[arg-type]
    without, with_hold = (
        conclude(spell, News(held=held, reopens=True, within=timedelta())) for held in (False, True)
    )
    assert without is None or without.trigger is Trigger.RELEASE
    assert with_hold is None or with_hold.trigger is Trigger.HOLD
