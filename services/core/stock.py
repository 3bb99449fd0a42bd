"""What a spell adds to the stock at a cut-off (online, due, overdue, unnotified), and what became of notices.

Reports ask here; the exporter's SQL says the same of rows, and a property test compares the two.
"""

from datetime import datetime, timedelta
from typing import Literal

from services.core.bounds import exclusion
from services.core.case import Case, Notice, Spell
from services.core.machines import Clock, Presence, Procedure

NoticeState = Literal["sent", "delivered", "failed", "acknowledged"]
# The share of the norm, at its end, in which a deadline is near: the last 2 of 24 hours.
NEAR_DEADLINE = 12
# An enumeration looks its members up anew each time, which costs more than all the rest of a comparison.
_CLOSED, _REMOVED = Procedure.CLOSED, Presence.REMOVED


def still_online(case: Case, spell: Spell) -> bool:
    """Tell whether an open spell was seen online and no removal has been confirmed since."""
    return (
        not case.retracted
        and spell.procedure is not _CLOSED
        and spell.presence is not _REMOVED
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
    """Tell whether an open spell that may count waits for its first notice.

    Whether one that was sent arrived is another question, which `waits` in the reports' channels answers.
    """
    return spell.procedure is Procedure.REPORTED and exclusion(case, spell) is None


def notice_state(notice: Notice) -> NoticeState:
    """Say what became of a notice. A failure outweighs an answer, as it does for the clock, which it never starts."""
    if notice.failed_at is not None:
        return "failed"
    if notice.acknowledged_at is not None:
        return "acknowledged"
    return "sent" if notice.delivered_at is None else "delivered"
