"""Three small coupled machines per spell, each a table of (state, trigger) -> state, and the rules that couple them.

Events move procedure and presence. What they mean for the clock is concluded by the joint rules at the end of this
file, applied until none of them has anything to say.

The laws (each a property test in tests/unit/core/test_laws.py):

1. Folding is a function of the set of events; order is (event time, event id).
2. `undetermined` never moves L or R, never starts, stops or confirms anything, except that an answer of the host ends a
   run of looks that saw the whole host dark, and that something which is served, and is no wall, ends one that was
   plainly told that there is nothing. What counts as undetermined is said in `freshness.py`.
3. A removal needs a run of removal-class looks, longer where served and gone alternated before. R is the first look of
   the run; where vantages disputed, or agreed only after more than `agreement_spans`, it is the look at which they
   agreed. Where they disputed, or one of them saw both in turn, each has to find it gone for the span (`runs.py`).
4. A certain breach needs a look that saw it online at the charged provider, at or after the deadline. BREACHED is
   final.
5. within + certain breaches + undecided = n, for every group, always.
6. No timers: with no new event nothing changes state.
7. Event ids are functions of the facts, so a replay or a retry is a no-op.
8. A look that could not be made is recorded as missed.

A pair that is not in a table raises `IllegalTransition` and changes nothing.
Model: h11's connection state tables.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeVar

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
    (Clock.STOPPED, Trigger.REOPEN): Clock.RUNNING,
    (Clock.STOPPED, Trigger.STRADDLE): Clock.UNDECIDED,
    (Clock.WITHIN, Trigger.REOPEN): Clock.RUNNING,
    (Clock.WITHIN, Trigger.STRADDLE): Clock.UNDECIDED,
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


# -- the joint rules -----------------------------------------------------------------------------
#
# What an event means for the clock, by the state of the clock. Each rule gives at most one move; after it the rules of
# the new state are asked, until none has anything to say. A clock that is started under a hold, for instance, runs
# and stands still at once, and one that a return reopens does the same.


class RemovalInterval(Protocol):
    """A removal interval (lower, upper]; lower is None where nobody had seen it online."""

    @property
    def lower(self) -> datetime | None:
        """L."""

    @property
    def upper(self) -> datetime:
        """R."""


class Coupled(Protocol):
    """What the joint rules read of a spell."""

    presence: Presence
    clock: Clock
    clock_started_at: datetime | None
    clock_started_from: datetime | None
    deadline: datetime | None
    gone_before_notice: bool

    @property
    def removals(self) -> Sequence[RemovalInterval]:
        """Its removals so far."""

    @property
    def returned_at(self) -> Sequence[datetime]:
        """The first sighting after each removal."""


class Departure(NamedTuple):
    """A spell that is about to be closed at an instant, for a reason."""

    at: datetime
    reason: str


class News(NamedTuple):
    """What one event brings to a spell, as far as the clock may follow from it.

    `held`: a hold is in force. `reopens`: a return before the deadline makes the removal before it none. `within`: how
    long after the start what nobody saw may be gone, and count as gone before. Of the rest an event brings one thing
    at most.
    """

    held: bool
    reopens: bool
    within: timedelta
    owed_from: datetime | None = None
    started: bool = False
    seen_at: datetime | None = None
    removed: RemovalInterval | None = None
    left: Departure | None = None


class Conclusion(NamedTuple):
    """A move of the clock, and its detail."""

    trigger: Trigger
    detail: str | None = None


def _start(spell: Coupled, news: News) -> Conclusion | None:
    """Start the clock at the event that the methodology names, unless it is gone already: nothing is owed then."""
    starts = news.started and not is_gone_before(spell)
    return Conclusion(Trigger.START) if starts else None


def is_gone_before(spell: Coupled) -> bool:
    """Tell whether it is gone when the clock starts: at the first instant at which that may have been."""
    if spell.presence is not Presence.REMOVED:
        return False
    since = spell.clock_started_from
    return since is None or spell.removals[-1].upper <= since


def _pause(spell: Coupled, news: News) -> Conclusion | None:
    """Pause a running clock while a hold is in force."""
    return Conclusion(Trigger.HOLD) if news.held else None


def _release(spell: Coupled, news: News) -> Conclusion | None:
    """Let a paused clock run again once no hold is in force."""
    return None if news.held else Conclusion(Trigger.RELEASE)


def _take_back(spell: Coupled, news: News) -> Conclusion | None:
    """Take back what a removal decided, at the sighting that follows it; the start of the clock stays where it was.

    Before the deadline, where the methodology says so: it did not last. A removal of what nobody had seen before rests
    on absence alone (a gate, a wall of 404), so the first sighting takes it back under every methodology. After the
    deadline that leaves neither: gone at every look until then, and there after all.
    """
    seen, owed = news.seen_at, spell.deadline
    if seen is None or owed is None or not spell.removals:
        return None
    if spell.clock is Clock.STOPPED and not spell.gone_before_notice:
        return None
    never_seen = spell.removals[-1].lower is None
    if news.owed_from is not None and news.owed_from <= seen < owed:
        # Before the deadline or after it: it may have been gone in time.
        return Conclusion(Trigger.STRADDLE) if news.reopens or never_seen else None
    if seen < owed:
        return Conclusion(Trigger.REOPEN) if news.reopens or never_seen else None
    return Conclusion(Trigger.STRADDLE) if never_seen else None


def _breach(spell: Coupled, news: News) -> Conclusion | None:
    """A sighting at or after the deadline is a certain breach, unless it was gone in time (law 4)."""
    seen, owed = news.seen_at, spell.deadline
    if seen is None or owed is None or seen < owed:
        return None
    if not _may_have_been_in_time(spell, news, owed):
        return Conclusion(Trigger.SEEN_LATE)
    return Conclusion(Trigger.STRADDLE) if spell.clock is Clock.RUNNING else None


def gone_at(spell: Coupled, at: datetime) -> bool:
    """Tell whether an instant lies between a confirmed removal and the return that followed it, if any."""
    return any(
        removal.upper <= at
        and not any(back < at for back in spell.returned_at[number : number + 1])
        for number, removal in enumerate(spell.removals)
    )


def _gone_within(spell: Coupled, first: datetime, last: datetime) -> bool:
    """Tell whether it was gone at any instant of a time span, its ends included."""
    return gone_at(spell, first) or any(first < removal.upper <= last for removal in spell.removals)


def _may_have_been_in_time(spell: Coupled, news: News, owed: datetime) -> bool:
    """Tell whether it was gone at an instant that the deadline may mean.

    Or, where the start is a time span and a return takes no removal back, at one that the start may mean: for that
    instant it was gone before the notice.
    """
    if _gone_within(spell, news.owed_from or owed, owed):
        return True
    since, until = spell.clock_started_from, spell.clock_started_at
    if news.owed_from is None or news.reopens or since is None or until is None:
        return False
    return any(
        removal.lower is not None
        and removal.upper <= until
        and not any(back < since for back in spell.returned_at[number : number + 1])
        for number, removal in enumerate(spell.removals)
    )


def _decide(spell: Coupled, news: News) -> Conclusion | None:
    """A confirmed removal stops the clock: gone before it, in time, or with the deadline inside its interval.

    Never seen online is not gone before: a first look comes later than the notice, or much later, and finds a block
    or a gate. Only what is gone within the bound that the methodology names leaves n.
    """
    if news.removed is None:
        return None
    assert spell.clock_started_at is not None
    assert spell.deadline is not None
    lower, upper = news.removed.lower, news.removed.upper
    started = spell.clock_started_from or spell.clock_started_at
    bound = started + news.within if lower is None else started
    if upper <= bound:
        return Conclusion(Trigger.LEAVE, GONE_BEFORE_NOTICE)
    in_time = spell.clock is Clock.ON_HOLD or upper <= (news.owed_from or spell.deadline)
    return Conclusion(Trigger.IN_TIME if in_time else Trigger.STRADDLE)


def _leave(spell: Coupled, news: News) -> Conclusion | None:
    """The end of a spell stops its clock; past the deadline nobody can say any more what was owed."""
    if news.left is None:
        return None
    owed = (news.owed_from or spell.deadline) if spell.clock is Clock.RUNNING else None
    late = owed is not None and news.left.at > owed
    return Conclusion(Trigger.STRADDLE if late else Trigger.LEAVE, news.left.reason)


GONE_BEFORE_NOTICE = "gone_before_notice"
JOINT_RULES: Mapping[Clock, tuple[Callable[[Coupled, News], Conclusion | None], ...]] = {
    Clock.STOPPED: (_start, _take_back),
    Clock.RUNNING: (_breach, _decide, _leave, _pause),
    Clock.ON_HOLD: (_decide, _leave, _release),
    Clock.WITHIN: (_take_back,),
    Clock.UNDECIDED: (_breach,),
    Clock.BREACHED: (),
}


def conclude(spell: Coupled, news: News) -> Conclusion | None:
    """Give the next move of the clock that follows; None at the fixed point, where no rule has anything to say."""
    for rule in JOINT_RULES[spell.clock]:
        conclusion = rule(spell, news)
        if conclusion is not None:
            return conclusion
    return None
