"""A vantage that is kept out sees nothing: the others are asked, and what they say counts as it always does."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from schemas.events import Event, WatchEntry
from schemas.methodology import Methodology
from services.core.case import Block, Case
from services.core.fold import fold
from services.core.machines import Clock, Presence
from services.core.watch_entry import entry_of
from services.ledger.changes import LockedCase, extended
from services.ledger.rows import state_of
from services.probing.schedule.scheduler import Schedule
from services.reports.evidence_reasons import explain
from tests.strategies import CASE, TWO_VANTAGES, look
from tests.unit.core.test_fold import NL, at, dark, gone, notice, online, report

TOLD = (report(), notice(1), online(2))


def blocked(hours: float, vantage: str = "v1", reason: str = "blocked_legal") -> Event:
    return look(at(hours), "undetermined", vantage=vantage, reason=reason)


def fault(hours: float) -> Event:
    return look(at(hours), "undetermined", reason="server_error")


def abroad(hours: float, verdict: str) -> Event:
    return look(at(hours), verdict, vantage="abroad", provider="giant")


def case(*events: Event, method: Methodology = TWO_VANTAGES) -> Case:
    return fold([*TOLD, *events], method)[0]


def entry(*events: Event, method: Methodology = TWO_VANTAGES) -> WatchEntry:
    found = entry_of(case(*events, method=method), method)
    assert found is not None
    return found


def asked(*events: Event, method: Methodology = TWO_VANTAGES) -> bool:
    return entry(*events, method=method).second_vantage


def test_two_blocks_in_a_row_call_the_second_vantage() -> None:
    """One block passes by itself; two at the cadence's distance are a wall, and change nothing else."""
    before = entry()
    assert entry(blocked(4)) == before
    assert entry(blocked(4), blocked(6)) == replace(before, second_vantage=True)


@pytest.mark.parametrize("reason", ["blocked_forbidden", "blocked_challenge", "blocked_reset"])
def test_every_kind_of_block_counts(reason: str) -> None:
    """Whatever keeps one vantage out may let another in."""
    assert asked(blocked(4, reason=reason), blocked(6))


def test_how_many_blocks_is_the_methodologys_to_say() -> None:
    """`blocked_looks` sets the length of the row; its default changes no digest."""
    three = replace(TWO_VANTAGES, confirmation=replace(TWO_VANTAGES.confirmation, blocked_looks=3))
    assert not asked(blocked(4), blocked(6), method=three)
    assert asked(blocked(4), blocked(6), blocked(8), method=three)
    assert b"blocked_looks" not in TWO_VANTAGES.meaning
    assert three.digest != TWO_VANTAGES.digest


def test_where_one_vantage_decides_nobody_is_asked() -> None:
    """With a methodology of one vantage a second one could confirm a removal by itself."""
    assert not asked(blocked(4), blocked(6), blocked(8), method=NL)


def test_a_look_that_gets_through_ends_the_row() -> None:
    """Seen online or gone at home, the case needs nobody else."""
    assert not asked(blocked(4), online(5), blocked(6))
    assert not asked(blocked(4), blocked(6), online(8))
    assert not asked(blocked(4), blocked(6), gone(8)[0])


def test_a_fault_ends_no_row() -> None:
    """A fault between two blocks says nothing of the wall."""
    assert asked(blocked(4), fault(5), blocked(6))
    assert asked(blocked(4), blocked(6), fault(8))


def test_what_is_seen_abroad_does_not_send_the_second_vantage_home() -> None:
    """While home is kept out the other vantage goes on, whatever it sees."""
    assert asked(blocked(4), blocked(6), abroad(6.1, "online"), blocked(8))
    assert asked(blocked(4), blocked(6), abroad(6.1, "removed"), blocked(8))


def test_a_second_vantage_that_is_kept_out_itself_is_not_asked_for_ever() -> None:
    """Called for a removal and blocked, it is let go when home sees the URL online again."""
    called = [*gone(4), blocked(5, "abroad"), blocked(6, "abroad"), blocked(7, "abroad")]
    assert asked(*called)
    assert not asked(*called, online(8))
    assert not asked(*called, online(8), blocked(8.1, "abroad"), online(10))


def test_a_late_block_abroad_hides_none_at_home() -> None:
    """The look of a vantage that was let go a moment ago may meet a block: what keeps home out is counted still."""
    let_go = [blocked(4), blocked(6), abroad(6.1, "online"), online(8), blocked(8.01, "abroad")]
    assert not asked(*let_go, blocked(10))
    assert asked(*let_go, blocked(10), blocked(12))
    cleared = [*gone(4)[:2], online(5.5), blocked(5.51, "abroad")]
    assert asked(*cleared, blocked(6), blocked(8))


def test_a_block_that_lasts_gives_way_to_none() -> None:
    """While home is kept out, those met elsewhere count for nothing, and home alone ends the row."""
    found = case(blocked(4), blocked(6), blocked(6.1, "abroad"), blocked(6.2, "abroad"))
    assert found.spell.block == Block(vantage="v1", looks=2)


