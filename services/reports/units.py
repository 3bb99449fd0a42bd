"""The unit in which times are written: hours for a norm of a day, seconds for the demo's norm of 48 of them."""

from typing import NamedTuple

from schemas.methodology import seconds
from services.reports.figures import Quantile, Table


class TimeUnit(NamedTuple):
    """A unit of time: how it is written, in one letter or so and as a word."""

    short: str
    word: str
    per_hour: float


SECONDS, MINUTES, HOURS = (
    TimeUnit("s", "seconds", 3600.0),
    TimeUnit("min", "minutes", 60.0),
    TimeUnit("h", "hours", 1.0),
)
# A norm below two of a unit is told in the next smaller one: the times of interest lie around the norm.
_LEAST_NORM = ((HOURS, 7200.0), (MINUTES, 120.0))


def unit_of(table: Table) -> TimeUnit:
    """Choose the unit by the norm."""
    norm = seconds(table.norm)
    return next((unit for unit, least in _LEAST_NORM if norm >= least), SECONDS)


def duration(quantile: Quantile | None, unit: TimeUnit) -> str:
    """Write a quantile as an interval, or that it was not reached."""
    if quantile is None:
        return "-"
    if not quantile.reached or quantile.lower_hours is None or quantile.upper_hours is None:
        return "not reached"
    return f"{quantile.lower_hours * unit.per_hour:.1f}-{quantile.upper_hours * unit.per_hour:.1f}"
