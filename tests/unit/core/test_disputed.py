"""What one vantage sees and another does not is blocked, not removed; the last to lose it dates its removal."""

from functools import partial

import pytest
from msgspec.structs import replace

from schemas.events import Event
from services.core.case import Spell
from services.core.fold import extend, fold
from services.core.machines import Clock, Presence
from services.core.state import decode_case, encode_case
from services.core.watch_entry import entry_of
from tests.strategies import look
from tests.unit.core.test_fold import NL, at, gone, notice, online, report

METHOD = replace(NL, confirmation=replace(NL.confirmation, vantages=2))


def abroad(hours: float, verdict: str) -> Event:
    return look(at(hours), verdict, vantage="abroad", provider="giant")


def lost_abroad(hours: float) -> tuple[Event, Event]:
    """Give two looks from abroad that find it gone, as far apart as a removal takes."""
    return abroad(hours, "removed"), abroad(hours + 0.8, "removed")


def missing(hours: float) -> Event:
    """Make a look from home that was told 404."""
    return look(at(hours), "removed", reason="not_found")


def spell(*events: Event) -> Spell:
    return fold([report(), notice(1), *events], METHOD)[0].spell


def test_what_is_served_abroad_is_not_removed() -> None:
    """However often it is gone from one vantage, a sighting from the other ends the run."""
    found = spell(online(2), *gone(5), abroad(5.8, "online"), *gone(6), abroad(6.8, "online"))
    assert (found.presence, found.removals) == (Presence.ONLINE, [])
    assert found.disputed
    assert found.known_online_at == at(6.8)


def test_after_a_dispute_the_second_vantage_dates_the_removal() -> None:
    """R is the first look by which both had found it gone; the first vantage saw nothing there all along."""
    dispute = (*gone(5), abroad(5.8, "online"))
    last = lost_abroad(7)
    found = spell(online(2), *dispute, *gone(6), *last)
    (removal,) = found.removals
    assert (removal.lower, removal.upper) == (found.known_online_at, last[0].time)


def test_after_a_dispute_both_vantages_find_it_gone_for_as_long_as_a_removal_takes() -> None:
    """One look abroad may have met a node that lacks it: it is asked at each look until the span is over."""
    events = [report(), notice(1), online(2), *gone(5), abroad(5.8, "online"), *gone(6)]
    for last in (abroad(7, "removed"), look(at(7.3), "removed", vantage="v1", provider="giant")):
        events.append(last)
        case, _ = fold(events, METHOD)
        assert case.spell.removals == []
        entry = entry_of(case, METHOD)
        assert entry is not None
        assert entry.second_vantage
    case, _ = fold([*events, abroad(7.4, "online"), *gone(7.5)], METHOD)
    assert case.spell.removals == []


def test_an_alternation_asks_the_second_vantage_for_a_span_too() -> None:
    """Home saw both in turn and is kept from it then: what abroad saw once, as its nodes took turns, is no proof."""
    alternating = (online(2), gone(3)[0], online(4))
    looks = gone(5, further=6)
    once = spell(*alternating, *looks[:4], abroad(6.2, "removed"), *looks[4:])
    lasting = spell(*alternating, *looks[:4], *lost_abroad(6.2), *looks[4:])
    assert (once.removals, lasting.removals[0].upper) == ([], looks[0].time)


def test_something_served_abroad_disputes_what_is_plainly_missing_at_home() -> None:
    """It may be the material or not: until abroad has lost it too, home's looks are about home alone."""
    page = look(at(5.8), "undetermined", vantage="abroad", length=5_120, reason="never_seen_served")
    lost = [missing(hours) for hours in (5, 5.25, 6, 6.25, 6.75)]
    found = spell(*lost[:2], page, *lost[2:], abroad(7, "removed"))
    assert (found.disputed, found.removals) == (True, [])
    found = spell(*lost[:2], page, *lost[2:], *lost_abroad(7))
    assert found.removals[0].upper == lost_abroad(7)[0].time


@pytest.mark.parametrize("reason", ["never_seen_served", "redirect_unproven"])
def test_what_is_served_in_between_begins_the_run_anew(reason: str) -> None:
    """Plainly missing, served something, missing again: two nodes may take turns, and nothing has gone on."""
    page = look(at(5.5), "undetermined", length=5_120, reason=reason)
    one_vantage = partial(fold, methodology=NL)
    turns = [report(), notice(1), missing(5), missing(5.25), page, missing(5.9)]
    assert one_vantage(turns)[0].spell.removals == []
    (removal,) = one_vantage([*turns, missing(6.2), missing(6.7)])[0].spell.removals
    assert removal.upper == missing(5.9).time