def test_one_sight_of_it_gone_before_the_wall_hides_no_block() -> None:
    """A vantage that found it gone once and is kept out since is kept out."""
    assert asked(gone(4)[0], blocked(6), blocked(8))


def test_a_host_that_was_dark_may_block_as_well() -> None:
    """A run of dark looks is in nobody's way."""
    assert asked(dark(4), blocked(6), blocked(8))


def test_online_abroad_is_known_online_and_breaches() -> None:
    """Restricted is not removed (P3): served abroad at the deadline it is a certain breach."""
    found = case(blocked(4), blocked(6), abroad(6.1, "online"), abroad(25, "online"))
    assert (found.spell.presence, found.spell.clock) == (Presence.ONLINE, Clock.BREACHED)
    assert found.spell.known_online_at == at(25)


def test_gone_abroad_alone_is_no_removal() -> None:
    """However often it is gone abroad, without home it stays suspected, and undecided after the deadline."""
    walls = [blocked(hour) for hour in range(4, 40, 2)]
    found = case(*walls, *(abroad(hour + 0.1, "removed") for hour in range(6, 40, 2)))
    assert (found.spell.presence, found.spell.removals) == (Presence.SUSPECTED, [])
    why = explain(found, found.spell, TWO_VANTAGES, at(48))
    assert (why.standing, why.word) == ("undecided", "overdue_unverified")
    assert why.sentence.endswith("vantage v1 is kept out: looks that met a block, in a row: 18")


def test_a_wall_that_falls_confirms_what_was_gone_behind_it() -> None:
    """Once home sees it gone too it is removed: dated by the first sight of it, or by home's after a long wall."""
    first = abroad(6.1, "removed")
    looks = (blocked(4), blocked(6), first, abroad(7, "removed"))
    soon = case(*looks, gone(8)[0]).spell.removals
    assert [removal.upper for removal in soon] == [first.time]
    late = case(*looks, gone(20)[0]).spell.removals
    assert [removal.upper for removal in late] == [gone(20)[0].time]


def test_a_wall_that_falls_before_what_it_hid_clears_the_suspicion() -> None:
    """Gone abroad and served at home is a block abroad, not a removal."""
    found = case(blocked(4), blocked(6), *(abroad(h, "removed") for h in (6.1, 7, 8)), online(9))
    assert (found.spell.presence, found.spell.removals) == (Presence.ONLINE, [])


def _locked(held: Case) -> LockedCase:
    return LockedCase.read(state_of(held), held.sealed_url, 7)


def test_the_ledger_tells_the_probers_of_a_wall_without_a_transition() -> None:
    """The look that completes the row changes the entry on the watch list, and the look that ends it does so again."""
    stored = _locked(case(blocked(4)))
    walled = extended(stored, [blocked(6)], TWO_VANTAGES)
    assert (walled.moved, walled.entry_changed) == ([], True)
    assert walled.entry is not None
    assert walled.entry.second_vantage
    longer = extended(_locked(walled.case), [blocked(8)], TWO_VANTAGES)
    assert not longer.entry_changed
    over = extended(_locked(longer.case), [online(10)], TWO_VANTAGES)
    assert over.entry_changed
    assert over.entry is not None
    assert not over.entry.second_vantage


def test_the_second_vantage_looks_while_the_wall_stands() -> None:
    """What the ledger tells is what the prober abroad watches: the case, at once, and nothing once it is let go."""
    plan = Schedule({TWO_VANTAGES.id: TWO_VANTAGES}, now=at(6.5), role="second")
    assert plan.start(at(6.5))
    walled = entry(blocked(4), blocked(6))
    plan.put(CASE, walled, offset=1, listed_at=at(6.5), now=at(6.5))
    plan.advance(at(6.5) + timedelta(seconds=2))
    assert len(plan) == 1
    assert plan.take(at(6.5) + timedelta(seconds=2)) is not None
    open_ = entry(blocked(4), blocked(6), online(8))
    plan.put(CASE, open_, offset=2, listed_at=at(8), now=at(8))
    assert len(plan) == 0


def test_what_nobody_could_see_meanwhile_is_confirmed_by_a_whole_span_of_another_vantage() -> None:
    """Two nodes take turns: the first vantage is shut out while the file is served, and another meets its lack."""
    lacks, shut_out = look(at(10), "removed", vantage="v1"), (blocked(10.3), blocked(11))
    met = [abroad(11.6, "removed"), abroad(11.8, "removed"), abroad(12, "removed")]
    assert case(lacks, *shut_out, *met).spell.presence is Presence.SUSPECTED
    assert case(lacks, *shut_out, *met, abroad(12.4, "removed")).spell.presence is Presence.REMOVED
    through = (lacks, *met, abroad(12.4, "removed"))
    assert case(*through[:4]).spell.presence is Presence.REMOVED


def test_a_block_at_a_vantage_that_was_asked_makes_no_removal_longer() -> None:
    """The vantage that watches finds it gone for the whole span; one look of another one agrees, as it always does."""
    watch = gone(10)
    other = (abroad(10.1, "removed"), blocked(10.2, vantage="abroad"))
    assert case(*watch[:1], *other, *watch[1:]).spell.presence is Presence.REMOVED
