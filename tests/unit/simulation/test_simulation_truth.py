"""The check: an honest ledger passes, and every kind of planted lie is found."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs

from schemas.methodology import parse
from services.simulation.builder import build
from services.simulation.facts import SpellTruth, Stay
from services.simulation.scenarios import Story, demo, gauntlet
from services.simulation.truth import Measured, Truth, check, measured
from tests.unit.simulation.play import watched
from tests.unit.simulation.test_simulation_world import KEYS, START

T0 = datetime(2026, 1, 1, tzinfo=UTC)
CASE = "a" * 32
SETTLE = timedelta(seconds=13)
GAUNTLET = Path(__file__).parents[2] / "acceptance" / "gauntlet-2v.toml"
TWO_VANTAGES = parse(GAUNTLET.read_text("utf-8"), GAUNTLET.name)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def told(*stays: tuple[float, float | None], **changes) -> Truth:
    """Make the truth of one case at provider p with the clock from 2 to 50."""
    made = tuple(Stay(at(s), None if u is None else at(u)) for s, u in stays)
    fields = {
        "provider": "p",
        "stays": made,
        "removals": tuple(stay.until for stay in made if stay.until),
        "moved_at": None,
        "clock_started_at": at(2),
        "deadline": at(50),
    }
    spell = SpellTruth(**(fields | changes))
    return Truth(
        index=0, case_id=CASE, story="x", reported_at=at(1), retracted_at=None, spells=(spell,)
    )


def found(**changes) -> Measured:
    """Make what a ledger says of the case that went at 20."""
    fields = {
        "case_id": CASE,
        "number": 1,
        "provider": "p",
        "clock": "WITHIN",
        "clock_started_at": at(2),
        "deadline": at(50),
        "removals": ((at(19), at(21)),),
    }
    return Measured(**(fields | changes))


def kinds(truth: Truth, *spells: Measured, until: float = 94) -> list[str]:
    outcome = check([truth], spells, until=at(until), settle=SETTLE)
    assert outcome.ok == (not outcome.failures)
    return [failure.kind for failure in outcome.failures]


GONE_AT_20 = told((-9, 20))


def test_true_interval_passes():
    """A removal inside its interval, within the norm: nothing to say."""
    assert kinds(GONE_AT_20, found()) == []


@pytest.mark.parametrize(("lower", "upper"), [(20, 21), (15, 19.9), (20.5, 22)])
def test_wrong_interval_is_found(lower, upper):
    """T must lie in (L, R]: an interval that misses it is a failure, also where L equals T."""
    failures = kinds(GONE_AT_20, found(removals=((at(lower), at(upper)),)))
    assert set(failures) & {"wrong_interval", "false_removal"}
    assert "missed_removal" in failures


def test_upper_end_belongs_to_the_interval():
    """R itself may be the instant of the removal."""
    assert kinds(GONE_AT_20, found(removals=((at(19), at(20)),))) == []


def test_planted_false_removal_is_found():
    """A removal of what is still there is false."""
    assert "false_removal" in kinds(told((-9, None)), found(clock="WITHIN"))


def test_planted_false_within_is_found():
    """WITHIN needs a true removal before the deadline."""
    late = told((-9, 60))
    assert "false_within" in kinds(late, found(removals=((at(59), at(61)),)))


def test_planted_false_breach_is_found():
    """A breach of what was gone before the deadline is false."""
    assert "false_breach" in kinds(GONE_AT_20, found(clock="BREACHED", breached_at=at(50.5)))


def test_true_breach_passes():
    """Served after the deadline, seen then: a certain breach."""
    late = told((-9, 60))
    spell = found(clock="BREACHED", breached_at=at(51), removals=((at(59), at(61)),))
    assert kinds(late, spell) == []


def test_breach_seen_before_the_material_was_back_is_false():
    """A breach may rest only on what was there when it was seen, not on a later return."""
    away = told((-9, 20), (80, None))
    spell = found(clock="BREACHED", breached_at=at(55))
    assert "false_breach" in kinds(away, spell)


def test_missed_removal_is_found_only_where_there_was_time():
    """A removal is asked for only if the watch went on for long enough to confirm it."""
    online = found(clock="RUNNING", removals=())
    assert kinds(GONE_AT_20, online, until=20 + 12) == []
    assert kinds(GONE_AT_20, online, until=20 + 13) == ["missed_removal"]


def test_removal_shorter_than_a_confirmation_is_not_asked_for():
    """What was away for less than it takes to confirm can't be found."""
    blink = told((-9, 20), (25, None))
    spell = found(clock="BREACHED", breached_at=at(51), removals=())
    assert kinds(blink, spell) == []


