"""So many in a second, and so many at once: a virtual schedule (GCRA, ITU-T I.371), one float for each."""


class Rate:
    """The schedule of whoever is held to a rate; instants are seconds of one monotonic clock, from 0 on.

    Args:
        burst: How many may come at once after a pause; less than one is one.

    """

    __slots__ = ("next_at", "step", "tolerance")

    def __init__(self, per_second: float, burst: float) -> None:
        self.step = 1.0 / per_second
        self.tolerance = max(burst - 1, 0) * self.step
        self.next_at = 0.0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {1.0 / self.step:g} a second, next {self.next_at:.3f}>"

    def wait(self, now: float) -> float:
        """Tell for how many seconds the next one has to wait; 0 or less: it has not to."""
        return self.next_at - self.tolerance - now

    def charge(self, at: float) -> None:
        """Count one at an instant; later ones pay for it."""
        self.next_at = (self.next_at if self.next_at > at else at) + self.step
