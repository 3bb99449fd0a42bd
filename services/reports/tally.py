"""Counting one group of spells, spell by spell, in memory that does not grow with their number of looks."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from schemas.methodology import Methodology
from services.core.bounds import Count, standing
from services.core.calendar import calendar_of
from services.core.case import Case, Spell
from services.core.exposure import exposure_bounds
from services.core.incidence import Ending, Incidence, ending_of
from services.core.intervals import Interval, outward
from services.core.removal import removal_time, resolution
from services.core.stock import still_online
from services.reports.figures import Row

UNKNOWN_PROVIDER = "unknown"
HOUR = 3600.0
# Exposure is summed in microseconds, as whole numbers: the sum is the same in any order.
MICROHOUR = 3_600_000_000
JUDGED = ("within", "certain_breaches", "undecided")
_TIMED = frozenset({*JUDGED, "younger_than_norm"})
_AT_RISK = _TIMED | {"excluded:moved", "excluded:held"}
_SUMS = (
    "reports_younger_than_norm",
    "gone_before_notice",
    "still_online",
    "returned",
    "moved",
    "looks",
    "undetermined",
    "missed",
)


class SpellStanding(NamedTuple):
    """One spell under one methodology at one cut-off; judged once, counted in several groups."""

    case: Case
    spell: Spell
    provider: str
    standing: str
    interval: Interval | None
    ending: Ending | None
    norm_seconds: float
    exposure: tuple[int, int]


def judge(case: Case, spell: Spell, methodology: Methodology, cutoff: datetime) -> SpellStanding:
    """Judge one spell."""
    stands, norm = standing(case, spell, methodology, cutoff), methodology.norm_for(case.category)
    took = removal_time(spell, methodology, norm) if stands in _AT_RISK else None
    interval = took if stands in _TIMED else None
    at_risk = took is not None and _norm_over(spell, methodology, norm, cutoff)
    lower, upper = exposure_hours(spell, cutoff)
    return SpellStanding(
        case=case,
        spell=spell,
        provider=spell.provider or UNKNOWN_PROVIDER,
        standing=stands,
        interval=None if interval is None else outward(interval, resolution(methodology)),
        ending=ending_of(spell, methodology, norm, took) if took and at_risk else None,
        norm_seconds=norm.total_seconds(),
        exposure=(round(lower * MICROHOUR), round(upper * MICROHOUR)),
    )


def _norm_over(spell: Spell, methodology: Methodology, norm: timedelta, cutoff: datetime) -> bool:
    """Tell whether a norm lies between a clock's start and the cut-off: a hold is an ending of its own here."""
    if spell.clock_started_at is None:
        return False
    over = (
        calendar_of(methodology).add(spell.clock_started_at, norm) if spell.held else spell.deadline
    )
    return over is not None and over <= cutoff


class Tally:
    """The counts of one group."""

    def __init__(self, name: str) -> None:
        self.count = Count(excluded={})
        self.row = Row(provider=name)
        self.intervals: Counter[Interval] = Counter()
        self.incidence = Incidence(certain={}, possible={})
        self.clusters: dict[str, list[int]] = {}
        self.exposure = (0, 0)

    def add(self, judged: SpellStanding) -> None:
        """Count one spell."""
        spell, row = judged.spell, self.row
        self.count.add(judged.standing)
        if judged.standing in JUDGED:
            self._cluster(judged)
        if judged.interval is not None:
            self.intervals[judged.interval] += 1
        if judged.ending is not None:
            self.incidence.add(judged.ending, judged.norm_seconds)
        if judged.standing == "younger_than_norm":
            row.reports_younger_than_norm += judged.case.reports
        if not judged.case.retracted:
            row.gone_before_notice += spell.gone_before_notice
            row.still_online += still_online(judged.case, spell)
            row.returned += len(spell.returned_at)
            row.moved += spell.closed_reason == "moved"
            self.exposure = self._longer(judged.exposure)
        row.looks += spell.looks
        row.undetermined += spell.undetermined
        row.missed += spell.missed

    def _longer(self, exposure: tuple[int, int]) -> tuple[int, int]:
        return self.exposure[0] + exposure[0], self.exposure[1] + exposure[1]

    def _cluster(self, judged: SpellStanding) -> None:
        counts = self.clusters.setdefault(judged.provider, [0, 0, 0])
        counts[0] += 1
        counts[1] += judged.standing == "within"
        counts[2] += judged.standing != "certain_breaches"

    def merge(self, other: "Tally") -> None:
        """Add another group's counts; the groups must not share spells."""
        for name in (*JUDGED, "n", "younger_than_norm", "not_started"):
            setattr(self.count, name, getattr(self.count, name) + getattr(other.count, name))
        for reason, number in other.count.excluded.items():
            self.count.excluded[reason] = self.count.excluded.get(reason, 0) + number
        for name in _SUMS:
            setattr(self.row, name, getattr(self.row, name) + getattr(other.row, name))
        self.exposure = self._longer(other.exposure)
        self.intervals.update(other.intervals)
        self.incidence.merge(other.incidence)
        for provider, counts in other.clusters.items():
            mine = self.clusters.setdefault(provider, [0, 0, 0])
            self.clusters[provider] = [a + b for a, b in zip(mine, counts, strict=True)]


def exposure_hours(spell: Spell, cutoff: datetime) -> tuple[float, float]:
    """Give the hours that known material stayed online at this provider: at least, at most, until the cut-off."""
    lower, upper = exposure_bounds(spell, cutoff)
    return lower / HOUR, upper / HOUR


def largest_first(tallies: Sequence[Tally]) -> list[Tally]:
    """Order groups by their spells in n, then by name."""
    return sorted(tallies, key=lambda tally: (-tally.count.n, tally.row.provider))
