"""One behaviour of the fold per test, told as a short history of one case."""

from datetime import datetime, timedelta

import pytest

from schemas import events as ev
from schemas.errors import ConfigError
from schemas.events import Event
from schemas.methodology import Methodology, parse, shipped
from services.core.bounds import Count, standing, wilson
from services.core.case import Case, Spell
from services.core.digest import case_digest
from services.core.fold import fold, order
from services.core.machines import Clock, Presence, Procedure
from services.core.outcomes import outcomes, voided
from services.core.state import decode_case, encode_case
from services.core.watch_entry import entry_of
from tests.strategies import START, event, look

HOUR = timedelta(hours=1)
NL = shipped()["nl-24h"]


def at(hours: float) -> datetime:
    return START + hours * HOUR


def report(hours: float = 0, **changes: object) -> Event:
    data = ev.ReportFiled(reporter="hotline", sealed_url="s1.k.x", provider="giant")
    return event(at(hours), ev.msgspec.structs.replace(data, **changes))


def notice(hours: float, provider: str = "giant", name: str = "n1") -> Event:
    return event(at(hours), ev.NoticeSent(notice_id=name, provider=provider))


def online(hours: float, provider: str | None = "giant") -> Event:
    return look(at(hours), "online", provider=provider)


def gone(hours: float, further: int = 0) -> list[Event]:
    """Three removal-class looks, enough for the Dutch methodology to confirm at the third, and further ones."""
    later = (0.75 + 0.25 * number for number in range(1, further + 1))
    return [look(at(hours + more), "removed") for more in (0, 0.25, 0.75, *later)]


def moved(hours: float, provider: str = "small") -> list[Event]:
    """Three looks that see it at another provider, which are a move to the Dutch methodology."""
    return [online(hours + more, provider) for more in (0, 0.25, 0.75)]


def folded(*events: Event, methodology: Methodology = NL) -> Case:
    return fold(events, methodology)[0]


def spell(*events: Event, methodology: Methodology = NL) -> Spell:
    return folded(*events, methodology=methodology).spell


def stands(case: Case, hours: float = 48) -> str:
    return standing(case, case.spell, NL, at(hours))


def test_a_removal_is_an_interval() -> None:
    """L is the last look that saw it online, R the first of the run that confirmed it gone."""
    found = spell(report(), notice(1), online(2), online(5), *gone(6))
    assert found.presence is Presence.REMOVED
    assert (found.removals[0].lower, found.removals[0].upper) == (
        at(5),
        at(6) + timedelta(seconds=0.5),
    )
    assert found.clock is Clock.WITHIN


def test_two_removal_looks_confirm_nothing() -> None:
    """A run that is too short leaves the case suspected and the clock running."""
    found = spell(report(), notice(1), online(2), *gone(6)[:2])
    assert found.presence is Presence.SUSPECTED
    assert found.clock is Clock.RUNNING


def test_three_looks_in_a_burst_confirm_nothing() -> None:
    """Enough looks within too short a span are no run."""
    burst = [look(at(6) + timedelta(seconds=s), "removed") for s in (0, 1, 2)]
    assert spell(report(), notice(1), online(2), *burst).presence is Presence.SUSPECTED


def test_an_online_look_ends_a_run() -> None:
    """A transient fault is no removal: one sighting clears the suspicion."""
    found = spell(report(), notice(1), online(2), *gone(6)[:2], online(6.5), gone(6)[2])
    assert found.presence is Presence.SUSPECTED
    assert found.run is not None
    assert found.run.looks == 1


def test_a_blind_vantage_sees_no_removal() -> None:
    """Removal-class looks without a fresh canary count as undetermined."""
    blind = [look(at(6 + more), "removed", canary=False) for more in (0, 1, 2)]
    found = spell(report(), notice(1), online(2), *blind)
    assert found.presence is Presence.ONLINE
    assert found.undetermined == 3


