"""The maximum of an interval-censored likelihood, by EM steps mixed with convex minorants.

Self-consistency (EM, Turnbull 1976) always climbs but needs thousands of steps; the iterative convex minorant
(Groeneboom and Wellner 1992, damped as by Jongbloed 1998) is a Newton step on the cumulative curve, projected by
isotonic regression. Mixed (Wellner and Zhan 1997) they need some dozens: 0.7 s for 17,769 intervals at a minute's
resolution, where 2000 EM steps took 9 s and were not there yet.

The problem is concave, so there is a certificate: with g_j = sum over observations covering j of 1 / their mass, no
masses have a log-likelihood more than n * (max g_j / n - 1) above the present one.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from math import inf, log
from typing import NamedTuple

STEPS = 1000
GAP = 1e-6
_SHORTEST_STEP = 1e-5


class _Observed(NamedTuple):
    starts: list[int]
    ends: list[int]
    weights: list[int]
    n: int
    size: int


def maximise(covered: Mapping[tuple[int, int], int], size: int) -> tuple[list[float], float]:
    """Give the masses of `size` innermost intervals and the certificate of their optimality.

    `covered` counts the observations by the contiguous run [start, end) of innermost intervals that each covers.
    """
    if not size:
        return [], 0.0
    seen = _Observed(
        [start for start, _ in covered],
        [end for _, end in covered],
        list(covered.values()),
        sum(covered.values()),
        size,
    )
    curve = [j / size for j in range(size + 1)]
    for _ in range(STEPS):
        pulls = _pulls(seen, curve)
        gap = max(pulls) / seen.n - 1
        if gap <= GAP:
            break
        curve = _minorant_step(seen, _em_step(seen, curve, pulls))
    else:
        gap = max(_pulls(seen, curve)) / seen.n - 1
    return [after - before for before, after in pairwise(curve)], max(gap, 0.0)


def _pulls(seen: _Observed, curve: Sequence[float]) -> list[float]:
    steps = [0.0] * (seen.size + 1)
    for start, end, weight in zip(seen.starts, seen.ends, seen.weights, strict=True):
        pull = weight / (curve[end] - curve[start])
        steps[start] += pull
        steps[end] -= pull
    return list(accumulate(steps[: seen.size]))


def _em_step(seen: _Observed, curve: Sequence[float], pulls: Sequence[float]) -> list[float]:
    masses = [
        (after - before) * pull
        for before, after, pull in zip(curve, curve[1:], pulls, strict=False)
    ]
    total = sum(masses)
    return [*[0.0, *(min(1.0, part / total) for part in accumulate(masses))][:-1], 1.0]


def _minorant_step(seen: _Observed, curve: list[float]) -> list[float]:
    slopes, bends = [0.0] * (seen.size + 1), [0.0] * (seen.size + 1)
    for start, end, weight in zip(seen.starts, seen.ends, seen.weights, strict=True):
        mass = curve[end] - curve[start]
        pull = weight / mass
        bend = pull / mass
        slopes[end] += pull
        slopes[start] -= pull
        bends[end] += bend
        bends[start] += bend
    inner = range(1, seen.size)
    optimum = _isotonic(
        [curve[j] + (slopes[j] / bends[j] if bends[j] else 0.0) for j in inner],
        [bends[j] or 1.0 for j in inner],
    )
    target = [0.0, *(min(max(value, 0.0), 1.0) for value in optimum), 1.0]
    return _climb(seen, curve, target)


def _climb(seen: _Observed, curve: list[float], target: list[float]) -> list[float]:
    """Go as far towards the target as the likelihood grows; stay where it doesn't."""
    here, share = _log_likelihood(seen, curve), 1.0
    while share > _SHORTEST_STEP:
        there = [a + share * (b - a) for a, b in zip(curve, target, strict=True)]
        if _log_likelihood(seen, there) > here:
            return there
        share /= 2
    return curve


def _log_likelihood(seen: _Observed, curve: Sequence[float]) -> float:
    total = 0.0
    for start, end, weight in zip(seen.starts, seen.ends, seen.weights, strict=True):
        mass = curve[end] - curve[start]
        if mass <= 0.0:
            return -inf
        total += weight * log(mass)
    return total


def _isotonic(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Fit the nearest non-decreasing sequence by pooling adjacent violators."""
    levels: list[float] = []
    pooled: list[float] = []
    sizes: list[int] = []
    for value, weight in zip(values, weights, strict=True):
        level, mass, size = value, weight, 1
        while levels and levels[-1] >= level:
            before, more = levels.pop(), pooled.pop()
            size += sizes.pop()
            level = (before * more + level * mass) / (more + mass)
            mass += more
        levels.append(level)
        pooled.append(mass)
        sizes.append(size)
    return [level for level, size in zip(levels, sizes, strict=True) for _ in range(size)]
