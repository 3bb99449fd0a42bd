"""What one spell adds to the stock at a cut-off: online, due soon, overdue, and how long it was exposed.

Reports ask here; the exporter's SQL says the same of rows, and a property test compares the two.
"""

from datetime import datetime, timedelta

from services.core.bounds import exclusion
from services.core.case import Case, Spell
from services.core.machines import Clock, Presence, Procedure

# The share of the norm, at its end, in which a deadline is near: the last 2 of 24 hours.
NEAR_DEADLINE = 12


def exposure_seconds(spell: Spell, cutoff: datetime) -> tuple[float, float]:
    """Give how long known material stayed online at this provider until a cut-off: at least, at most.

    A stretch that no removal has closed counts from the sighting that opened it to the last one below, and from
    the removal before it, or the opening of the spell, to the cut-off above. Sums leave out what was retracted (P21).
    """
    lower, upper = spell.exposure_lower_seconds, spell.exposure_upper_seconds
    if spell.online_from is not None and spell.known_online_at is not None:
        lower += max(0.0, (spell.known_online_at - spell.online_from).total_seconds())
    if spell.online_from is not None and spell.maybe_online_from is not None:
        end = min(cutoff, spell.closed_at or cutoff)
        upper += max(0.0, (end - spell.maybe_online_from).total_seconds())
    return lower, upper


def still_online(case: Case, spell: Spell) -> bool:
    """Tell whether an open spell was seen online and no removal has been confirmed since."""
    return (
        not case.retracted
        and spell.procedure is not Procedure.CLOSED
        and spell.presence is not Presence.REMOVED
        and spell.first_online_at is not None
    )


def due_soon(spell: Spell, norm: timedelta, cutoff: datetime) -> bool:
    """Tell whether the clock runs out in the last twelfth of the norm while it was last seen online."""
    return (
        spell.clock is Clock.RUNNING
        and spell.presence in (Presence.ONLINE, Presence.RETURNED)
        and spell.deadline is not None
        and timedelta(0) < spell.deadline - cutoff < norm / NEAR_DEADLINE
    )


def overdue_unverified(spell: Spell, cutoff: datetime) -> bool:
    """Tell whether the deadline has passed, and no look since tells whether it was online then."""
    return spell.clock is Clock.RUNNING and spell.deadline is not None and spell.deadline <= cutoff


def without_notice(case: Case, spell: Spell) -> bool:
    """Tell whether an open spell that may count waits for its notice."""
    return spell.procedure is Procedure.REPORTED and exclusion(case, spell) is None