def test_seen_at_the_deadline_is_a_breach() -> None:
    """A look that saw it online exactly at the deadline is a certain breach."""
    found = spell(report(), notice(1), online(25))
    assert found.clock is Clock.BREACHED
    assert found.breached_at == found.deadline == at(25)


def test_an_interval_over_the_deadline_is_undecided() -> None:
    """Gone somewhere between before and after the deadline: neither within nor a breach."""
    case = folded(report(), notice(1), online(20), *gone(26))
    assert case.spell.clock is Clock.UNDECIDED
    assert stands(case) == "undecided"


def test_overdue_and_unseen_is_undecided_when_read() -> None:
    """With no look after the deadline nothing changes state, and reading counts it as undecided."""
    case = folded(report(), notice(1), online(20))
    assert case.spell.clock is Clock.RUNNING
    assert stands(case) == "undecided"
    assert stands(case, 20) == "younger_than_norm"


def test_a_failed_notice_starts_no_clock() -> None:
    """A bounce that comes days later still means that nothing was owed (P12)."""
    bounced = event(at(60), ev.NoticeFailed(notice_id="n1", reason="unknown_mailbox"))
    case = folded(report(), notice(1), online(2), online(30), bounced)
    assert case.spell.clock is Clock.STOPPED
    assert case.spell.clock_started_at is None
    assert stands(case) == "not_started"


def test_the_second_notice_starts_the_clock_when_the_first_failed() -> None:
    """The clock starts at the first notice that did not fail."""
    bounced = event(at(2), ev.NoticeFailed(notice_id="n1", reason="blocked"))
    assert spell(report(), notice(1), bounced, notice(5, name="n2")).clock_started_at == at(5)


def test_a_notice_without_a_report_charges_nobody() -> None:
    """A notice to a case that nobody reported (a mistyped id) starts no clock; a late report does."""
    assert stands(folded(notice(1), online(30))) == "not_started"
    assert stands(folded(notice(1), online(30), report(0.5))) == "certain_breaches"


def test_delivery_may_start_the_clock() -> None:
    """Under a methodology that says so, the clock starts at the delivery."""
    method = ev.msgspec.structs.replace(NL, clock_start="notice_delivered")
    arrived = event(at(3), ev.NoticeDelivered(notice_id="n1"))
    assert spell(report(), notice(1), methodology=method).clock_started_at is None
    assert spell(report(), notice(1), arrived, methodology=method).clock_started_at == at(3)


def test_the_report_may_start_the_clock() -> None:
    """Under a receipt-based methodology the clock starts at the report."""
    method = ev.msgspec.structs.replace(NL, clock_start="report")
    assert spell(report(0.5), notice(4), methodology=method).clock_started_at == at(0.5)


def test_gone_before_the_notice_is_owed_nothing() -> None:
    """What was gone before the notice stands outside n and is shown (P11)."""
    case = folded(report(), online(0.5), *gone(1), notice(4))
    assert case.spell.gone_before_notice
    assert stands(case) == "excluded:gone_before_notice"


def test_a_return_is_counted_and_keeps_the_first_removal() -> None:
    """Online again after a confirmed removal: returned, and the first interval stands (P19)."""
    found = spell(report(), notice(1), online(2), *gone(5), online(40), *gone(50, further=6))
    assert found.clock is Clock.WITHIN
    assert found.returned_at == [at(40)]
    assert [r.lower for r in found.removals] == [at(2), at(40)]


def test_a_return_before_the_deadline_reopens_the_clock() -> None:
    """A removal that did not last until the deadline was none, where the methodology says so."""
    history = (report(), notice(1), online(2), *gone(5), online(10), online(30))
    ignored = ev.msgspec.structs.replace(NL, return_before_deadline="ignored")
    assert spell(*history).clock is Clock.BREACHED
    assert spell(*history, methodology=ignored).clock is Clock.WITHIN


