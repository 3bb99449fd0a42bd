"""The daily cap of one URL: never passed, and what its two megabytes count too much."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from services.probing.limits import daily_cap as caps
from services.probing.limits.daily_cap import DailyCap

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HALF_A_DAY = 43_200.0


def test_a_url_has_its_share_of_the_day() -> None:
    """A URL is looked at so often in a day and no more; the next day it begins anew, others count apart."""
    cap, noon = DailyCap(3), NOON
    assert [cap.take(7, noon) for _ in range(4)] == [0.0, 0.0, 0.0, 43_200.0]
    assert cap.take(8, noon) == 0.0
    assert cap.take(7, noon + timedelta(days=1)) == 0.0
    assert DailyCap(None).take(7, noon) == 0.0


@pytest.mark.parametrize(("most", "size"), [(200, 1 << 21), (255, 1 << 21), (256, 1 << 22)])
def test_a_counter_is_as_wide_as_the_cap(most: int, size: int) -> None:
    """One byte up to 255 looks a day, two above; either counts up to the cap and no further."""
    cap = DailyCap(most)
    assert [cap.take(1, NOON) for _ in range(most)] == [0.0] * most
    assert [cap.take(1, NOON) for _ in range(2)] == [HALF_A_DAY] * 2
    assert cap.size == size == sum(len(row) * row.itemsize for row in cap._rows)
    assert DailyCap(None).size == 0


def test_what_shares_a_counter_is_never_counted_too_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """With far too few counters a URL may get fewer looks than the cap, and never more."""
    monkeypatch.setattr(caps, "_COLUMNS", 64)
    cap, chance = DailyCap(5), random.Random(7)
    cases = [chance.getrandbits(64) for _ in range(100)]
    taken = {case: sum(not cap.take(case, NOON) for _ in range(9)) for case in cases}
    assert max(taken.values()) == 5
    assert sum(taken.values()) < 5 * len(cases)


def test_crowding_costs_nobody_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """As crowded as by a million cases with 40 looks a day each, nobody comes near a cap of 200."""
    monkeypatch.setattr(caps, "_COLUMNS", 1 << 10)
    cap, chance = DailyCap(200), random.Random(7)
    cases = [chance.getrandbits(64) for _ in range(1_000)]
    for _ in range(40):
        assert all(not cap.take(case, NOON) for case in cases)
    ones, others = cap._rows
    counted = [min(ones[case % 1024], others[(case >> 32) % 1024]) for case in cases]
    assert min(counted) >= 40
    assert max(counted) <= 100