def test_second_removal_is_asked_for_only_after_a_seen_return():
    """A return that no look met hides the removal after it; it is counted, not blamed."""
    twice = told((-9, 10), (25, 40))
    once = found(removals=((at(9), at(11)),))
    outcome = check([twice], [once], until=at(94), settle=SETTLE)
    assert (outcome.ok, outcome.missed_returns, outcome.expected_removals) == (True, 1, 1)
    assert kinds(twice, replace(once, returned_at=(at(27),))) == ["missed_removal"]


def test_false_return_is_found():
    """A return of what stayed away is false; a sighting may be as much older as a look takes."""
    spell = found(returned_at=(at(40),))
    assert kinds(GONE_AT_20, spell) == ["false_return"]
    assert kinds(told((-9, 20), (41, None)), spell) == []


def test_removal_never_seen_before_has_no_lower_end():
    """Gone before the first look: the interval reaches back without end, and it stands outside n."""
    spell = found(clock="STOPPED", gone_before_notice=True, removals=((None, at(21)),))
    outcome = check([GONE_AT_20], [spell], until=at(94), settle=SETTLE)
    assert (outcome.ok, outcome.unseen, outcome.total.n) == (True, 1, 0)
    assert "false_removal" in kinds(told((-9, None)), spell)


def test_clock_from_a_failed_notice_is_found():
    """A clock that runs though no notice arrived is false."""
    mute = told((-9, 20), clock_started_at=None, deadline=None)
    assert "false_clock" in kinds(mute, found())


@pytest.mark.parametrize(
    ("clock", "kind"), [(None, "clock_not_started"), (1, "clock_too_early"), (9, "clock_too_late")]
)
def test_wrong_clock_is_found(clock, kind):
    """The first spell's clock starts exactly with the first notice that arrived."""
    spell = found(clock_started_at=None if clock is None else at(clock))
    assert kind in kinds(GONE_AT_20, spell)


def test_wrong_deadline_is_found():
    """The norm and the holds make the deadline."""
    assert "wrong_deadline" in kinds(GONE_AT_20, found(deadline=at(49)))


def test_spell_missing_from_n_is_found():
    """Within + breaches + undecided = n: a spell that drops out is a failure."""
    assert "not_counted" in kinds(GONE_AT_20, found(clock="STOPPED"))


def test_spell_that_is_not_of_n_is_found():
    """What was gone before the notice may not be counted."""
    before = told((-9, 0))
    assert "counted_wrongly" in kinds(before, found(removals=((at(-1), at(1)),)))


def test_missing_and_unknown_cases_are_found():
    """Every report has its case, and every case its report."""
    assert kinds(GONE_AT_20) == ["missing_case"]
    stranger = found(case_id="b" * 32)
    assert kinds(GONE_AT_20, found(), stranger) == ["unknown_case"]


def test_what_nobody_saw_may_stand_in_n():
    """Gone before the notice, and found gone long after it: nobody can tell, so that it may count as in time."""
    gone = told((-9, 0.5))
    late = found(removals=((None, at(12)),))
    assert kinds(gone, late) == []
    assert kinds(gone, found(clock="UNDECIDED", removals=()), until=12) == []


def test_what_was_seen_does_not_stand_in_n_after_a_removal_before_the_notice():
    """With a sighting the removal has a lower end, and n a wrong case."""
    gone = told((-9, 0.5))
    assert kinds(gone, found(removals=((at(0), at(1)),))) == ["counted_wrongly"]


def two_spells() -> Truth:
    moved = told((-9, 20), removals=(), moved_at=at(20))
    new = SpellTruth(
        provider="q",
        stays=(Stay(at(20), None),),
        removals=(),
        moved_at=None,
        clock_started_at=at(28),
        deadline=at(76),
    )
    return replace(moved, spells=(*moved.spells, new))


OLD = found(clock="STOPPED", closed_reason="moved", removals=())
NEW = found(
    number=2,
    provider="q",
    clock="BREACHED",
    clock_started_at=at(28),
    deadline=at(76),
    breached_at=at(77),
    removals=(),
)


