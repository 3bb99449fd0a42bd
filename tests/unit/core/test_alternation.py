"""Several nodes behind one address: where served and gone alternate, a removal needs a longer run."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.events import Event, LookMade
from schemas.methodology import Methodology
from services.core.case import Spell
from services.core.fold import fold
from services.core.machines import Presence
from services.core.watch_entry import entry_of
from tests.strategies import look
from tests.unit.core.test_fold import NL, at, gone, notice, online, report

MORE, MOST = NL.confirmation.alternation_looks, NL.confirmation.alternation_most


def spell(*events: Event, method: Methodology = NL) -> Spell:
    return fold([report(), notice(1), *events], method)[0].spell


def missing(hours: float) -> Event:
    return look(at(hours), "removed")


def test_three_times_gone_by_chance_after_served_and_gone_in_turn() -> None:
    """The last node still serves it: three looks that met the others confirm nothing any more."""
    turns = [missing(3), online(3.1), missing(4), missing(4.1), online(4.2)]
    found = spell(online(2), *turns, *gone(5), online(6))
    assert (found.presence, found.removals) == (Presence.ONLINE, [])


def test_a_true_removal_is_confirmed_all_the_same() -> None:
    """The longer run confirms it, and R is its first look as ever."""
    turns = [missing(3), online(3.1)]
    almost = spell(online(2), *turns, *gone(5, further=MORE - 1))
    assert almost.presence is Presence.SUSPECTED
    found = spell(online(2), *turns, *gone(5, further=MORE))
    assert found.presence is Presence.REMOVED
    assert found.removals[0].upper == gone(5)[0].time


def test_the_further_looks_come_densely() -> None:
    """The probers are told how many more looks are wanted, and the cadence plans them every 15 minutes."""
    case, _ = fold([report(), notice(1), online(2), missing(3), online(3.1), missing(5)], NL)
    entry = entry_of(case, NL)
    assert entry is not None
    assert (entry.further_looks, entry.suspected_at) == (MORE, missing(5).time)


def test_what_is_long_ago_makes_no_run_longer() -> None:
    """Past the methodology's window an alternation is forgotten."""
    turns = [missing(3), online(3.1)]
    days = 24.0 * 31
    assert spell(online(2), *turns, *gone(days)).presence is Presence.REMOVED


def test_there_is_a_longest_run() -> None:
    """However often served and gone alternate, no more than the methodology's most is wanted, and little is kept."""
    turns = [e for n in range(40) for e in (missing(3 + n), online(3.5 + n))]
    found = spell(online(2), *turns, missing(50))
    assert found.run is not None
    assert found.run.further == MOST
    assert len(found.alternations) <= MOST // MORE + 1


def test_the_methodology_may_want_no_longer_runs() -> None:
    """With no look more for an alternation, three looks confirm as they always did, and nothing is kept."""
    method = replace(NL, confirmation=replace(NL.confirmation, alternation_looks=0))
    found = spell(online(2), missing(3), online(3.1), *gone(5), method=method)
    assert (found.presence, found.alternations) == (Presence.REMOVED, [])


def test_what_two_vantages_see_differently_does_not_alternate() -> None:
    """Gone at home and served abroad is a dispute: it is one vantage that sees both where nodes differ."""
    method = replace(NL, confirmation=replace(NL.confirmation, vantages=2))
    abroad = look(at(4), "online", vantage="abroad")
    assert spell(online(2), missing(3), abroad, method=method).alternations == []


def test_a_run_that_another_vantage_ended_counts_once_its_own_sees_it() -> None:
    """Asked at the end of a run, the second vantage is the first to meet the node that serves; home meets it too."""
    method = replace(NL, confirmation=replace(NL.confirmation, vantages=2))
    abroad = look(at(4), "online", vantage="abroad")
    found = spell(online(2), missing(3), missing(3.5), abroad, online(5), missing(6), method=method)
    assert found.run is not None
    assert (found.run.further, found.contested) == (2 * MORE, None)


def test_another_sighting_from_abroad_tells_nothing_of_home() -> None:
    """What is hidden at home and served abroad for good does not alternate, however often either is asked."""
    method = replace(NL, confirmation=replace(NL.confirmation, vantages=2))
    turns = [
        e for n in (3, 4, 5) for e in (missing(n), look(at(n + 0.5), "online", vantage="abroad"))
    ]
    found = spell(online(2), *turns, look(at(7), "online", vantage="abroad"), method=method)
    assert found.alternations == []
    assert found.contested is not None


def test_a_return_counts_as_one_look() -> None:
    """Put back after a confirmed removal: an act of its own, or a run of chance; a little longer next time."""
    found = spell(online(2), *gone(5), online(10), missing(12))
    assert found.run is not None
    assert found.run.further == MORE


# -- the bound -------------------------------------------------------------------------------------


def refuted(share: float, looks: int, more: int) -> float:
    """Give how much less likely a false removal is after a refuted run: E[(1 - s)^(more * length)]."""
    gone_ = 1 - share
    return share * gone_**more / (1 - gone_ ** (more + 1))


@pytest.mark.parametrize("share", [0.5, 1 / 3, 0.25, 0.1, 0.05, 0.01, 0.001])
@pytest.mark.parametrize("more", [1, 3, 6, 9])
def test_the_error_that_is_left_is_bounded(share: float, more: int) -> None:
    """All attempts after the first refuted run together err at most 1/m times as often as a first run."""
    factor = refuted(share, 1, more)
    assert factor <= 1 / (more + 1)
    assert factor / (1 - factor) <= 1 / more + 1e-12


answers = st.lists(st.sampled_from(["online", "removed", "removed", "undetermined"]), max_size=80)


@given(answers, st.sampled_from([5, 15, 60]))
def test_a_removal_has_the_run_that_the_history_asks_for(verdicts: list[str], pause: int) -> None:
    """Recount by hand, look by look: every removal comes with the look that completes the run, and with no other."""
    looks = [
        look(at(2) + timedelta(minutes=pause * n), verdict) for n, verdict in enumerate(verdicts)
    ]
    case, moved = fold([report(), notice(1), *looks], NL)
    confirmed = [t.cause for t in moved if t.after == Presence.REMOVED]
    assert confirmed == expected(looks)
    assert [r.upper for r in case.spell.removals] == firsts(looks)


def runs(looks: list[Event]) -> list[tuple[Event, Event]]:
    """Give first and deciding look of every confirmed run."""
    run: list[Event] = []
    refuted_looks, removed, found = 0, False, []
    for event in looks:
        assert isinstance(event.data, LookMade)
        if event.data.verdict == "online":
            refuted_looks += 1 if removed else len(run)
            run, removed = [], False
        elif event.data.verdict == "removed" and not removed:
            run.append(event)
            wanted = NL.confirmation.looks + min(refuted_looks * MORE, MOST)
            if len(run) >= wanted and event.time - run[0].time >= NL.confirmation_span:
                found.append((run[0], event))
                run, removed = [], True
    return found


def expected(looks: list[Event]) -> list[object]:
    return [last.id for _, last in runs(looks)]


def firsts(looks: list[Event]) -> list[object]:
    return [first.time for first, _ in runs(looks)]
