"""When to look next: a pure function of the watch entry, the methodology and an instant.

Ticks lie on a grid that the entry alone fixes, so a restarted prober resumes the same ticks.
Dense early, dense around the deadline (only an interval that straddles it costs certainty), dense while a removal
is being confirmed, then a decaying tail that catches returns.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from schemas.events import WatchEntry
from schemas.methodology import Methodology, seconds

_NEVER = float("inf")


class Plan:
    """A methodology's cadence in seconds, prepared once."""

    __slots__ = ("confirm", "confirm_every", "deadline", "jitter", "steps", "tail")

    def __init__(self, methodology: Methodology) -> None:
        cadence = methodology.cadence
        self.steps: list[tuple[float, float, float]] = []
        start = 0.0
        for step in cadence.steps:
            until = _NEVER if step.until is None else seconds(step.until)
            self.steps.append((start, until, seconds(step.every)))
            start = until
        self.deadline = sorted(seconds(text) for text in cadence.deadline)
        self.confirm = sorted(seconds(text) for text in cadence.confirm)
        self.confirm_every = seconds(cadence.confirm_every)
        self.tail = sorted(seconds(text) for text in cadence.tail)
        self.jitter = seconds(cadence.jitter)


_plans: dict[str, Plan] = {}


def plan_of(methodology: Methodology) -> Plan:
    """Prepare a methodology's cadence; kept by digest, because a prober asks for it at every look."""
    found = _plans.get(methodology.digest)
    if found is None:
        found = _plans[methodology.digest] = Plan(methodology)
    return found


def jitter_share(case_id: str) -> float:
    """Spread the cases over the jitter, in [0, 1), by their name: no randomness, no thundering herd."""
    return int(case_id[:8], 16) / 0x1_0000_0000


def next_look(
    entry: WatchEntry, case_id: str, methodology: Methodology, after: datetime
) -> datetime | None:
    """Give the first tick later than `after`; None when the watch has ended."""
    plan = plan_of(methodology)
    jitter = timedelta(seconds=plan.jitter * jitter_share(case_id))
    ticks = (tick for tick in _candidates(entry, plan, after - jitter) if tick is not None)
    first = min(ticks, default=None)
    return None if first is None else first + jitter


def ticks_between(
    entry: WatchEntry, case_id: str, methodology: Methodology, after: datetime, until: datetime
) -> Iterator[datetime]:
    """Give every tick in (after, until]."""
    tick = next_look(entry, case_id, methodology, after)
    while tick is not None and tick <= until:
        yield tick
        tick = next_look(entry, case_id, methodology, tick)


def _candidates(entry: WatchEntry, plan: Plan, after: datetime) -> Iterator[datetime | None]:
    if entry.removed_at is not None:
        yield _first_offset(entry.removed_at, plan.tail, after)
        return
    yield _grid(entry.watch_from, plan, after)
    if entry.deadline is not None:
        yield _first_offset(entry.deadline, plan.deadline, after)
    if entry.suspected_at is not None:
        yield _first_offset(entry.suspected_at, plan.confirm, after) or _every(
            entry.suspected_at, plan.confirm_every, after
        )


def _first_offset(base: datetime, offsets: list[float], after: datetime) -> datetime | None:
    passed = (after - base).total_seconds()
    found = next((offset for offset in offsets if offset > passed), None)
    return None if found is None else base + timedelta(seconds=found)


def _every(base: datetime, step: float, after: datetime) -> datetime:
    count = int((after - base).total_seconds() // step) + 1
    return base + timedelta(seconds=max(count, 1) * step)


def _grid(base: datetime, plan: Plan, after: datetime) -> datetime | None:
    passed = (after - base).total_seconds()
    if passed < 0:
        return base
    for start, until, every in plan.steps:
        if passed < until:
            offset = start + ((passed - start) // every + 1) * every
            if offset < until:
                return base + timedelta(seconds=offset)
            if until != _NEVER:
                return base + timedelta(seconds=until)
    return None