def test_a_slow_look_from_before_the_removal_is_no_return() -> None:
    """A look that began before the removal was first seen proves no return, however late it ends."""
    slow = look(at(5) - timedelta(seconds=5), "online", took=7200)
    found = spell(report(), notice(1), online(2), *gone(5), slow)
    assert found.presence is Presence.REMOVED
    assert found.returned_at == []


def test_a_move_ends_the_spell_and_opens_the_next() -> None:
    """The same URL at another provider: the old spell ends, the new clock waits for its own notice (P7)."""
    case = folded(report(), notice(1), online(2), *moved(5))
    old, new = case.spells
    assert (old.procedure, old.closed_reason, old.clock) == (
        Procedure.CLOSED,
        "moved",
        Clock.STOPPED,
    )
    assert (new.provider, new.clock, new.presence) == ("small", Clock.STOPPED, Presence.ONLINE)
    assert standing(case, old, NL, at(48)) == "excluded:moved"


def test_the_notice_of_the_new_provider_may_come_before_the_sighting() -> None:
    """A notice to the new provider that went out first starts its clock when the move is seen."""
    case = folded(report(), notice(1), online(2), notice(4, "small", "n2"), *moved(5))
    assert case.spell.clock is Clock.RUNNING
    assert case.spell.clock_started_at == at(5)


def test_a_breach_stays_with_the_provider_that_committed_it() -> None:
    """A move after a certain breach changes nothing for the old provider."""
    case = folded(report(), notice(1), online(26), *moved(30))
    assert [s.clock for s in case.spells] == [Clock.BREACHED, Clock.STOPPED]


def test_two_providers_serving_is_no_move() -> None:
    """While the charged provider still serves it beside another, it has not moved (P10)."""
    both = look(at(3), "online", provider="giant")
    served = (*both.data.served, ev.Served(address="192.0.2.9", provider="small", online=True))  # type: ignore[attr-defined]
    second = event(both.time, ev.msgspec.structs.replace(both.data, served=served))
    assert len(folded(report(), notice(1), online(2), second).spells) == 1


def served_by_both(hours: float) -> Event:
    """Make a look that two providers behind one name serve."""
    one = look(at(hours), "online", provider="aid")
    assert isinstance(one.data, ev.LookMade)
    other = ev.Served(address="192.0.2.9", provider="small", online=True)
    return event(one.time, ev.msgspec.structs.replace(one.data, served=(*one.data.served, other)))


def test_of_two_providers_that_serve_the_one_that_is_told_is_charged() -> None:
    """A notice to either starts its clock, though a look that a lost packet spoilt had met only the other one."""
    for told in (notice(1, "small"), notice(1, "aid", "n2")):
        before = spell(
            report(provider=None), online(0.5, "aid"), served_by_both(0.8), told, online(1.5, "aid")
        )
        after = spell(report(provider=None), online(0.5, "aid"), told, served_by_both(1.5))
        wanted = (told.data.provider, at(1), Clock.RUNNING)  # type: ignore[attr-defined]
        assert (before.provider, before.clock_started_at, before.clock) == wanted
        assert (after.provider, after.clock_started_at, after.clock) == wanted


def test_of_two_providers_that_serve_the_first_that_is_told_stays_charged() -> None:
    """A later notice to the other one, or one that failed, changes nothing."""
    told = (served_by_both(0.5), notice(1, "small"), notice(2, "aid", "n2"))
    assert spell(report(provider=None), *told, served_by_both(3)).provider == "small"
    bounced = event(at(1.5), ev.NoticeFailed(notice_id="n1", reason="unknown_mailbox"))
    lost = (served_by_both(0.5), notice(1, "small"), bounced, notice(2, "aid", "n2"))
    found = spell(report(provider=None), *lost, served_by_both(3))
    assert (found.provider, found.clock_started_at) == ("aid", at(2))


