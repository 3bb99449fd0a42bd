"""Counting one group of spells, spell by spell, in memory that does not grow with their number of looks."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from schemas.methodology import Methodology
from services.core.answering import basis_of, reseller_of, role_of, spell_at
from services.core.bounds import Count, standing
from services.core.calendar import calendar_of
from services.core.case import Case, Spell
from services.core.exposure import exposure_bounds
from services.core.incidence import Ending, Incidence, ending_of
from services.core.intervals import Interval, outward
from services.core.no_clock import why_no_clock
from services.core.removal import removal_time, resolution
from services.core.stock import still_online
from services.reports.figures import Row

UNKNOWN_PROVIDER = "unknown"
HOUR = 3600.0
# Exposure is summed in microseconds, as whole numbers: the sum is the same in any order.
MICROHOUR = 3_600_000_000
JUDGED = ("within", "certain_breaches", "undecided")
_TIMED = frozenset({*JUDGED, "younger_than_norm"})
SPLITS = ("no_clock", "roles", "resellers", "attribution", "escalations")
_AT_RISK = _TIMED | {"excluded:moved", "excluded:held"}


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
    no_clock: str | None


def judge(case: Case, spell: Spell, methodology: Methodology, cutoff: datetime) -> SpellStanding:
    """Judge one spell."""
    stands, norm = standing(case, spell, methodology, cutoff), methodology.norm_for(case.category)
    took = removal_time(spell, methodology, norm) if stands in _AT_RISK else None
    interval = took if stands in _TIMED else None
    at_risk = took is not None and _norm_over(spell, methodology, norm, cutoff)
    lower, upper = exposure_hours(spell, cutoff)
    # By place: a keyword costs as much as a field, in the one loop over every case of a ledger.
    return SpellStanding(
        case,
        spell,
        spell.provider or UNKNOWN_PROVIDER,
        stands,
        None if interval is None else outward(interval, resolution(methodology)),
        ending_of(spell, methodology, norm, took) if took and at_risk else None,
        norm.total_seconds(),
        (round(lower * MICROHOUR), round(upper * MICROHOUR)),
        why_no_clock(case, spell, methodology).key if stands == "not_started" else None,
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
        self.intervals: dict[Interval, int] = {}
        self.incidence = Incidence(certain={}, possible={})
        self.clusters: dict[str, tuple[int, int, int]] = {}
        self.exposure = (0, 0)

    def add(self, judged: SpellStanding) -> None:
        """Count one spell."""
        case, spell, provider, stands, interval, ending, norm_seconds, exposure, _ = judged
        row = self.row
        self.count.add(stands)
        if stands in JUDGED:
            _add_counts(
                self.clusters, provider, (1, stands == "within", stands != "certain_breaches")
            )
        if interval is not None:
            self.intervals[interval] = self.intervals.get(interval, 0) + 1
        if ending is not None:
            self.incidence.add(ending, norm_seconds)
        if stands == "younger_than_norm":
            row.reports_younger_than_norm += case.reports
        if not case.retracted:
            row.gone_before_notice += spell.gone_before_notice
            row.still_online += still_online(case, spell)
            row.returned += len(spell.returned_at)
            row.moved += spell.closed_reason == "moved"
            self._add_exposure(exposure)
        row.looks += spell.looks
        row.undetermined += spell.undetermined
        row.missed += spell.missed
        if judged.no_clock is not None:
            _count(row.no_clock, judged.no_clock)
        self._add_answers(case, spell)

    def _add_answers(self, case: Case, spell: Spell) -> None:
        row = self.row
        _count(row.roles, role_of(case, spell))
        _count(row.attribution, basis_of(case, spell))
        if case.address_facts and (reseller := reseller_of(case, spell)) is not None:
            _count(row.resellers, reseller)
        for one in case.escalations:
            if spell_at(case, one.at) is spell:
                _count(row.escalations, one.to)

    def _add_exposure(self, exposure: tuple[int, int]) -> None:
        self.exposure = self.exposure[0] + exposure[0], self.exposure[1] + exposure[1]

    def merge(self, other: "Tally") -> None:
        """Add another group's counts; the groups must not share spells."""
        self.count.merge(other.count)
        row, theirs = self.row, other.row
        row.reports_younger_than_norm += theirs.reports_younger_than_norm
        row.gone_before_notice += theirs.gone_before_notice
        row.still_online += theirs.still_online
        row.returned += theirs.returned
        row.moved += theirs.moved
        row.looks += theirs.looks
        row.undetermined += theirs.undetermined
        row.missed += theirs.missed
        for name in SPLITS:
            for key, number in getattr(theirs, name).items():
                _count(getattr(row, name), key, number)
        self._add_exposure(other.exposure)
        self.incidence.merge(other.incidence)
        for interval, number in other.intervals.items():
            self.intervals[interval] = self.intervals.get(interval, 0) + number
        for provider, counts in other.clusters.items():
            _add_counts(self.clusters, provider, counts)


def _count(counts: dict[str, int], name: str, number: int = 1) -> None:
    counts[name] = counts.get(name, 0) + number


def _add_counts(
    clusters: dict[str, tuple[int, int, int]], provider: str, counts: tuple[int, int, int]
) -> None:
    n, within, possible = clusters.get(provider, (0, 0, 0))
    clusters[provider] = n + counts[0], within + counts[1], possible + counts[2]


def exposure_hours(spell: Spell, cutoff: datetime) -> tuple[float, float]:
    """Give the hours that known material stayed online at this provider: at least, at most, until the cut-off."""
    lower, upper = exposure_bounds(spell, cutoff)
    return lower / HOUR, upper / HOUR


def largest_first(tallies: Sequence[Tally]) -> list[Tally]:
    """Order groups by their spells in n, then by name."""
    return sorted(tallies, key=lambda tally: (-tally.count.n, tally.row.provider))
