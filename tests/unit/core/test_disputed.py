"""What one vantage sees and another does not is blocked, not removed; the last to lose it dates its removal."""

from msgspec.structs import replace

from schemas.events import Event
from services.core.case import Spell
from services.core.fold import extend, fold
from services.core.machines import Clock, Presence
from services.core.state import decode_case, encode_case
from tests.strategies import look
from tests.unit.core.test_fold import NL, at, gone, notice, online, report

METHOD = replace(NL, confirmation=replace(NL.confirmation, vantages=2))


def abroad(hours: float, verdict: str) -> Event:
    return look(at(hours), verdict, vantage="abroad", provider="giant")


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
    last = abroad(7, "removed")
    found = spell(online(2), *dispute, *gone(6), last)
    (removal,) = found.removals
    assert (removal.lower, removal.upper) == (found.known_online_at, last.time)


def test_without_a_dispute_the_first_look_dates_the_removal() -> None:
    """Asking the second vantage at the deciding look alone widens no interval."""
    looks = gone(5)
    found = spell(online(2), *looks, abroad(6, "removed"))
    (removal,) = found.removals
    assert removal.upper == looks[0].time


def test_a_dispute_is_settled_where_it_was_lost() -> None:
    """Seen online again by the vantage that had found it gone, it is dated by that vantage's first look."""
    looks, last = gone(23.5, further=6), abroad(25.4, "removed")
    found = spell(online(2), gone(3)[0], abroad(3.2, "online"), online(4), *looks, last)
    assert (found.disputed, found.lost_from) == (False, [])
    assert found.removals[0].upper == looks[0].time
    assert found.clock is Clock.WITHIN


def test_what_others_see_settles_no_dispute() -> None:
    """However often it is seen abroad, home finds it gone still, and what follows is dated by the last to lose it."""
    seen = [abroad(hours, "online") for hours in (3.2, 4, 22)]
    last = abroad(25.4, "removed")
    found = spell(online(2), gone(3)[0], *seen, *gone(23.5), last)
    assert (found.disputed, found.lost_from) == (True, ["v1"])
    assert (found.removals[0].upper, found.clock) == (last.time, Clock.UNDECIDED)


def test_a_dispute_that_home_did_not_lose_moves_no_date_of_home() -> None:
    """Gone abroad while home was kept out and served there afterwards: home is the last to lose it, and dates it."""
    looks = gone(8)
    walled = abroad(6, "removed")
    found = spell(online(2), walled, online(7), *looks, abroad(9, "removed"))
    assert found.lost_from == ["abroad"]
    assert found.removals[0].upper == looks[0].time


def test_a_run_that_began_abroad_under_a_dispute_is_dated_by_home() -> None:
    """What was gone abroad while home saw it went when home lost it."""
    last = gone(9)[0]
    lost = (abroad(6, "removed"), online(7), abroad(8, "removed"), abroad(8.2, "removed"))
    found = spell(online(2), *lost, last)
    assert found.removals[0].upper == last.time


def test_one_that_sees_it_again_leaves_the_other_in_dispute() -> None:
    """Both had found it gone; abroad sees it again and home does not, so home's next look dates nothing."""
    last = abroad(11.5, "removed")
    found = spell(
        *(online(2), *gone(5)[:2], abroad(5.3, "removed"), abroad(5.5, "online")),
        *(*gone(6, further=18), last),
    )
    assert found.lost_from == ["v1"]
    assert found.removals[0].upper == last.time


def test_a_stored_dispute_of_before_is_in_force() -> None:
    """A case that was stored before the vantages were named does not say who lost it: the last one dates it."""
    case, _ = fold([report(), notice(1), online(2), gone(3)[0], abroad(3.2, "online")], METHOD)
    case.spell.lost_from = []
    case = decode_case(encode_case(case))
    last = abroad(7, "removed")
    for event in (*gone(6), last):
        extend(case, event, METHOD)
    assert case.spell.removals[0].upper == last.time


def test_an_outage_at_the_first_vantage_is_no_dispute() -> None:
    """A run that its own vantage ends says nothing of a block."""
    looks = gone(8, further=12)
    found = spell(online(2), *gone(5)[:2], online(6), *looks, abroad(9, "removed"))
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
