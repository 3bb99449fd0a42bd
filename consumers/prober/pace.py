"""How many looks one process begins in a second: after a pause, what is owed is caught up with at this rate."""

from services.core.steady_rate import Rate

_BURST_SECONDS = 0.25


def pace(per_second: float) -> Rate:
    """Give the rate of a process; a quarter of a second's worth may begin at once."""
    return Rate(per_second, burst=per_second * _BURST_SECONDS)