def test_who_was_found_not_to_serve_is_not_charged_by_a_notice() -> None:
    """A provider that served it beside the charged one and lost it owes nothing more."""
    other_gone = served_by_both(0.8)
    assert isinstance(other_gone.data, ev.LookMade)
    first, second = other_gone.data.served
    parted = (first, ev.msgspec.structs.replace(second, online=False, gone=True))
    later = event(other_gone.time, ev.msgspec.structs.replace(other_gone.data, served=parted))
    found = spell(report(provider=None), served_by_both(0.5), later, notice(1, "small"))
    assert (found.provider, found.clock) == ("aid", Clock.STOPPED)


def test_the_first_sighting_corrects_the_reporters_guess() -> None:
    """Before a clock runs, who serves it replaces what a reporter stated."""
    case = folded(report(), online(0.5, "small"))
    assert [s.provider for s in case.spells] == ["small"]


def test_a_notice_to_the_wrong_provider_starts_no_clock() -> None:
    """Only the provider that serves it can owe anything."""
    assert spell(report(), online(0.5), notice(1, "small")).clock is Clock.STOPPED


def test_a_hold_moves_the_deadline() -> None:
    """While an authority holds, the clock stands still, and the deadline moves by that time (P20)."""
    hold = event(at(2), ev.HoldPlaced(actor="police", reason="case", expires_at=at(100)))
    lift = event(at(12), ev.HoldLifted(actor="police"))
    held = spell(report(), notice(1), hold, online(30))
    assert held.clock is Clock.ON_HOLD
    lifted = spell(report(), notice(1), hold, lift, online(30))
    assert lifted.deadline == at(35)
    assert lifted.clock is Clock.RUNNING


def test_a_hold_expires_by_itself() -> None:
    """A hold that nobody lifts ends at its expiry, noticed by the next event."""
    hold = event(at(2), ev.HoldPlaced(actor="police", reason="case", expires_at=at(12)))
    found = spell(report(), notice(1), hold, online(36))
    assert found.deadline == at(35)
    assert found.clock is Clock.BREACHED


def test_while_a_hold_stands_nothing_is_owed_yet() -> None:
    """Until it is lifted, a clock that stands still is owed when its hold expires; what ends it says what was owed."""
    hold = event(at(2), ev.HoldPlaced(actor="police", reason="case", expires_at=at(100)))
    held = folded(report(), notice(1), hold, online(30))
    assert held.spell.deadline == at(123)
    assert standing(held, held.spell, NL, at(122)) == "younger_than_norm"
    gone_meanwhile = folded(report(), notice(1), hold, online(30), *gone(40))
    assert gone_meanwhile.spell.clock is Clock.WITHIN
    assert standing(gone_meanwhile, gone_meanwhile.spell, NL, at(122)) == "younger_than_norm"
    assert standing(gone_meanwhile, gone_meanwhile.spell, NL, at(123)) == "within"
    lift = event(at(60), ev.HoldLifted(actor="police"))
    lifted = folded(report(), notice(1), hold, online(30), *gone(40), lift)
    assert lifted.spell.deadline == at(83)
    second = spell(report(), notice(1), hold, online(30, "giant"), *moved(31))
    assert second.number == 2


def test_a_clock_that_a_return_reopens_stands_still_under_the_hold() -> None:
    """What comes back while an authority holds it is on hold, not owed."""
    hold = event(at(2), ev.HoldPlaced(actor="police", reason="case", expires_at=at(100)))
    back = spell(report(), notice(1), hold, online(30), *gone(40), online(50))
    assert back.clock is Clock.ON_HOLD
    lift = event(at(60), ev.HoldLifted(actor="police"))
    lifted = spell(report(), notice(1), hold, online(30), *gone(40), online(50), lift, online(61))
    assert lifted.clock is Clock.RUNNING
    assert lifted.deadline == at(83)
    still = spell(report(), notice(1), hold, online(30), *gone(40), online(50), online(124))
    assert still.clock is Clock.BREACHED


