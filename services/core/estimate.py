"""Turnbull's estimate of the removal time from intervals, with its gaps.

The non-parametric maximum likelihood estimate for interval-censored data (Turnbull 1976) puts mass on the innermost
intervals only; within one of them the curve is not identifiable, so every value here is an interval.
How the maximum is found stands in `likelihood.py`.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate, pairwise
from math import ceil, floor

from msgspec import Struct

from services.core.likelihood import maximise

INFINITE = float("inf")
_ROUNDING = 1e-9

Interval = tuple[float, float | None]


class Estimate(Struct, frozen=True, kw_only=True):
    """Masses on the innermost intervals (left, right], in seconds; the last right may be infinite.

    `n` observations. `gap` certifies the maximum: the log-likelihood is at most n * gap below it.
    """

    n: int
    lefts: tuple[float, ...]
    rights: tuple[float, ...]
    masses: tuple[float, ...]
    gap: float = 0.0

    @property
    def plateau(self) -> float:
        """The share that is not known to go at all."""
        return sum(
            m for m, right in zip(self.masses, self.rights, strict=True) if right == INFINITE
        )

    def gone_by(self, seconds: float) -> tuple[float, float]:
        """Bound the share gone by an instant: mass that ends by then, and mass that begins before it."""
        lower = upper = 0.0
        for left, right, mass in zip(self.lefts, self.rights, self.masses, strict=True):
            if right <= seconds:
                lower += mass
            if left < seconds:
                upper += mass
        return lower, upper

    def quantile(self, share: float) -> tuple[float, float] | None:
        """Bound the time by which a share is gone; None where that is not reached."""
        reached = accumulate(self.masses)
        for left, right, total in zip(self.lefts, self.rights, reached, strict=True):
            if total >= share - _ROUNDING:
                return None if right == INFINITE else (left, right)
        return None


def outward(interval: Interval, step: float) -> Interval:
    """Round an interval outward to multiples of `step`: the truth stays inside, and equal ones fall together."""
    left, right = interval
    low = floor(left / step) * step
    if right is None:
        return low, None
    high = ceil(right / step) * step
    if high <= low:
        # Both ends are one instant (no working time lay between them): give it the width of one step.
        low, high = max(0.0, low - step), max(high, step)
    return low, high


def turnbull(intervals: Iterable[Interval]) -> Estimate:
    """Estimate from intervals (left, right] in seconds; right None means still online at the last look."""
    return turnbull_counted(Counter(intervals))


def turnbull_counted(intervals: Mapping[Interval, int]) -> Estimate:
    """Estimate from intervals and how often each was observed."""
    counted = {
        (left, INFINITE if right is None else right): weight
        for (left, right), weight in intervals.items()
    }
    if any(left >= right for left, right in counted):
        raise ValueError("an interval needs a left end before its right end")
    lefts, rights = _innermost(counted)
    covered: Counter[tuple[int, int]] = Counter()
    for (left, right), weight in counted.items():
        covered[bisect_left(lefts, left), bisect_right(rights, right)] += weight
    n = sum(counted.values())
    masses, gap = maximise(covered, len(lefts))
    return Estimate(n=n, lefts=tuple(lefts), rights=tuple(rights), masses=tuple(masses), gap=gap)


def _innermost(counted: Iterable[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Find the innermost intervals: a left end directly followed by a right end.

    At equal instants a right end comes first, because intervals are open on the left and closed on the right.
    """
    ends = sorted({(right, 0) for _, right in counted} | {(left, 1) for left, _ in counted})
    pairs = [
        (before[0], after[0])
        for before, after in pairwise(ends)
        if before[1] == 1 and after[1] == 0
    ]
    return [left for left, _ in pairs], [right for _, right in pairs]
