"""When an event is refused because nothing can be made of it: one rule for the live ledger and for a replay.

First ask whose fault it is. A value that the database refuses, or a defect that one event lays bare in the fold, is
that event's: the ledger sends it to the dead letters with its bytes untouched, a replay counts it as refused. An
outage passes, a missing table or right is the operator's, and whatever else is raised is a defect of the program:
each of these stops the ledger and stops a replay, for a record that went missing in silence would be worse.
"""

import asyncpg

from consumers.client.outages import is_transient
from schemas.errors import UnusableEvent
from services.core.machines import IllegalTransition

_FAULTS_OF_EVENTS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    IllegalTransition,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


def is_fault_of_event(error: Exception) -> bool:
    """Tell whether an error may be one event's fault, so that it goes away where that event is left out."""
    return isinstance(error, _FAULTS_OF_EVENTS) and not is_transient(error)


def unfoldable(error: Exception) -> UnusableEvent:
    """Refuse an event that nothing can be made of.

    Only the kind of the error is told: a driver's message may quote a value.
    """
    return UnusableEvent("unfoldable", f"the ledger can't take it: {type(error).__name__}")


def notice_conflict() -> UnusableEvent:
    """Report a notice whose id another one has already; it stays evidence, and the first one by time holds."""
    return UnusableEvent(
        "notice_conflict",
        "another notice of this case has this notice_id and another provider, channel or time; "
        "the earlier one holds, the later one counts for nothing",
    )


def id_conflict() -> UnusableEvent:
    """Refuse an event whose id names another fact already."""
    return UnusableEvent(
        "id_conflict", "another event of this case has this id and says something else"
    )
