"""How much a source is asked, and when it is left alone: a budget, and a circuit breaker. Pure: time is an argument."""

from msgspec import Struct

from services.core.steady_rate import Rate

_DAY_SECONDS = 86_400.0


class SourceLimits(Struct, frozen=True, kw_only=True):
    """The limits of one source; `failures` in a row end the asking for `pause_seconds`, then for ever longer."""

    per_second: float
    per_day: int
    failures: int
    pause_seconds: float
    longest_pause_seconds: float = 3_600.0


class Budget:
    """So many questions a second, with a burst of two seconds, and so many a day."""

    def __init__(self, limits: SourceLimits) -> None:
        self._rate = Rate(limits.per_second, limits.per_second * 2)
        self._per_day = limits.per_day
        self._day_began: float | None = None
        self._today = 0

    def __repr__(self) -> str:
        return f"<Budget {self._rate!r}, {self._per_day - self._today} today>"

    def take(self, now: float) -> bool:
        """Take one question, if there is one left."""
        if self._day_began is None or now - self._day_began >= _DAY_SECONDS:
            self._day_began, self._today = now, 0
        if self._rate.wait(now) > 0 or self._today >= self._per_day:
            return False
        self._rate.charge(now)
        self._today += 1
        return True


class Breaker:
    """Opens after so many failures in a row; after a pause one question goes through, and decides.

    A source may name a pause itself, up to `longest_pause_seconds`: a wrong date must not silence it for ever.
    """

    def __init__(self, limits: SourceLimits) -> None:
        self._limits = limits
        self._failures = 0
        self._pause = limits.pause_seconds
        self._open_until: float | None = None
        self._trial = False

    def __repr__(self) -> str:
        return f"<Breaker {'open' if self.is_open else 'closed'} failures={self._failures}>"

    @property
    def is_open(self) -> bool:
        """Tell whether the source is taken to be down."""
        return self._open_until is not None

    def admits(self, now: float) -> bool:
        """Tell whether a question may go out."""
        if self._open_until is None:
            return True
        if self._trial or now < self._open_until:
            return False
        self._trial = True
        return True

    def succeed(self) -> None:
        """Note an answer: the source is there."""
        self._failures, self._open_until, self._trial = 0, None, False
        self._pause = self._limits.pause_seconds

    def fail(self, now: float, *, wait_seconds: float | None = None) -> None:
        """Note a failure; `wait_seconds` is what the source itself asks for, which opens at once."""
        self._failures += 1
        tried, self._trial = self._trial, False
        if wait_seconds is None and not tried and self._failures < self._limits.failures:
            return
        pause = self._pause if wait_seconds is None else max(wait_seconds, self._pause)
        self._open_until = now + min(pause, self._limits.longest_pause_seconds)
        self._pause = min(self._pause * 2, self._limits.longest_pause_seconds)
