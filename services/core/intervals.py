"""Removal times as intervals (left, right] in seconds; a right end of None is beyond every look."""

from math import ceil, floor

INFINITE = float("inf")

Interval = tuple[float, float | None]


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
