"""The removal time of a spell as an interval (left, right] in the methodology's own time.

It agrees with the clock: the right end is at most the norm exactly where the removal was within it, and the left end
at least the norm exactly where the breach is certain. Time on hold does not count, and working time counts where
the methodology says so.
"""

from datetime import datetime, timedelta

from schemas.methodology import Methodology
from services.core.calendar import calendar_of
from services.core.case import Removal, Spell
from services.core.intervals import Interval
from services.core.machines import Clock, gone_at

_RESOLUTION = 1440
# An enumeration looks its members up anew each time, which costs more than all the rest of a comparison.
_WITHIN, _UNDECIDED = Clock.WITHIN, Clock.UNDECIDED


def resolution(methodology: Methodology) -> float:
    """Give the step, in seconds, to which removal times are rounded outward: a minute for a norm of 24 hours."""
    return methodology.norm_for("").total_seconds() / _RESOLUTION


def lasting_removal(spell: Spell, methodology: Methodology) -> Removal | None:
    """Find the removal that counts: the first, but for those that the next sighting took back (`machines.py`)."""
    if not spell.returned_at:
        return spell.removals[0] if spell.removals else None
    reopens = methodology.return_before_deadline == "reopens"
    for number, removal in enumerate(spell.removals):
        back = spell.returned_at[number] if number < len(spell.returned_at) else None
        if back is None or spell.deadline is None:
            return removal
        if removal.lower is not None and not (reopens and back < spell.deadline):
            return removal
    return None


def removal_time(spell: Spell, methodology: Methodology, norm: timedelta) -> Interval | None:
    """Give the removal interval of a spell whose clock started; None for one that never was at risk.

    A spell that was not seen to be removed is open to the right of the last look that saw it online. One that was
    gone before its notice is open to the left: it took no time at all, where the methodology counts it.
    """
    if spell.clock_started_at is None or _not_counted(spell, methodology):
        return None
    removal = lasting_removal(spell, methodology)
    if (
        spell.clock is _UNDECIDED
        and _is_unknown(spell)
        and (removal is None or spell.clock_started_from is None)
    ):
        return 0.0, None
    last = spell.last_seen_at if removal is None else removal.lower
    left = 0.0 if last is None else passed(spell, methodology, norm, last)
    right = None if removal is None else _at_most(spell, methodology, norm, removal.upper)
    if right is not None and spell.clock is _WITHIN:
        # Removed while a hold stood: within the norm, however long the hold lasted.
        right = min(right, norm.total_seconds())
    return (left, right) if right is None else (min(left, right), right)


def _at_most(spell: Spell, methodology: Methodology, norm: timedelta, at: datetime) -> float:
    """Tell how many seconds the clock may have run: more by the time span in which it started."""
    ran = passed(spell, methodology, norm, at)
    if spell.clock_started_from is None or spell.clock_started_at is None:
        return ran
    if at <= spell.clock_started_at:
        span = at - spell.clock_started_from
    else:
        calendar = calendar_of(methodology)
        span = calendar.between(spell.clock_started_from, spell.clock_started_at)
    return ran + max(span.total_seconds(), 0.0)


def _is_unknown(spell: Spell) -> bool:
    """Tell whether one that is undecided was gone at every look until the deadline, and there after all."""
    owed = spell.deadline
    return owed is not None and gone_at(spell, owed)


def _not_counted(spell: Spell, methodology: Methodology) -> bool:
    return spell.gone_before_notice and "gone_before_notice" in methodology.exclude


def passed(spell: Spell, methodology: Methodology, norm: timedelta, at: datetime) -> float:
    """Tell how many seconds the clock of a spell had run at an instant, never below nothing.

    Told from the deadline where a hold moved it, so that the norm is met exactly at the deadline.
    """
    assert spell.clock_started_at is not None
    assert spell.deadline is not None
    if spell.held_at is None and methodology.business is None:
        elapsed = (at - spell.clock_started_at).total_seconds()
        return elapsed if elapsed > 0.0 else 0.0
    calendar = calendar_of(methodology)
    if spell.held_at is None or at <= spell.held_at:
        ran = calendar.between(spell.clock_started_at, at)
    else:
        before = calendar.between(spell.clock_started_at, spell.held_at)
        ran = max(before, norm + calendar.between(spell.deadline, at))
    return max(ran.total_seconds(), 0.0)