def test_a_retraction_takes_the_case_out_of_all_counts() -> None:
    """A report that was wrong counts nowhere, and says so (P21)."""
    wrong = event(at(3), ev.ReportRetracted(actor="hotline", reason="legal"))
    case = folded(report(), notice(1), online(2), wrong, online(30))
    assert stands(case) == "excluded:retracted"
    assert entry_of(case, NL) is None


def test_a_reporter_takes_back_no_more_than_its_own_reports() -> None:
    """The case is out once nobody's report stands; what is reported later is a new report."""

    def back(hours: float, reporter: str) -> Event:
        return event(at(hours), ev.ReporterRetracted(reporter=reporter, reason="legal"))

    first, second = report(), report(1, reporter="another")
    wrong, also_wrong = back(3, "hotline"), back(4, "another")
    for told, out in (
        ([first, wrong], True),
        ([first, back(3, "stranger")], False),
        ([first, second, wrong], False),
        ([first, second, wrong, also_wrong], True),
        ([first, wrong, second], False),
        ([first, wrong, report(5)], False),
        ([back(-1, "hotline"), first], False),
    ):
        case = folded(*told, notice(1), online(2), online(30))
        assert (stands(case) == "excluded:retracted") is out
        assert (entry_of(case, NL) is None) is out


def test_what_can_not_be_measured_is_counted_and_never_watched() -> None:
    """A private or onion address is counted apart and gets no watch entry (P24, G17)."""
    case = folded(report(not_measurable="onion"), notice(1))
    assert stands(case) == "excluded:not_measurable"
    assert entry_of(case, NL) is None


def test_a_historic_report_is_counted_and_never_watched() -> None:
    """What was taken over from another system's records is never looked at."""
    assert entry_of(folded(report(historic=True), notice(1)), NL) is None


def test_an_erased_case_keeps_its_timings() -> None:
    """Erasing destroys the sealed URL and ends the watch; the figures stay."""
    erased = event(at(30), ev.CaseErased(actor="officer", reason="retention"))
    case = folded(report(), notice(1), online(2), *gone(5), erased)
    assert case.sealed_url is None
    assert entry_of(case, NL) is None
    assert stands(case) == "within"


def test_the_norm_depends_on_the_category() -> None:
    """Terrorist content has one hour."""
    assert spell(report(category="terrorist"), notice(1)).deadline == at(2)


def test_the_watch_entry_follows_the_case() -> None:
    """The probers are told the deadline, a suspicion and a removal, and nothing more."""
    fresh = entry_of(folded(report(), notice(1), online(2)), NL)
    assert fresh is not None
    assert (fresh.deadline, fresh.suspected_at, fresh.removed_at) == (at(25), None, None)
    first = gone(5)[0]
    suspected = entry_of(folded(report(), notice(1), online(2), first), NL)
    assert suspected is not None
    assert suspected.suspected_at == first.time
    removed = entry_of(folded(report(), notice(1), online(2), *gone(5)), NL)
    assert removed is not None
    assert removed.removed_at == first.time


def test_a_second_vantage_is_asked_at_the_deciding_look() -> None:
    """Where two vantages must agree, the second is asked only when its look would decide."""
    method = ev.msgspec.structs.replace(
        NL, confirmation=ev.msgspec.structs.replace(NL.confirmation, vantages=2)
    )
    looks = gone(5)
    early = entry_of(folded(report(), notice(1), online(2), looks[0], methodology=method), method)
    late = entry_of(folded(report(), notice(1), online(2), *looks, methodology=method), method)
    assert early is not None
    assert late is not None
    assert (early.second_vantage, late.second_vantage) == (False, True)
    assert late.removed_at is None
    other = look(at(6), "removed", vantage="v2")
    both = folded(report(), notice(1), online(2), *looks, other, methodology=method)
    assert both.spell.presence is Presence.REMOVED


