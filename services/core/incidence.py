"""Cumulative incidence at the norm: which share had been removed, had moved, was on hold, or was still there.

Moves and holds end what a provider can be charged with; where they are many, one minus the share still online says
too much. Every share is a pair of counting bounds: what certainly had happened by then, and what may have.
"""

from collections.abc import Sequence
from datetime import timedelta

from msgspec import Struct

from schemas.methodology import Methodology
from services.core.case import Spell
from services.core.intervals import Interval
from services.core.removal import lasting_removal, passed
from services.core.spells import LEAVING

CAUSES = ("removed", "moved", "held", "still_there")


class Ending(Struct, frozen=True):
    """How a spell ended, if it did, in seconds of the methodology's time: in (after, by]."""

    cause: str | None
    after: float
    by: float | None = None


class Incidence(Struct, kw_only=True):
    """Counts by cause at the norm: `certain` and `possible`, the latter including the former."""

    n: int = 0
    certain: dict[str, int] = {}
    possible: dict[str, int] = {}

    def add(self, sure: str | None, open_to: Sequence[str], number: int = 1) -> None:
        """Count spells by what certainly had become of them, and by what may have (`state_at`)."""
        self.n += number
        if sure is not None:
            self.certain[sure] = self.certain.get(sure, 0) + number
        for cause in open_to:
            self.possible[cause] = self.possible.get(cause, 0) + number

    def shares(self) -> dict[str, tuple[float, float]]:
        """Give the bounds of every cause; empty where there is nothing to divide by."""
        if not self.n:
            return {}
        return {
            cause: (self.certain.get(cause, 0) / self.n, self.possible.get(cause, 0) / self.n)
            for cause in CAUSES
        }


def state_at(ending: Ending, seconds: float) -> tuple[str | None, tuple[str, ...]]:
    """Say what certainly had become of a spell so long after the start of its clock, and what may have.

    An act that is recorded (a hold) can't have happened unseen; a removal and a move can.
    """
    if ending.cause is not None and ending.by is not None and ending.by <= seconds:
        return ending.cause, (ending.cause,)
    if ending.after >= seconds:
        return "still_there", ("still_there",)
    if ending.cause is None:
        return None, ("removed", "moved", "still_there")
    return None, (ending.cause, "still_there")


def ending_of(
    spell: Spell, methodology: Methodology, norm: timedelta, interval: Interval
) -> Ending:
    """Tell how a spell ended whose removal time is known as an interval.

    A hold ends a spell at its own instant, unless a removal had been seen before it.
    """
    if spell.held_at is not None:
        removal = lasting_removal(spell, methodology)
        if removal is None or removal.upper > spell.held_at:
            hours = passed(spell, methodology, norm, spell.held_at)
            return Ending("held", hours, hours)
    left, right = interval
    if right is not None:
        return Ending("removed", left, right)
    if spell.closed_reason in LEAVING and spell.closed_at is not None:
        return Ending("moved", left, passed(spell, methodology, norm, spell.closed_at))
    return Ending(None, left)
