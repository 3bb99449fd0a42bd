"""The counting bounds: within, certain breaches and undecided always add up to n (law 5).

A share within the norm is an interval: lower = certainly within / n, upper = not certainly outside / n.
Never two Kaplan-Meier curves: on the real data their "lower" exceeded their "upper".
"""

from collections.abc import Iterable
from datetime import datetime
from math import sqrt

from msgspec import Struct

from schemas.methodology import Methodology
from services.core.case import Case, Spell
from services.core.machines import Clock
from services.core.spells import LEAVING

# An enumeration looks its members up anew each time, which costs more than all the rest of a comparison.
_STOPPED, _WITHIN, _BREACHED = Clock.STOPPED, Clock.WITHIN, Clock.BREACHED


class Count(Struct, kw_only=True):
    """Counts of one group at one cut-off; `excluded` is by reason and outside n."""

    n: int = 0
    within: int = 0
    certain_breaches: int = 0
    undecided: int = 0
    younger_than_norm: int = 0
    not_started: int = 0
    excluded: dict[str, int] = {}

    @property
    def not_certainly_outside(self) -> int:
        """Within or undecided."""
        return self.n - self.certain_breaches

    @property
    def lower(self) -> float | None:
        """The share that was certainly within the norm; None where n is 0."""
        return self.within / self.n if self.n else None

    @property
    def upper(self) -> float | None:
        """The share that was not certainly outside; None where n is 0."""
        return self.not_certainly_outside / self.n if self.n else None

    def add(self, standing: str, number: int = 1) -> None:
        """Count spells by their standing."""
        if standing.startswith("excluded:"):
            reason = standing[len("excluded:") :]
            self.excluded[reason] = self.excluded.get(reason, 0) + number
            return
        setattr(self, standing, getattr(self, standing) + number)
        if standing not in ("younger_than_norm", "not_started"):
            self.n += number

    def merge(self, other: "Count") -> None:
        """Add the counts of another group."""
        self.n += other.n
        self.within += other.within
        self.certain_breaches += other.certain_breaches
        self.undecided += other.undecided
        self.younger_than_norm += other.younger_than_norm
        self.not_started += other.not_started
        for reason, number in other.excluded.items():
            self.excluded[reason] = self.excluded.get(reason, 0) + number


def exclusion(case: Case, spell: Spell) -> str | None:
    """Name the reason for which a spell may stand outside n; the methodology decides whether it does."""
    if case.retracted:
        return "retracted"
    if case.not_measurable is not None:
        return "not_measurable"
    if spell.gone_before_notice:
        return "gone_before_notice"
    left = spell.closed_reason in LEAVING
    if left and spell.clock is _STOPPED and spell.clock_started_at:
        return "moved"
    if spell.held:
        return "held"
    return "proxy" if spell.edge else None


def standing(case: Case, spell: Spell, methodology: Methodology, cutoff: datetime) -> str:
    """Say where a spell stands at a cut-off.

    Returns `within`, `certain_breaches`, `undecided`, `younger_than_norm`, `not_started` or `excluded:<reason>`.
    """
    reason = exclusion(case, spell)
    if reason is not None and reason in methodology.exclude:
        return f"excluded:{reason}"
    if spell.clock_started_at is None or spell.deadline is None:
        return "not_started"
    # The deadline, not the age: it is in the methodology's calendar, and a hold has moved it.
    if cutoff < spell.deadline:
        return "younger_than_norm"
    if spell.clock is _WITHIN:
        return "within"
    # Gone before it was owed, under a definition that counts such spells.
    if reason == "gone_before_notice" and spell.removals[0].upper <= spell.deadline:
        return "within"
    return "certain_breaches" if spell.clock is _BREACHED else "undecided"


def count(pairs: Iterable[tuple[Case, Spell]], methodology: Methodology, cutoff: datetime) -> Count:
    """Count spells at a cut-off."""
    total = Count()
    for case, spell in pairs:
        total.add(standing(case, spell, methodology, cutoff))
    return total


def wilson(successes: int, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Give Wilson's score interval for a share; sampling uncertainty, apart from the bounds (Wilson 1927)."""
    if n == 0:
        return 0.0, 1.0
    share, square = successes / n, z * z
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = z * sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    # At the ends the interval ends there exactly, which floating point misses by a hair.
    low = max(0.0, centre - half) if successes else 0.0
    return low, min(1.0, centre + half) if successes < n else 1.0
