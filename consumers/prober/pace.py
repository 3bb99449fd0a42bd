"""How many looks one process begins in a second: after a pause, what is owed is caught up with at this rate."""

_BURST_SECONDS = 0.25


class Pace:
    """A virtual schedule (GCRA, ITU-T I.371): so many in a second, and a quarter of a second's worth at once.

    Instants are seconds of one monotonic clock.
    """

    __slots__ = ("_next_at", "_step", "_tolerance")

    def __init__(self, per_second: float) -> None:
        self._step = 1.0 / per_second
        self._tolerance = max(_BURST_SECONDS - self._step, 0.0)
        self._next_at = 0.0

    def __repr__(self) -> str:
        return f"<Pace {1.0 / self._step:g} a second>"

    def free(self, now: float) -> bool:
        """Tell whether one more may begin."""
        return self._next_at - self._tolerance <= now

    def charge(self, now: float) -> None:
        """Count one that began."""
        self._next_at = max(self._next_at, now) + self._step