def test_outcomes_are_named_by_their_cause() -> None:
    """Breach, removal, return and move become events whose ids a replay repeats."""
    history = [report(), notice(1), online(26), *gone(30), online(40), *moved(50)]
    case, transitions = fold(history, NL)
    found = outcomes(case, transitions, NL)
    kinds = ["breached", "removed", "returned", "moved"]
    assert [o.type.split(".")[2] for o in found] == kinds
    assert [o.id for o in found] == [o.id for o in outcomes(*fold(history, NL), NL)]
    taken_back = voided(case.case_id, found[0].id, found[0].type, at(60))
    assert taken_back.data.outcome_id == found[0].id  # type: ignore[attr-defined]


def test_an_outcome_with_another_interval_has_another_id() -> None:
    """A late look that changes since when a spell was gone makes another outcome, not another body."""
    history = [report(), notice(1), online(2), *gone(10), online(20), *moved(50)]
    before = outcomes(*fold(history, NL), NL)
    after = outcomes(*fold([*history, online(9)], NL), NL)
    assert [o.type for o in before] == [o.type for o in after]
    same_body = [one.data == other.data for one, other in zip(before, after, strict=True)]
    same_name = [one.id == other.id for one, other in zip(before, after, strict=True)]
    assert same_name == same_body
    assert False in same_body


def test_a_removal_at_the_instant_of_a_return_is_not_the_one_it_returned_from() -> None:
    """Where looks of one instant disagree, the later one adds an outcome and leaves the earlier one as it was."""
    method = shipped()["urlhaus-report-clock"]
    back = look(at(5), "online", provider="giant", took=0)
    others = (look(at(5), "removed", took=0, vantage=f"v{n}") for n in range(2, 100))
    again = next(one for one in others if order(one) > order(back))
    history = [look(at(3), "removed"), back]
    before = outcomes(*fold(history, method), method)
    after = outcomes(*fold([*history, again], method), method)
    assert [o.type.split(".")[2] for o in after] == ["removed", "returned", "removed"]
    assert [one.id for one in before] == [one.id for one in after[:2]]


def test_exposure_is_an_interval_too() -> None:
    """Hours online lie between what was seen and what is possible, over all periods online."""
    found = spell(
        *(report(), notice(1), online(2), online(5), *gone(6)),
        *(online(40), online(41), *gone(43, further=6)),
    )
    assert found.exposure_lower_seconds == pytest.approx(3600 * (3 + 1))
    assert found.exposure_upper_seconds == pytest.approx(3600 * (6 + 37), abs=2)


def test_an_empty_count_has_no_share() -> None:
    """A share of nothing is not zero, it is absent."""
    assert Count().lower is None
    assert Count().upper is None


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (50, 50, 0.9287, 1.0)],
)
def test_wilson(k: int, n: int, low: float, high: float) -> None:
    """Wilson's interval equals published values."""
    assert wilson(k, n) == pytest.approx((low, high), abs=5e-5)


GOOD = 'id="m"\nversion=1\ntitle="t"\n[cadence]\nsteps=[{every="1h"}]\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id=", "not TOML"),
        (GOOD.replace("version=1\n", ""), "version"),
        ("extra=1\n" + GOOD, "extra"),
        ('norm="1 day"\n' + GOOD, "norm"),
        ('norm="0h"\n' + GOOD, "longer than nothing"),
        (GOOD.replace('{every="1h"}', ""), "at least one step"),
        (GOOD.replace('{every="1h"}', '{every="1h"},{every="2h"}'), "only the last"),
        (GOOD + '[confirmation]\nlooks=1\nspan="5m"\n', "one look has no span"),
    ],
)
def test_a_wrong_methodology_is_refused(text: str, says: str) -> None:
    """Unknown fields, wrong values and contradictions are refused, naming the field."""
    with pytest.raises(ConfigError, match=says):
        parse(text, "m.toml")


def test_a_methodology_is_named_by_its_meaning() -> None:
    """A comment doesn't change the digest, a value does."""
    assert parse(GOOD, "m").digest == parse("# words\n" + GOOD, "m").digest
    assert parse(GOOD, "m").digest != parse(GOOD.replace("1h", "2h"), "m").digest


