"""A move needs the old provider found not serving, on as many looks as a removal."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.events import Event, LookMade
from schemas.methodology import Methodology
from services.core.case import Case
from services.core.fold import fold
from services.core.machines import Clock, Presence
from services.core.watch_entry import entry_of
from tests.strategies import look
from tests.unit.core.test_fold import NL, at, gone, moved, notice, online, report

HISTORY = (report(), notice(1), online(2))


def served(hours: float, provider: str = "small", **facts: object) -> Event:
    """Make a look that sees it at another provider."""
    return look(at(hours), "online", provider=provider, **facts)  # type: ignore[arg-type]


def folded(*events: Event, method: Methodology = NL) -> Case:
    return fold([*HISTORY, *events], method)[0]


def test_one_look_elsewhere_is_no_move() -> None:
    """It is not seen at the charged provider, and nothing has moved yet; the next looks come soon."""
    case = folded(served(5))
    assert (len(case.spells), case.spell.last_seen_at) == (1, at(2))
    entry = entry_of(case, NL)
    assert entry is not None
    assert entry.suspected_at == served(5).time


def test_a_move_is_dated_by_the_first_look_of_its_run() -> None:
    """The next spell begins where it was first seen elsewhere, with what was seen there."""
    looks = [served(hours, length=length) for hours, length in ((5, 7), (5.25, 8), (5.75, 9))]
    old, new = folded(*looks).spells
    assert (old.closed_reason, old.closed_at) == ("moved", looks[0].time)
    assert (new.provider, new.opened_at, new.first_online_at) == ("small", at(5), at(5))
    assert new.known_online_at == at(5.75)
    assert new.baseline is not None
    assert new.baseline.content_length == 7


def test_two_providers_behind_one_name_are_no_moves() -> None:
    """However often one or the other is seen to serve it, as long as both do, the charged one is seen to."""
    both = [served(3 + n, others={"giant": "online"}) for n in range(20)]
    case = folded(*both)
    assert (len(case.spells), case.spell.provider) == (1, "giant")
    assert case.spell.known_online_at == at(22)


def test_an_old_provider_that_blocks_or_is_silent_has_not_lost_it() -> None:
    """Asked and neither online nor gone: nobody can tell, so there is no move, no sighting and no breach."""
    looks = [served(hours, others={"giant": "silent"}) for hours in (3, 4, 5, 26, 30)]
    case = folded(*looks)
    assert (len(case.spells), case.spell.clock) == (1, Clock.RUNNING)
    assert case.spell.last_seen_at == at(2)


def test_an_old_provider_that_was_left_out_has_not_lost_it() -> None:
    """An address of its own that nobody asked may serve it still; so may one of a look that does not say."""
    for left_out in (("giant",), None):
        looks = [served(3 + n, left_out=left_out) for n in range(4)]
        assert len(folded(*looks).spells) == 1


def test_asked_and_gone_at_the_old_provider_is_a_move() -> None:
    """Each look asked both: gone at the old one, online at the new one."""
    looks = [served(3 + n, others={"giant": "gone"}) for n in range(3)]
    assert [spell.provider for spell in folded(*looks).spells] == ["giant", "small"]


def test_a_deadline_within_the_run_is_no_breach_of_the_old_provider() -> None:
    """Served elsewhere at the deadline and moved in the end: it left before, and the breach is nobody's."""
    old, new = folded(online(24), *moved(24.6)).spells
    assert (old.clock, old.closed_reason) == (Clock.STOPPED, "moved")
    assert new.clock is Clock.STOPPED


def test_left_after_the_deadline_is_undecided() -> None:
    """Seen elsewhere for the first time after the deadline: whether it was there at the deadline nobody can tell."""
    old = folded(online(24), *moved(26)).spells[0]
    assert old.clock is Clock.UNDECIDED


def test_a_sighting_elsewhere_ends_a_run_of_gone() -> None:
    """What is served is not removed, wherever."""
    looks = gone(5)
    case = folded(*looks[:2], served(5.5, others={"giant": "silent"}), looks[2])
    assert case.spell.presence is Presence.SUSPECTED
    assert case.spell.run is not None
    assert case.spell.run.looks == 1


def test_a_removed_case_that_is_served_elsewhere_has_moved() -> None:
    """That the old provider serves it no more was confirmed by its removal."""
    case = folded(*gone(5), served(40, left_out=None))
    assert [spell.provider for spell in case.spells] == ["giant", "small"]
    assert case.spells[0].returned_at == []


def test_a_name_that_flaps_wants_longer_runs() -> None:
    """Each look elsewhere that a sighting at the old provider refuted makes the next run six looks longer."""
    flapping = (served(3), online(3.1), served(4), served(4.1), online(4.2))
    assert len(folded(*flapping, *moved(5)).spells) == 1
    entry = entry_of(folded(*flapping, *moved(5)), NL)
    assert entry is not None
    assert entry.further_looks == 18
    lasting = [served(5 + n / 4) for n in range(21)]
    assert [s.opened_at for s in folded(*flapping, *lasting).spells][1:] == [at(5)]


steps = st.lists(
    st.tuples(st.sampled_from(["giant", "small", "both"]), st.sampled_from([5, 15, 45, 120])),
    max_size=60,
)


def stretches(told: list[tuple[str, float]]) -> list[tuple[str, float, float, int]]:
    """Give every stretch of looks that gave the same: who served, from, to, how many looks."""
    found = [("nobody", 0.0, 0.0, 0)]
    for who, hours in told:
        before, since, _, looks = found[-1]
        if who == before:
            found[-1] = (who, since, hours, looks + 1)
        else:
            found.append((who, hours, hours, 1))
    return found


@given(steps)
def test_flapping_gives_no_more_moves_than_truly_lasted(told: list[tuple[str, int]]) -> None:
    """Every spell but the first begins with a stretch at its provider alone that was long enough for a removal."""
    hours, looks, series = 3.0, [], []
    for who, pause in told:
        hours += pause / 60
        others = {"small": "online"} if who == "both" else None
        looks.append(served(hours, "giant" if who == "both" else who, others=others))
        series.append((who, hours))
    case = folded(*looks)
    lasting = {
        (who, at(since))
        for who, since, until, number in stretches(series)
        if number >= 3 and until - since >= 0.75 - 1e-9
    }
    assert {(s.provider, s.opened_at) for s in case.spells[1:]} <= lasting
    assert len(case.spells) - 1 <= len(lasting)


def test_a_methodology_of_one_look_moves_at_once() -> None:
    """Where one look confirms, one look elsewhere is a move."""
    rule = replace(NL.confirmation, looks=1, span="0s")
    method = replace(NL, confirmation=rule)
    assert len(folded(served(5), method=method).spells) == 2


def test_what_is_not_attributed_is_charged_as_before() -> None:
    """A look without a provider is one at the charged provider, unless that one is seen not to serve."""
    unknown = online(5, None)
    assert folded(unknown).spell.known_online_at == at(5)
    data = served(6, "giant").data
    assert isinstance(data, LookMade)
    gone_there = replace(data.served[0], online=False, gone=True)
    nobody = replace(data.served[0], address="192.0.2.9", provider=None)
    both = replace(served(6), data=replace(data, served=(gone_there, nobody)))
    assert folded(both).spell.known_online_at == at(2)
