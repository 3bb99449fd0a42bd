"""A run of looks that found a whole host dark: what ends it, and what does not."""

import pytest
from msgspec import structs

from schemas.events import Event
from services.core.case import Spell
from services.core.fold import fold
from services.core.machines import Clock, Presence
from services.core.reasons import BLOCKS, REASONS
from services.core.watch_entry import entry_of
from services.ledger.changes import LockedCase, extended
from services.ledger.rows import state_of
from tests.strategies import TWO_VANTAGES, event, look
from tests.unit.core.test_fold import NL, at, dark, ev, notice, online, report

TOLD = (report(), notice(1), online(2))
UNDETERMINED = sorted(r.reason for r in REASONS.values() if r.verdict == "undetermined")
NOT_THE_HOST = frozenset(
    {
        *("server_error", "response_timeout", "connect_refused", "connect_timeout"),
        *("connect_failed", "unreachable", "tls_timeout", "dns_nodata", "dns_servfail"),
        *("dns_timeout", "dns_refused", "dns_broken", "dns_disagree", "egress_failed"),
        *("dns_filtered", "dns_unproven"),
        *("address_refused", "not_measurable", "vantage_blind"),
        *("misdirected", "tls_unrecognized_name"),
    }
)


def spell(*events: Event) -> Spell:
    return fold([*TOLD, *events], NL)[0].spell


def met(hours: float, reason: str = "blocked_forbidden", vantage: str = "v1") -> Event:
    return look(at(hours), "undetermined", reason=reason, vantage=vantage)


def since(*events: Event) -> Event:
    """Give the dark look with which the run begins that events leave behind."""
    found = spell(*events).dark
    assert found is not None
    return next(e for e in events if e.time == found.first_finished_at)


def test_a_host_that_answers_in_between_was_not_dark() -> None:
    """What was dark at 5 h, let nobody in for two days and is dark again has been dark since then."""
    answers = [met(hours) for hours in (12, 16, 20, 30, 40, 50)]
    second = [dark(54), dark(54.5), dark(54.6, "v2")]
    found = spell(dark(5), *answers, *second)
    assert (found.presence, found.clock, found.removals) == (Presence.ONLINE, Clock.RUNNING, [])
    later = spell(dark(5), *answers, *second, dark(61, "v2"), dark(103))
    (removal,) = later.removals
    assert (removal.layer, removal.upper) == ("host", second[0].time)
    assert later.clock is Clock.UNDECIDED


@pytest.mark.parametrize("reason", UNDETERMINED)
def test_what_shows_an_answer_ends_the_dark(reason: str) -> None:
    """A status, a wall, a reset and a handshake that fails are answers; silence, names and faults of ours are none."""
    again = dark(20)
    begins = since(first := dark(5), met(12, reason), again)
    assert begins is (first if reason in NOT_THE_HOST else again)


def test_every_block_is_an_answer() -> None:
    """A host that keeps us out is there, and what it says may be meant for us alone."""
    assert BLOCKS.isdisjoint(NOT_THE_HOST)
    assert set(UNDETERMINED) > NOT_THE_HOST


@pytest.mark.parametrize(
    ("reason", "ends"), [("of_a_later_version", True), ("server_error", False)]
)
def test_headers_are_an_answer_unless_they_are_of_a_5xx(reason: str, *, ends: bool) -> None:
    """A fingerprint shows an answer under a reason that is not known here; a 5xx is what a dark host gives."""
    seen = look(at(12), "undetermined", reason=reason, length=5)
    assert (spell(dark(5), seen).dark is None) is ends
    assert spell(dark(5), met(12, "of_a_later_version")).dark is not None


def test_an_answer_at_any_vantage_ends_the_dark() -> None:
    """What answers the second vantage is not dark, though it may be so from the first one."""
    looks = [dark(hours) for hours in (5, 20, 40, 54)]
    found = spell(*looks, met(54.5, vantage="v2"))
    assert (found.presence, found.dark) == (Presence.ONLINE, None)


def test_what_a_blind_vantage_meets_on_its_way_ends_no_dark() -> None:
    """Without its canary neither a 404 nor a reset is believed; a 403 stands, as it does in a verdict."""
    gone = look(at(12), "removed", canary=False, length=5, reason="not_found")
    cut = look(at(12), "undetermined", canary=False, reason="blocked_reset")
    shut = look(at(12), "undetermined", canary=False, reason="blocked_forbidden")
    assert spell(dark(5), gone).dark is not None
    assert spell(dark(5), cut).dark is not None
    assert spell(dark(5), shut).dark is None


def test_a_missed_look_ends_no_dark() -> None:
    """What was not asked did not answer."""
    missed = ev.LookMissed(vantage="v1", tick=at(12), reason="overload")
    assert spell(dark(5), event(at(12), missed)).dark is not None


def test_the_probers_are_told_that_the_dark_has_ended() -> None:
    """The answer changes the watch entry without a transition, so that no vantage says dark at once."""
    told = fold([*TOLD, dark(5)], NL)[0]
    stored = LockedCase.read(state_of(told), told.sealed_url, transitions=2)
    before = entry_of(stored.case, NL)
    assert before is not None
    assert before.host_dark
    ended = extended(stored, [met(12)], NL)
    assert (ended.moved, ended.entry_changed) == ([], True)
    assert ended.entry is not None
    assert not ended.entry.host_dark


def test_one_look_of_the_second_vantage_confirms_no_dark_host() -> None:
    """It has to find the host dark for an eighth of the span too, six hours of 48, and is asked until it has."""
    looks = [*(dark(hours) for hours in (5, 20, 40, 54)), dark(54.5, "v2")]
    for more in ([], [dark(57)], [dark(57, "v2")], [dark(60.4, "v2"), dark(61)]):
        found, _ = fold([*TOLD, *looks, *more], NL)
        assert found.spell.presence is Presence.ONLINE
        entry = entry_of(found, NL)
        assert entry is not None
        assert entry.second_vantage
    assert spell(*looks, dark(57, "v2"), dark(60.5, "v2")).presence is Presence.REMOVED


def test_what_the_second_vantage_meets_of_a_dark_host_for_minutes_is_an_outage() -> None:
    """Dark there at one look, and served at the next: the dark has ended, and no removal was said."""
    looks = [*(dark(hours) for hours in (5, 20, 40, 54)), dark(54.5, "v2")]
    found = spell(*looks, look(at(57), "online", vantage="v2"))
    assert (found.presence, found.dark, found.removals) == (Presence.ONLINE, None, [])


def test_one_vantage_confirms_a_dark_host_where_the_definition_asks_for_no_other() -> None:
    """With `host_dark_vantages = 1` there is nobody to second it."""
    rule = structs.replace(NL.confirmation, host_dark_vantages=1)
    alone = structs.replace(NL, confirmation=rule)
    found, _ = fold([*TOLD, *(dark(hours) for hours in (5, 20, 54))], alone)
    assert found.spell.presence is Presence.REMOVED


def test_a_second_vantage_that_is_kept_out_of_a_dark_host_is_not_the_one_that_watches() -> None:
    """It was asked for the dark, so the block that it meets calls nobody; it ends the dark all the same."""
    looks = [dark(hours) for hours in (5, 20, 40, 54)]
    found, _ = fold([*TOLD, *looks, met(54.5, vantage="v2")], TWO_VANTAGES)
    assert (found.spell.dark, found.spell.block) == (None, None)
    entry = entry_of(found, TWO_VANTAGES)
    assert entry is not None
    assert not entry.second_vantage