# -- baseline and dark hosts ---------------------------------------------------------------------


def dark(hour: float, vantage: str = "v1") -> Event:
    """Make a look that finds the whole host dark."""
    return look(at(hour), "removed", vantage=vantage, layer="host")


def test_the_baseline_is_the_first_sighting_and_is_published_once() -> None:
    """The first online look with headers sets the baseline; later looks change neither it nor the entry."""
    first = folded(report(), notice(1), look(at(2), "online", length=100))
    entry = entry_of(first, NL)
    assert entry is not None
    assert (entry.known_online, entry.baseline.content_length) == (True, 100)
    later = folded(
        report(), notice(1), look(at(2), "online", length=100), look(at(3), "online", length=200)
    )
    assert entry_of(later, NL) == entry
    assert entry_of(folded(report(), notice(1)), NL).known_online is False


def test_a_moved_case_has_a_baseline_of_its_own() -> None:
    """Another provider's server says other headers of the same file, and it stays known online."""
    case = folded(
        report(),
        notice(1),
        look(at(2), "online", provider="giant", length=100),
        *(look(at(3 + more), "online", provider="small", length=200) for more in (0, 0.25, 0.75)),
    )
    assert [s.baseline.content_length for s in case.spells] == [100, 200]
    assert case.known_online


def test_a_dark_host_is_no_suspicion_for_two_days() -> None:
    """One vantage in the dark moves nothing but the request for a second one, which is asked at the end alone."""
    looks = [dark(hour) for hour in (5, 20, 40)]
    case = folded(report(), notice(1), online(2), *looks)
    assert case.spell.presence is Presence.ONLINE
    entry = entry_of(case, NL)
    assert entry is not None
    assert (entry.suspected_at, entry.host_dark, entry.second_vantage) == (None, True, False)
    longer = folded(report(), notice(1), online(2), *looks, dark(54))
    assert longer.spell.presence is Presence.ONLINE
    assert entry_of(longer, NL).second_vantage


def test_a_host_dark_from_two_vantages_for_two_days_is_removed() -> None:
    """The second vantage's looks confirm it; R is the first dark look, the layer is host."""
    looks = [*(dark(hour) for hour in (5, 20, 40, 54)), dark(54.5, "v2"), dark(60.5, "v2")]
    case = folded(report(), notice(1), online(2), *looks)
    assert case.spell.presence is Presence.REMOVED
    removal = case.spell.removals[-1]
    assert (removal.layer, removal.upper) == ("host", looks[0].time)
    back = folded(report(), notice(1), online(2), *looks, online(62))
    assert back.spell.presence is Presence.RETURNED


def test_a_sign_of_life_ends_the_dark() -> None:
    """A look that finds it online, or gone at a host that answers, begins the dark anew."""
    alive = folded(report(), notice(1), online(2), dark(5), online(30), dark(54), dark(55, "v2"))
    assert alive.spell.dark.first_finished_at == dark(54).time
    answered = folded(report(), notice(1), online(2), dark(5), gone(30)[0])
    assert answered.spell.dark is None
    assert answered.spell.presence is Presence.SUSPECTED


def test_a_stored_case_of_before_has_the_digest_of_its_fold() -> None:
    """Bytes that were written with every default have the digest of a fold of today."""
    events = (report(), notice(1), online(2), online(3))
    case, moved = fold(events, NL)
    whole = {name: getattr(case.spell, name) for name in case.spell.__struct_fields__}
    told = ev.msgspec.msgpack.decode(encode_case(case))
    told["spells"] = [ev.msgspec.to_builtins(whole, builtin_types=(datetime,)) | {"block": None}]
    stored = decode_case(ev.msgspec.msgpack.encode(told))
    assert stored == case
    assert case_digest(stored, moved) == case_digest(case, moved)
