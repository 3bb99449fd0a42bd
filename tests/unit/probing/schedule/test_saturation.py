"""Deadlines first: what the schedule does with a tenth of the looks that its cases owe."""

import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

import pytest

from services.probing.schedule.scheduler import Schedule
from tests.unit.probing.schedule.test_scheduler import HOUR, MINUTE, START, entry, schedule

CASES = 300
NORM = 24 * HOUR
NEAR = NORM / 12
LOOKS_A_MINUTE = CASES * 45 / (72 * 60)
"""What so many cases owe, roughly: 45 looks each in three days."""


@dataclass
class Played:
    """What came of the ticks: by hour, near a deadline or not, how many minutes late; None: no look."""

    plan: Schedule
    near: dict[int, list[float | None]] = field(default_factory=lambda: defaultdict(list))
    others: dict[int, list[float | None]] = field(default_factory=lambda: defaultdict(list))
    after: dict[str, timedelta] = field(default_factory=dict)
    backlog: int = 0
    last: dict[str, datetime] = field(default_factory=dict)

    def of_the_same_hours(self) -> tuple[list[float | None], list[float | None]]:
        """Give the two kinds of the hours that had both."""
        both = self.near.keys() & self.others.keys()
        return (
            [late for hour in both for late in self.near[hour]],
            [late for hour in both for late in self.others[hour]],
        )


def made(ticks: list[float | None]) -> float:
    return sum(late is not None for late in ticks) / len(ticks)


def median(ticks: list[float | None]) -> float:
    return statistics.median(late for late in ticks if late is not None)


def play(share: float, hours: int = 60, relief: int | None = None) -> Played:
    """Watch cases that are reported over a day, with a share of the looks that they owe; all from `relief` on."""
    rng, plan = Random(5), schedule()
    played, credit = Played(plan), 0.0
    starts = {
        f"{rng.getrandbits(128):032x}": START + rng.randrange(24 * 60) * MINUTE
        for _ in range(CASES)
    }
    for minute in range(hours * 60):
        now = START + minute * MINUTE
        for case in (case for case, at in starts.items() if at == now):
            plan.put(case, entry(now, deadline=now + NORM), offset=0, listed_at=now, now=now)
        plan.advance(now)
        free = relief is not None and minute >= relief * 60
        credit = 1e9 if free else min(credit + LOOKS_A_MINUTE * share, 5.0)
        while credit >= 1 and (work := plan.take(now)) is not None:
            credit -= 1
            assert work.tick is not None
            deadline = starts[work.case_id] + NORM
            ticks = [
                *((miss.tick, None) for miss in work.missed),
                (work.tick, (now - work.tick) / MINUTE),
            ]
            for tick, late in ticks:
                kind = played.near if abs(tick - deadline) <= NEAR else played.others
                kind[int((tick - START) / HOUR)].append(late)
            if now >= deadline:
                played.after.setdefault(work.case_id, now - deadline)
            played.last[work.case_id] = now
            plan.settle(work, now)
        played.backlog = max(played.backlog, plan.waiting)
    return played


@pytest.fixture(scope="module")
def tenth() -> Played:
    return play(0.1)


def test_ticks_near_a_deadline_go_before_all_others_of_the_same_hour(tenth: Played) -> None:
    """Of what came due in the same hours: twenty times as large a share of them is made, and sooner."""
    near, others = tenth.of_the_same_hours()
    assert min(len(near), len(others)) > CASES
    assert made(near) > 20 * made(others)
    assert median(near) < 15 < 60 < median(others)


def test_every_deadline_is_looked_behind_soon(tenth: Played) -> None:
    """The first look after a deadline, on which a breach rests, comes within half an hour with a tenth of the looks."""
    assert len(tenth.after) == CASES
    assert max(tenth.after.values()) <= 30 * MINUTE
    assert statistics.median(tenth.after.values()) <= 5 * MINUTE


def test_with_a_half_nothing_near_a_deadline_is_missed() -> None:
    """The others bear it all."""
    near, others = play(0.5).of_the_same_hours()
    assert (made(near), made(others) < 0.6) == (1.0, True)
    assert median(near) <= 1


def test_the_backlog_is_bounded_by_the_cases_and_goes_in_a_minute(tenth: Played) -> None:
    """However long it lasts, a case waits once; with room again each has its look at once, and owes no older one."""
    assert CASES * 0.9 < tenth.backlog <= CASES
    relieved = play(0.1, hours=50, relief=49)
    assert relieved.plan.waiting == 0
    assert min(relieved.last.values()) >= START + 40 * HOUR
    assert relieved.plan.progress(1).watermark >= START + 49 * HOUR + 58 * MINUTE
