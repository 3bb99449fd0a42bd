"""When to look next: a pure function of the watch entry, the methodology and an instant.

Ticks lie on a grid that the entry alone fixes, so a restarted prober resumes the same ticks.
Dense early, dense around the deadline (only an interval that straddles it costs certainty), dense while a removal
is being confirmed, then a decaying tail that catches returns. The tail begins with a tick at once: of a removal that
one is past when it is confirmed, of a report that says that it is back it is the look that was asked for.

Ticks are counted in whole microseconds (`core.instants`): a prober plans a million of them at a start, and a tick
is part of the name of its look, so it must come out the same on every machine.
"""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from schemas.events import WatchEntry
from schemas.methodology import Methodology, seconds
from services.core.instants import micros, moment, span

_NEVER = 2**62
_SECOND = 1_000_000


class Watched(NamedTuple):
    """What the cadence asks of a case, in microseconds.

    `since` is the start of the watch or, of a removed case, the removal or the last report after it; `jitter` puts
    all its ticks off; `further`: so many more confirming looks than usual.
    """

    since: int
    deadline: int | None
    suspected: int | None
    removed: bool
    jitter: int
    further: int = 0


class Plan:
    """A methodology's cadence in microseconds, prepared once."""

    __slots__ = (
        "confirm", "confirm_every", "confirm_further", "deadline", "jitter", "steps", "tail",
    )  # fmt: skip

    def __init__(self, methodology: Methodology) -> None:
        cadence = methodology.cadence
        self.steps: list[tuple[int, int, int]] = []
        start = 0
        for step in cadence.steps:
            until = _NEVER if step.until is None else span(seconds(step.until))
            self.steps.append((start, until, max(span(seconds(step.every)), 1)))
            start = until
        self.deadline = sorted(span(seconds(text)) for text in cadence.deadline)
        self.confirm = sorted(span(seconds(text)) for text in cadence.confirm)
        self.confirm_every = max(span(seconds(cadence.confirm_every)), 1)
        self.confirm_further = max(span(seconds(cadence.confirm_further)), 1)
        self.tail = sorted({0, *(span(seconds(text)) for text in cadence.tail)})
        self.jitter = span(seconds(cadence.jitter))

    def jitter_of(self, name: int) -> int:
        """Spread the cases over the jitter by the first 32 bits of their name: nothing random, no thundering herd."""
        return self.jitter * name >> 32

    def next_tick(self, watched: Watched, after: int) -> int | None:
        """Give the first tick later than `after`; None when the watch has ended."""
        since, deadline, suspected, removed, jitter, further = watched
        after -= jitter
        if removed:
            tick = _offset(since, self.tail, after)
            return None if tick is None else tick + jitter
        tick = self._grid(since, after)
        if deadline is not None:
            tick = _earlier(tick, _offset(deadline, self.deadline, after))
        if suspected is not None:
            tick = _earlier(tick, self._confirming(suspected, further, after))
        return None if tick is None else tick + jitter

    def ticks(self, watched: Watched, after: int, until: int) -> Iterator[int]:
        """Give every tick in (after, until]."""
        tick = self.next_tick(watched, after)
        while tick is not None and tick <= until:
            yield tick
            tick = self.next_tick(watched, tick)

    def latest_tick(self, watched: Watched, now: int) -> int | None:
        """Give the last tick at or before `now`, without a walk over the whole past."""
        reach = _SECOND
        while True:
            after = max(now - reach, 0)
            tick = self.next_tick(watched, after)
            if tick is not None and tick <= now:
                break
            if after == 0:
                return None
            reach *= 4
        for later in self.ticks(watched, tick, now):
            tick = later
        return tick

    def last_tick(self, watched: Watched) -> int | None:
        """Give the last tick there will be; None where the looks have no end."""
        since, deadline, suspected, removed, jitter, _ = watched
        if removed:
            return since + self.tail[-1] + jitter
        ends = max((until for _, until, _ in self.steps), default=0)
        if ends >= _NEVER or suspected is not None:
            return None
        last = since + ends
        if deadline is not None and self.deadline:
            last = max(last, deadline + self.deadline[-1])
        return last + jitter

    def _grid(self, since: int, after: int) -> int | None:
        passed = after - since
        if passed < 0:
            return since
        for start, until, every in self.steps:
            if passed < until:
                return since + min(start + ((passed - start) // every + 1) * every, until)
        return None

    def _confirming(self, since: int, further: int, after: int) -> int:
        tick = _offset(since, self.confirm, after)
        if tick is not None:
            return tick
        tick = since + max((after - since) // self.confirm_every + 1, 1) * self.confirm_every
        last = since + (self.confirm[-1] if self.confirm else 0)
        number = max(after - last, 0) // self.confirm_further + 1
        return tick if number > further else min(tick, last + number * self.confirm_further)


_plans: dict[str, Plan] = {}


def plan_of(methodology: Methodology) -> Plan:
    """Prepare a methodology's cadence; kept by digest, because a prober asks for it at every look."""
    plan = _plans.get(methodology.digest)
    if plan is None:
        plan = _plans[methodology.digest] = Plan(methodology)
    return plan


def watched(entry: WatchEntry, case_id: str, plan: Plan) -> Watched:
    """Take from an entry what the cadence asks for."""
    removed, owed, suspected = entry.removed_at, entry.deadline, entry.suspected_at
    return Watched(
        micros(removed or entry.watch_from),
        None if owed is None else micros(owed),
        None if suspected is None else micros(suspected),
        removed is not None,
        plan.jitter_of(int(case_id[:8], 16)),
        entry.further_looks,
    )


def next_look(
    entry: WatchEntry, case_id: str, methodology: Methodology, after: datetime
) -> datetime | None:
    """Give the first tick later than `after`; None when the watch has ended."""
    plan = plan_of(methodology)
    tick = plan.next_tick(watched(entry, case_id, plan), micros(after))
    return None if tick is None else moment(tick)


def last_look(entry: WatchEntry, case_id: str, methodology: Methodology) -> datetime | None:
    """Give the last tick there will be; None where the looks have no end."""
    plan = plan_of(methodology)
    tick = plan.last_tick(watched(entry, case_id, plan))
    return None if tick is None else moment(tick)


def ticks_between(
    entry: WatchEntry, case_id: str, methodology: Methodology, after: datetime, until: datetime
) -> Iterator[datetime]:
    """Give every tick in (after, until]."""
    plan = plan_of(methodology)
    case = watched(entry, case_id, plan)
    return (moment(tick) for tick in plan.ticks(case, micros(after), micros(until)))


def _offset(base: int, offsets: list[int], after: int) -> int | None:
    place = bisect_right(offsets, after - base)
    return base + offsets[place] if place < len(offsets) else None


def _earlier(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return one if other is None else other
    return one if one <= other else other
