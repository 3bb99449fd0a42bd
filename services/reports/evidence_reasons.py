"""Why a spell stands where it stands: the standing of the core, with the reason as one word and as one sentence."""

from datetime import datetime

from msgspec import Struct

from schemas.ids import instant
from schemas.methodology import Methodology
from services.core.bounds import standing
from services.core.case import Case, Notice, Removal, Spell
from services.core.machines import Clock

_EXCLUDED = {
    "retracted": "the report was retracted: see the corrections",
    "not_measurable": "it can't be measured from outside, and was never looked at",
    "gone_before_notice": "it was gone before the clock started, so there was nothing to owe",
    "moved": "it moved to another provider while the clock ran",
    "held": "an authority asked to leave it: see the holds",
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


def _not_started(case: Case, spell: Spell, methodology: Methodology) -> tuple[str, str]:
    told = [n for n in case.notices.values() if n.provider == spell.provider]
    if methodology.clock_start == "report":
        return "no_report", "nothing was reported for this spell"
    if not told:
        return "no_notice", "no notice went to the provider"
    if all(_failed(case, notice) for notice in told):
        return "no_notice_arrived", "every notice to the provider failed: no clock runs (P12)"
    return (
        "no_delivery",
        "no notice is known to have been delivered in time to count for this spell",
    )


def _failed(case: Case, notice: Notice) -> bool:
    return notice.notice_id in case.failed_notices


def _within(spell: Spell, deadline: datetime) -> tuple[str, str]:
    in_time = [r for r in spell.removals if r.upper <= deadline]
    if in_time:
        gone = instant(in_time[-1].upper)
        return (
            "removed_in_time",
            f"first seen gone {gone}, not after the deadline {instant(deadline)}",
        )
    return "removed_on_hold", f"first seen gone {instant(spell.removals[-1].upper)}, while on hold"


def _breached(spell: Spell, deadline: datetime) -> tuple[str, str]:
    assert spell.breached_at is not None
    seen = instant(spell.breached_at)
    return "seen_online_late", f"seen online {seen}, at or after the deadline {instant(deadline)}"


def _undecided(spell: Spell, deadline: datetime) -> tuple[str, str]:
    if spell.clock is Clock.ON_HOLD:
        return "on_hold", "the clock stands still: see the holds"
    if spell.clock is Clock.RUNNING:
        return "overdue_unverified", (
            f"the deadline {instant(deadline)} is over, but no look at or after it saw it online, "
            f"and no removal is confirmed{_walled(spell)}"
        )
    late = next((r for r in spell.removals if r.upper > deadline), None)
    if spell.clock is Clock.UNDECIDED and late is not None:
        return "straddles_deadline", _straddle(late, deadline)
    why = spell.closed_reason or ("gone_before_notice" if spell.gone_before_notice else "left")
    return f"ended_{why}", f"the spell ended ({why}) without a look that decides"


def _walled(spell: Spell) -> str:
    """Name the block behind which nobody at home can tell what is there."""
    block = spell.block
    if block is None:
        return ""
    return f"; vantage {block.vantage} is kept out: looks that met a block, in a row: {block.looks}"


def _straddle(removal: Removal, deadline: datetime) -> str:
    seen = (
        "never seen online"
        if removal.lower is None
        else f"last seen online {instant(removal.lower)}"
    )
    return f"{seen}, first seen gone {instant(removal.upper)}: the deadline {instant(deadline)} lies between"