def test_move_passes():
    """The old provider's spell ends without a removal, the new one's clock starts at its notice."""
    assert kinds(two_spells(), OLD, NEW) == []


def test_missed_move_is_found():
    """One spell where there were two providers is a failure."""
    assert "missed_move" in kinds(two_spells(), OLD)


def test_move_taken_for_a_removal_is_found():
    """Whatever moved was not removed."""
    removed = found(removals=((at(19), at(21)),))
    assert "false_removal" in kinds(two_spells(), removed, NEW)


def test_wrong_provider_is_found():
    """A spell belongs to the provider that really served it."""
    assert kinds(two_spells(), OLD, replace(NEW, provider="r")) == ["wrong_provider"]


def test_false_move_is_found():
    """A second spell where nothing moved is a failure."""
    assert "false_move" in kinds(GONE_AT_20, found(), replace(NEW, provider="q"))


@pytest.fixture(scope="module", params=[1, 2])
def honest(request):
    world = build(demo(cases=150), seed=request.param, start=START, port=18080, keyring=KEYS)
    return world, [spell for case in watched(world) for spell in measured(case)]


def test_two_ideal_vantages_and_the_core_pass_the_gauntlet():
    """Walls, dark hosts and outages among them, the real core contradicts the truth nowhere and decides nearly all."""
    world = build(gauntlet(cases=150), seed=1, start=START, port=18080, keyring=KEYS)
    spells = [spell for case in watched(world, TWO_VANTAGES) for spell in measured(case)]
    outcome = check(world.truths(), spells, until=world.end, settle=world.settle)
    assert outcome.failures == ()
    assert outcome.expected_removals == outcome.found_removals > 70
    assert outcome.undecided_share <= 0.01
    gone = {truth.case_id for truth in world.truths() if truth.story == Story.GONE_DARK.value}
    assert len(gone) > 2
    assert all(len(spell.removals) == 1 for spell in spells if spell.case_id in gone)


def test_without_the_second_vantage_walls_stay_undecided():
    """The same world where nobody is called for a block: what is served behind a wall is never decided."""
    alone = structs.replace(TWO_VANTAGES.confirmation, blocked_looks=1000)
    method = structs.replace(TWO_VANTAGES, confirmation=alone)
    world = build(gauntlet(cases=150), seed=1, start=START, port=18080, keyring=KEYS)
    spells = [spell for case in watched(world, method) for spell in measured(case)]
    outcome = check(world.truths(), spells, until=world.end, settle=world.settle)
    assert outcome.failures == ()
    assert outcome.undecided_share > 0.01


def test_ideal_prober_and_the_core_pass(honest):
    """The real core, fed by ideal looks at the demo's cadence, contradicts the truth nowhere."""
    world, spells = honest
    outcome = check(world.truths(), spells, until=world.end, settle=world.settle)
    assert outcome.failures == ()
    assert outcome.expected_removals == outcome.found_removals > 100
    assert outcome.undecided_share <= 0.05
    assert all(figures.brackets_truth for figures in outcome.providers.values())


def test_one_lie_among_many_is_found(honest):
    """Shift one removal of an honest ledger by a minute: exactly that case fails."""
    world, spells = honest
    prompt = {c.case_id for c in world.cases if c.story is Story.PROMPT}
    index = next(i for i, s in enumerate(spells) if s.case_id in prompt and s.removals)
    lower, upper = spells[index].removals[0]
    minute = timedelta(minutes=1)
    lie = replace(spells[index], removals=((lower + minute, upper + minute),))
    spells = [*spells[:index], lie, *spells[index + 1 :]]
    outcome = check(world.truths(), spells, until=world.end, settle=world.settle)
    assert {failure.case_id for failure in outcome.failures} == {lie.case_id}


def test_a_measured_address_that_nobody_can_measure_is_found():
    """An address in a fragment is counted and closed: whoever says more of it looked at another page."""
    truth = replace(told((-9, None)), measurable=False)
    closed = found(clock="STOPPED", closed_reason="not_measurable", removals=())
    assert kinds(truth, closed) == []
    for lie in ({"clock": "BREACHED"}, {"closed_reason": None}, {"removals": ((None, at(21)),)}):
        assert kinds(truth, replace(closed, **lie)) == ["measured"]
