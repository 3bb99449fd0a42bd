"""The maximum of an interval-censored likelihood, by EM steps mixed with convex minorants.

Self-consistency (EM, Turnbull 1976) always climbs but needs thousands of steps; the iterative convex minorant
(Groeneboom and Wellner 1992, damped as by Jongbloed 1998) is a Newton step on the cumulative curve, projected by
isotonic regression. Mixed (Wellner and Zhan 1997) they need some dozens, each of a few passes over arrays.

The problem is concave, so there is a certificate: with g_j = sum over observations covering j of 1 / their mass, no
masses have a log-likelihood more than n * (max g_j / n - 1) above the present one.
"""

from math import inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

STEPS = 1000
GAP = 1e-6
_SHORTEST_STEP = 1e-5
# Pooling all violators at once takes a few passes where they are many; what is left falls one by one.
_POOLINGS = 12

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


class Observed(NamedTuple):
    """Observations by the contiguous run [start, end) of the `size` innermost intervals that each covers."""

    starts: Places
    ends: Places
    weights: Floats
    size: int


def maximise(seen: Observed) -> tuple[Floats, float]:
    """Give the masses of the innermost intervals and the certificate of their optimality."""
    if not seen.size:
        return np.zeros(0), 0.0
    n = float(seen.weights.sum())
    curve = np.arange(seen.size + 1) / seen.size
    for _ in range(STEPS):
        pulls = _pulls(seen, curve)
        gap = pulls.max() / n - 1
        if gap <= GAP:
            break
        curve = _minorant_step(seen, _em_step(curve, pulls))
    else:
        gap = _pulls(seen, curve).max() / n - 1
    return np.diff(curve), max(float(gap), 0.0)


def _pulls(seen: Observed, curve: Floats) -> Floats:
    pull = seen.weights / (curve[seen.ends] - curve[seen.starts])
    return np.cumsum(_net(seen, pull, -pull)[: seen.size])


def _net(seen: Observed, at_start: Floats, at_end: Floats) -> Floats:
    """Add up what observations say of the places where they start and end."""
    places = seen.size + 1
    starts, ends = (
        np.bincount(at, weights=says, minlength=places).astype(np.float64, copy=False)
        for at, says in ((seen.starts, at_start), (seen.ends, at_end))
    )
    return starts + ends


def _em_step(curve: Floats, pulls: Floats) -> Floats:
    masses = np.diff(curve) * pulls
    there = np.concatenate(([0.0], np.minimum(1.0, np.cumsum(masses) / masses.sum())))
    there[-1] = 1.0
    return there


def _minorant_step(seen: Observed, curve: Floats) -> Floats:
    mass = curve[seen.ends] - curve[seen.starts]
    pull = seen.weights / mass
    bend = pull / mass
    slopes, bends = _net(seen, -pull, pull)[1:-1], _net(seen, bend, bend)[1:-1]
    bends[bends == 0.0] = 1.0
    target = curve.copy()
    target[1:-1] = np.clip(_isotonic(curve[1:-1] + slopes / bends, bends), 0.0, 1.0)
    return _climb(seen, curve, target)


def _climb(seen: Observed, curve: Floats, target: Floats) -> Floats:
    """Go as far towards the target as the likelihood grows; stay where it doesn't."""
    here, share = _log_likelihood(seen, curve), 1.0
    while share > _SHORTEST_STEP:
        there = curve + share * (target - curve)
        if _log_likelihood(seen, there) > here:
            return there
        share /= 2
    return curve


def _log_likelihood(seen: Observed, curve: Floats) -> float:
    mass = curve[seen.ends] - curve[seen.starts]
    if mass.min() <= 0.0:
        return -inf
    return float((seen.weights * np.log(mass)).sum())


def _isotonic(values: Floats, weights: Floats) -> Floats:
    """Fit the nearest non-decreasing sequence by pooling adjacent violators, in whatever order they are pooled."""
    levels, pooled, sizes = values, weights, np.ones(len(values), np.intp)
    for _ in range(_POOLINGS):
        falls = levels[1:] <= levels[:-1]
        if not falls.any():
            return np.repeat(levels, sizes)
        begins = np.flatnonzero(np.concatenate(([True], ~falls)))
        mass = np.add.reduceat(pooled, begins)
        levels = np.add.reduceat(levels * pooled, begins) / mass
        pooled, sizes = mass, np.add.reduceat(sizes, begins)
    return _isotonic_one_by_one(levels, pooled, sizes)


def _isotonic_one_by_one(values: Floats, weights: Floats, counts: Places) -> Floats:
    levels: list[float] = []
    pooled: list[float] = []
    sizes: list[int] = []
    for one in zip(values.tolist(), weights.tolist(), counts.tolist(), strict=True):
        level, mass, size = one
        while levels and levels[-1] >= level:
            before, more = levels.pop(), pooled.pop()
            size += sizes.pop()
            level = (before * more + level * mass) / (more + mass)
            mass += more
        levels.append(level)
        pooled.append(mass)
        sizes.append(size)
    return np.repeat(np.array(levels), np.array(sizes))
