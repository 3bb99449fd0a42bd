"""Turnbull's estimate of the removal time from intervals, with its gaps.

The non-parametric maximum likelihood estimate for interval-censored data (Turnbull 1976) puts mass on the innermost
intervals only; within one of them the curve is not identifiable, so every value here is an interval.
How the maximum is found stands in `likelihood.py`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate

import numpy as np
from msgspec import Struct

from services.core.intervals import INFINITE, Interval
from services.core.likelihood import Floats, Observed, maximise

_ROUNDING = 1e-9


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


def turnbull(intervals: Iterable[Interval]) -> Estimate:
    """Estimate from intervals (left, right] in seconds; right None means still online at the last look."""
    return turnbull_counted(Counter(intervals))


def turnbull_counted(intervals: Mapping[Interval, int]) -> Estimate:
    """Estimate from intervals and how often each was observed; their order changes nothing, to the last bit."""
    size = len(intervals)
    left = np.fromiter((left for left, _ in intervals), np.float64, size)
    ends = (INFINITE if right is None else right for _, right in intervals)
    right = np.fromiter(ends, np.float64, size)
    weight = np.fromiter(intervals.values(), np.float64, size)
    order = np.lexsort((right, left))
    left, right, weight = left[order], right[order], weight[order]
    if (left >= right).any():
        raise ValueError("an interval needs a left end before its right end")
    lefts, rights = _innermost(left, right)
    masses, gap = maximise(_observed(left, right, weight, lefts, rights))
    return Estimate(
        n=int(weight.sum()),
        lefts=tuple(lefts.tolist()),
        rights=tuple(rights.tolist()),
        masses=tuple(masses.tolist()),
        gap=gap,
    )


def _observed(
    left: Floats, right: Floats, weight: Floats, lefts: Floats, rights: Floats
) -> Observed:
    """Count observations by the run of innermost intervals that each covers."""
    places = len(lefts) + 1
    runs = np.searchsorted(lefts, left, "left") * places + np.searchsorted(rights, right, "right")
    distinct, which = np.unique(runs, return_inverse=True)
    starts, ends = np.divmod(distinct, places)
    weights = np.bincount(which, weights=weight).astype(np.float64, copy=False)
    return Observed(starts, ends, weights, len(lefts))


def _innermost(left: Floats, right: Floats) -> tuple[Floats, Floats]:
    """Find the innermost intervals: a left end directly followed by a right end.

    At equal instants a right end comes first, because intervals are open on the left and closed on the right.
    """
    begins, ends = _distinct(left), _distinct(right)
    at = np.concatenate((ends, begins))
    is_left = np.repeat([False, True], [len(ends), len(begins)])
    order = np.lexsort((is_left, at))
    at, is_left = at[order], is_left[order]
    inner = is_left[:-1] & ~is_left[1:]
    return at[:-1][inner], at[1:][inner]


def _distinct(values: Floats) -> Floats:
    """Give each value once, in order; numpy's own `unique` loads its masked arrays, a fiftieth of a report's time."""
    ordered = np.sort(values)
    is_new = np.ones(len(ordered), bool)
    is_new[1:] = ordered[1:] != ordered[:-1]
    return ordered[is_new]
