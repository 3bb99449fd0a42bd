"""Why a spell stands where it stands: the standing of the core, with the reason as one word and as one sentence."""

from datetime import datetime

from msgspec import Struct

from schemas.ids import instant
from schemas.methodology import Methodology
from services.core.bounds import standing
from services.core.case import Case, Removal, Spell
from services.core.machines import GONE_BEFORE_NOTICE, Clock, gone_at
from services.core.no_clock import why_no_clock

_EXCLUDED = {
    "retracted": "the report was retracted: see the corrections",
    "not_measurable": "it can't be measured from outside, and was never looked at",
    "moved": "it moved to another provider, or its proxy named the host, while the clock ran",
    "held": "an authority asked to leave it: see the holds",
    "proxy": "its provider passes it on and can't remove it: the host is answerable for that",
}


_FAULTS = {
    "theirs": "by the provider's own fault",
    "ours": "by our fault",
    "way": "on the way",
    "unclear": "by nobody knows whose fault",
}


class Reason(Struct, frozen=True):
    """A standing, its reason in one word, and in one sentence for people."""

    standing: str
    word: str
    sentence: str


def explain(case: Case, spell: Spell, methodology: Methodology, cutoff: datetime) -> Reason:
    """Say where a spell stands at a cut-off, and why."""
    stands = standing(case, spell, methodology, cutoff)
    kind, _, excluded = stands.partition(":")
    if excluded == GONE_BEFORE_NOTICE:
        return Reason(stands, excluded, _gone_before(spell, methodology))
    if kind == "excluded":
        return Reason(stands, excluded, _EXCLUDED[excluded])
    if kind == "not_started":
        return Reason(stands, *_not_started(case, spell, methodology))
    assert spell.clock_started_at is not None
    assert spell.deadline is not None
    if kind == "younger_than_norm":
        started = instant(spell.clock_started_at)
        sentence = f"the clock started {started}: at the cut-off the norm was not over"
        return Reason(stands, "younger_than_norm", sentence)
    decided = {"within": _within, "certain_breaches": _breached}.get(kind, _undecided)
    return Reason(stands, *decided(spell, spell.deadline))


def _gone_before(spell: Spell, methodology: Methodology) -> str:
    """Say what was seen, and no more: that nothing was seen online is not that nothing was there."""
    assert spell.clock_started_at is not None
    started = spell.clock_started_from or spell.clock_started_at
    before = [removal for removal in spell.removals if removal.upper <= started]
    removal = before[-1] if before else spell.removals[0]
    seen, gone = _last_seen(spell, removal), instant(removal.upper)
    if before:
        return f"{seen}, first seen gone {gone}: not after the clock's start {instant(started)}"
    return (
        f"{seen}, first seen gone {gone}: after the clock's start {instant(started)} by no more than the "
        f"{methodology.gone_before_notice_within} that the methodology leaves for a first look"
    )


def _last_seen(spell: Spell, removal: Removal) -> str:
    if removal.lower is None:
        return "never seen online at this provider"
    by_look = removal.lower != spell.reported_online_at
    return f"last seen online {instant(removal.lower)}{'' if by_look else ' by the reporter'}"


_NO_CLOCK = {
    "no_report": "nothing was reported for this spell",
    "no_notice": "no notice went to the provider",
    "no_delivery": "no notice is known to have been delivered in time to count for this spell",
}


def _not_started(case: Case, spell: Spell, methodology: Methodology) -> tuple[str, str]:
    why = why_no_clock(case, spell, methodology)
    if why.word == "no_notice" and spell.beside:
        return why.word, f"{_NO_CLOCK[why.word]}, nor to another one that was seen serving it too"
    if why.word != "no_notice_arrived":
        return why.word, _NO_CLOCK[why.word]
    fault = _FAULTS[why.fault or "unclear"]
    return why.word, (
        f"every notice to the provider failed, the last one ({why.reason}) {fault}: no clock runs (P12)"
    )


def _within(spell: Spell, deadline: datetime) -> tuple[str, str]:
    in_time = [r for r in spell.removals if r.upper <= deadline]
    removal = in_time[-1] if in_time else spell.removals[-1]
    gone = f"{_last_seen(spell, removal)}, first seen gone {instant(removal.upper)}"
    if in_time:
        return "removed_in_time", f"{gone}, not after the deadline {instant(deadline)}"
    return "removed_on_hold", f"{gone}, while on hold"


def _breached(spell: Spell, deadline: datetime) -> tuple[str, str]:
    assert spell.breached_at is not None
    seen = instant(spell.breached_at)
    return "seen_online_late", f"seen online {seen}, at or after the deadline {instant(deadline)}"


def _undecided(spell: Spell, deadline: datetime) -> tuple[str, str]:
    if spell.clock is Clock.ON_HOLD:
        return "on_hold", "the clock stands still: see the holds"
    if spell.clock is Clock.RUNNING:
        return "overdue_unverified", (
            f"the deadline {instant(deadline)} is over, but no look at or after it that counts saw it "
            f"online at this provider, and no removal is confirmed{_shut_out(spell)}{_walled(spell)}"
        )
    if spell.clock is Clock.UNDECIDED and spell.clock_started_from is not None:
        return "start_within_span", _uncertain(spell, spell.clock_started_from, deadline)
    if spell.clock is Clock.UNDECIDED and gone_at(spell, deadline):
        back = next(at for at in spell.returned_at if at >= deadline)
        return "seen_first_late", (
            f"gone at every look until the deadline {instant(deadline)}, never seen online before, "
            f"and seen online {instant(back)}: what was there at the deadline nobody can tell"
        )
    late = next((r for r in spell.removals if r.upper > deadline), None)
    if spell.clock is Clock.UNDECIDED and late is not None:
        return "straddles_deadline", _straddle(spell, late, deadline)
    why = spell.closed_reason or ("gone_before_notice" if spell.gone_before_notice else "left")
    return f"ended_{why}", f"the spell ended ({why}) without a look that decides"


def _uncertain(spell: Spell, since: datetime, deadline: datetime) -> str:
    """Say what is known where the source of the clock's start says no more than a span."""
    assert spell.clock_started_at is not None
    removal = spell.removals[-1] if spell.removals else None
    gone = "" if removal is None else f", first seen gone {instant(removal.upper)}"
    seen = "not seen gone" if removal is None else _last_seen(spell, removal)
    return (
        f"{seen}{gone}: the clock started between {instant(since)} and {instant(spell.clock_started_at)}, by a source "
        f"that says no more, and {instant(deadline)} is the last instant that the deadline may be"
    )


def _walled(spell: Spell) -> str:
    """Name the block behind which nobody at home can tell what is there."""
    block = spell.block
    if block is None:
        return ""
    return f"; vantage {block.vantage} is kept out: looks that met a block, in a row: {block.looks}"


def _shut_out(spell: Spell) -> str:
    """Say why looks that agree confirm nothing where the vantage of the first of them was kept out since."""
    run = spell.run
    if run is None or not run.shut_out:
        return ""
    return (
        f"; it was gone from {run.vantages[0]} at {instant(run.first_finished_at)}, which was kept out since, so that "
        "where vantages have to agree another one has to find it gone for the whole span"
    )


def _straddle(spell: Spell, removal: Removal, deadline: datetime) -> str:
    gone = f"{_last_seen(spell, removal)}, first seen gone {instant(removal.upper)}"
    return f"{gone}: the deadline {instant(deadline)} lies between"
