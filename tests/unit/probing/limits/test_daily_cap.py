"""The daily cap of one URL: never passed, and what its two megabytes count too much."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from services.probing.limits import daily_cap as caps
from services.probing.limits.daily_cap import DailyCap

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HALF_A_DAY = 43_200.0


def take(cap: DailyCap, case: int, now: datetime) -> float:
    """Make a look if the cap allows it."""
    if wait := cap.wait(case, now):
        return wait
    cap.count(case, now)
    return 0.0


def test_a_url_has_its_share_of_the_day() -> None:
    """A URL is looked at so often in a day and no more; the next day it begins anew, others count apart."""
    cap, noon = DailyCap(3), NOON
    assert [take(cap, 7, noon) for _ in range(4)] == [0.0, 0.0, 0.0, 43_200.0]
    assert take(cap, 8, noon) == 0.0
    assert take(cap, 7, noon + timedelta(days=1)) == 0.0
    assert take(DailyCap(None), 7, noon) == 0.0


@pytest.mark.parametrize(("most", "size"), [(200, 1 << 21), (255, 1 << 21), (256, 1 << 22)])
def test_a_counter_is_as_wide_as_the_cap(most: int, size: int) -> None:
    """One byte up to 255 looks a day, two above; either counts up to the cap and no further."""
    cap = DailyCap(most)
    assert [take(cap, 1, NOON) for _ in range(most)] == [0.0] * most
    assert [take(cap, 1, NOON) for _ in range(2)] == [HALF_A_DAY] * 2
    assert cap.size == size == sum(len(row) * row.itemsize for row in cap._rows)
    assert DailyCap(None).size == 0


def test_what_shares_a_counter_is_never_counted_too_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """With far too few counters a URL may get fewer looks than the cap, and never more."""
    monkeypatch.setattr(caps, "_COLUMNS", 64)
    cap, chance = DailyCap(5), random.Random(7)
    cases = [chance.getrandbits(64) for _ in range(100)]
    taken = {case: sum(not take(cap, case, NOON) for _ in range(9)) for case in cases}
    assert max(taken.values()) == 5
    assert sum(taken.values()) < 5 * len(cases)


def test_crowding_costs_nobody_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """As crowded as by a million cases with 40 looks a day each, nobody comes near a cap of 200."""
    monkeypatch.setattr(caps, "_COLUMNS", 1 << 10)
    cap, chance = DailyCap(200), random.Random(7)
    cases = [chance.getrandbits(64) for _ in range(1_000)]
    for _ in range(40):
        assert all(not take(cap, case, NOON) for case in cases)
    ones, others = cap._rows
    counted = [min(ones[case % 1024], others[(case >> 32) % 1024]) for case in cases]
    assert min(counted) >= 40
    assert max(counted) <= 100


def test_to_ask_whether_a_look_may_be_made_counts_nothing() -> None:
    """A look that was put off before it asked for anything leaves the day's share as it was."""
    cap = DailyCap(2)
    assert [cap.wait(7, NOON) for _ in range(9)] == [0.0] * 9
    assert [take(cap, 7, NOON) for _ in range(3)] == [0.0, 0.0, HALF_A_DAY]


def test_more_counts_than_the_cap_hold_the_counter_at_it() -> None:
    """A look that asks twice may be counted when the share is used up already; one byte holds no more than the cap."""
    cap = DailyCap(255)
    for _ in range(300):
        cap.count(7, NOON)
    assert cap.wait(7, NOON) == HALF_A_DAY
    assert max(max(row) for row in cap._rows) == 255