@pytest.mark.parametrize(
    ("reason", "length"),
    [("blocked_forbidden", None), ("suspected_wall", 2_200), ("response_timeout", None)],
)
def test_a_wall_in_between_takes_nothing_from_a_run(reason: str, length: int | None) -> None:
    """The naive mending lets any answer begin it anew: whoever keeps us out would date his removal at will."""
    between = look(at(5.5), "undetermined", length=length, reason=reason)
    events = [report(), notice(1), missing(5), missing(5.25), between, missing(5.9)]
    (removal,) = fold(events, NL)[0].spell.removals
    assert removal.upper == missing(5).time


def test_without_a_dispute_the_first_look_dates_the_removal() -> None:
    """Asking the second vantage at the deciding look alone widens no interval."""
    looks = gone(5)
    found = spell(online(2), *looks, abroad(6, "removed"))
    (removal,) = found.removals
    assert removal.upper == looks[0].time


def test_a_dispute_is_settled_where_it_was_lost() -> None:
    """Seen online again by the vantage that had found it gone, it is dated by that vantage's first look."""
    looks, last = gone(23.5, further=6), lost_abroad(25.4)
    found = spell(online(2), gone(3)[0], abroad(3.2, "online"), online(4), *looks, *last)
    assert (found.disputed, found.lost_from) == (False, [])
    assert found.removals[0].upper == looks[0].time
    assert found.clock is Clock.WITHIN


def test_what_others_see_settles_no_dispute() -> None:
    """However often it is seen abroad, home finds it gone still, and what follows is dated by the last to lose it."""
    seen = [abroad(hours, "online") for hours in (3.2, 4, 22)]
    last = lost_abroad(25.4)
    found = spell(online(2), gone(3)[0], *seen, *gone(23.5), *last)
    assert (found.disputed, found.lost_from) == (True, ["v1"])
    assert (found.removals[0].upper, found.clock) == (last[0].time, Clock.UNDECIDED)


def test_a_dispute_that_home_did_not_lose_moves_no_date_of_home() -> None:
    """Gone abroad while home was kept out and served there afterwards: home is the last to lose it, and dates it."""
    looks = gone(8)
    walled = abroad(6, "removed")
    found = spell(online(2), walled, online(7), *looks, abroad(9, "removed"))
    assert found.lost_from == ["abroad"]
    assert found.removals[0].upper == looks[0].time


def test_a_run_that_began_abroad_under_a_dispute_is_dated_by_home() -> None:
    """What was gone abroad while home saw it went when home lost it."""
    last = gone(9)
    lost = (abroad(6, "removed"), online(7), abroad(8, "removed"), abroad(8.2, "removed"))
    found = spell(online(2), *lost, *last)
    assert found.removals[0].upper == last[0].time


def test_one_that_sees_it_again_leaves_the_other_in_dispute() -> None:
    """Both had found it gone; abroad sees it again and home does not, so home's next look dates nothing."""
    last = lost_abroad(11.5)
    found = spell(
        *(online(2), *gone(5)[:2], abroad(5.3, "removed"), abroad(5.5, "online")),
        *(*gone(6, further=18), *last),
    )
    assert found.lost_from == ["v1"]
    assert found.removals[0].upper == last[0].time


def test_a_stored_dispute_of_before_is_in_force() -> None:
    """A case that was stored before the vantages were named does not say who lost it: the last one dates it."""
    case, _ = fold([report(), notice(1), online(2), gone(3)[0], abroad(3.2, "online")], METHOD)
    case.spell.lost_from = []
    case = decode_case(encode_case(case))
    last = lost_abroad(7)
    for event in (*gone(6), *last):
        extend(case, event, METHOD)
    assert case.spell.removals[0].upper == last[0].time


def test_an_outage_at_the_first_vantage_is_no_dispute() -> None:
    """A run that its own vantage ends says nothing of a block."""
    looks = gone(8, further=12)
    found = spell(online(2), *gone(5)[:2], online(6), *looks, *lost_abroad(9))
    assert not found.disputed
    assert found.removals[0].upper == gone(8)[0].time


def test_a_second_vantage_that_was_kept_out_dates_the_removal_itself() -> None:
    """Where it is heard only after more than four confirmation spans, what it would have seen meanwhile is unknown."""
    last = abroad(9, "removed")
    found = spell(online(2), *gone(5), *(abroad(h, "undetermined") for h in (6, 7, 8)), last)
    assert (found.disputed, found.removals[0].upper) == (False, last.time)


def test_a_notice_that_overtook_the_move_starts_its_clock_when_it_was_sent() -> None:
    """The new provider's notice may lie between the start of the look that found the move and its end."""
    moved = [look(at(5 + n), "online", provider="small", took=60.0) for n in (0, 0.25, 0.75)]
    overtaking = notice(5 + 30 / 3600, provider="small", name="n2")
    found = spell(online(2), overtaking, *moved)
    assert (found.provider, found.clock_started_at) == ("small", overtaking.time)
