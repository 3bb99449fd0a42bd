"""Three small coupled machines per spell, each a table of (state, trigger) -> state.

The laws (each a property test in tests/unit/core/test_laws.py):

1. Folding is a function of the set of events; order is (event time, event id).
2. `undetermined` never moves L or R, never starts, stops or confirms anything.
3. A removal needs a run of removal-class looks; R is the first look of the run.
4. A certain breach needs a look that saw it online at or after the deadline. BREACHED is final.
5. within + certain breaches + undecided = n, for every group, always.
6. No timers: with no new event nothing changes state.
7. Event ids are functions of the facts, so a replay or a retry is a no-op.
8. A look that could not be made is recorded as missed.

A pair that is not in a table raises `IllegalTransition` and changes nothing.
Model: h11's connection state tables.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from schemas.errors import TakedownError


class Procedure(StrEnum):
    """What was said about the spell."""

    REPORTED = "REPORTED"
    NOTIFIED = "NOTIFIED"
    CLOSED = "CLOSED"


class Presence(StrEnum):
    """What was seen; `undetermined` looks move nothing here."""

    UNSEEN = "UNSEEN"
    ONLINE = "ONLINE"
    SUSPECTED = "SUSPECTED"
    REMOVED = "REMOVED"
    RETURNED = "RETURNED"


class Clock(StrEnum):
    """What is owed."""

    STOPPED = "STOPPED"
    RUNNING = "RUNNING"
    WITHIN = "WITHIN"
    BREACHED = "BREACHED"
    UNDECIDED = "UNDECIDED"
    ON_HOLD = "ON_HOLD"


class Trigger(StrEnum):
    """What moves a machine: events, and what the joint rules conclude from them."""

    NOTICE = "notice"
    CLOSE = "close"
    SEEN = "seen"
    SUSPECT = "suspect"
    CONFIRM = "confirm"
    START = "start"
    IN_TIME = "in_time"
    SEEN_LATE = "seen_late"
    STRADDLE = "straddle"
    HOLD = "hold"
    RELEASE = "release"
    REOPEN = "reopen"
    LEAVE = "leave"


class IllegalTransition(TakedownError):
    """A trigger that the state does not know: a defect of this program, never of an event."""


S = TypeVar("S", bound=StrEnum)

PROCEDURE: Mapping[tuple[Procedure, Trigger], Procedure] = {
    (Procedure.REPORTED, Trigger.NOTICE): Procedure.NOTIFIED,
    (Procedure.REPORTED, Trigger.CLOSE): Procedure.CLOSED,
    (Procedure.NOTIFIED, Trigger.NOTICE): Procedure.NOTIFIED,
    (Procedure.NOTIFIED, Trigger.CLOSE): Procedure.CLOSED,
}

PRESENCE: Mapping[tuple[Presence, Trigger], Presence] = {
    (Presence.UNSEEN, Trigger.SEEN): Presence.ONLINE,
    (Presence.UNSEEN, Trigger.SUSPECT): Presence.SUSPECTED,
    (Presence.ONLINE, Trigger.SEEN): Presence.ONLINE,
    (Presence.ONLINE, Trigger.SUSPECT): Presence.SUSPECTED,
    (Presence.SUSPECTED, Trigger.SEEN): Presence.ONLINE,
    (Presence.SUSPECTED, Trigger.SUSPECT): Presence.SUSPECTED,
    (Presence.SUSPECTED, Trigger.CONFIRM): Presence.REMOVED,
    (Presence.REMOVED, Trigger.SUSPECT): Presence.REMOVED,
    (Presence.REMOVED, Trigger.SEEN): Presence.RETURNED,
    (Presence.RETURNED, Trigger.SEEN): Presence.RETURNED,
    (Presence.RETURNED, Trigger.SUSPECT): Presence.SUSPECTED,
}

CLOCK: Mapping[tuple[Clock, Trigger], Clock] = {
    (Clock.STOPPED, Trigger.START): Clock.RUNNING,
    (Clock.RUNNING, Trigger.IN_TIME): Clock.WITHIN,
    (Clock.RUNNING, Trigger.SEEN_LATE): Clock.BREACHED,
    (Clock.RUNNING, Trigger.STRADDLE): Clock.UNDECIDED,
    (Clock.RUNNING, Trigger.HOLD): Clock.ON_HOLD,
    (Clock.RUNNING, Trigger.LEAVE): Clock.STOPPED,
    (Clock.ON_HOLD, Trigger.RELEASE): Clock.RUNNING,
    (Clock.ON_HOLD, Trigger.IN_TIME): Clock.WITHIN,
    (Clock.ON_HOLD, Trigger.LEAVE): Clock.STOPPED,
    (Clock.WITHIN, Trigger.REOPEN): Clock.RUNNING,
    (Clock.UNDECIDED, Trigger.SEEN_LATE): Clock.BREACHED,
}


def advance(table: Mapping[tuple[S, Trigger], S], state: S, trigger: Trigger) -> S:
    """Look up the next state; raises `IllegalTransition` for an unknown pair."""
    try:
        return table[state, trigger]
    except KeyError:
        raise IllegalTransition(
            f"{type(state).__name__} {state} knows no {trigger}; this is a defect, please report it"
        ) from None
