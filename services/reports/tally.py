"""Counting one group of spells, spell by spell, in memory that does not grow with their number of looks.

What a spell adds to counts is one of few kinds, and a group counts how often it met each; only what is summed or
estimated is taken spell by spell.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from operator import add
from typing import NamedTuple

from services.core.bounds import Count
from services.core.case import Case, Spell
from services.core.exposure import exposure_bounds
from services.core.incidence import Incidence
from services.core.intervals import Interval
from services.reports.figures import Row

UNKNOWN_PROVIDER = "unknown"
HOUR = 3600.0
# Exposure is summed in microseconds, as whole numbers: the sum is the same in any order.
MICROHOUR = 3_600_000_000
JUDGED = ("within", "certain_breaches", "undecided")
SPLITS = ("no_clock", "roles", "resellers", "attribution", "escalations")


class SpellKind(NamedTuple):
    """What a spell is counted as; `certain` and `possible` are its endings at the norm, None where it never ran out.

    A case that was retracted counts for its standing and for who answers, and for nothing else.
    """

    standing: str
    certain: str | None
    possible: tuple[str, ...] | None
    no_clock: str | None
    role: str
    basis: str
    reseller: str | None
    escalated: tuple[str, ...]
    gone_before_notice: bool
    still_online: bool
    returned: int
    moved: bool

    def splits(self) -> Iterator[tuple[str, str]]:
        """Give the counts by name that it is in, as pairs of one of `SPLITS` and a name."""
        yield "roles", self.role
        yield "attribution", self.basis
        if self.no_clock is not None:
            yield "no_clock", self.no_clock
        if self.reseller is not None:
            yield "resellers", self.reseller
        yield from (("escalations", rung) for rung in self.escalated)


class SpellStanding(NamedTuple):
    """One spell under one methodology at one cut-off; judged once, counted in several groups."""

    case: Case
    spell: Spell
    provider: str
    standing: str
    kind: SpellKind
    interval: Interval | None
    exposure: tuple[int, int]


class Tally:
    """The counts of one group; `clusters` are those in n by provider, where these are not the groups."""

    __slots__ = ("clusters", "exposure", "intervals", "kinds", "name", "sums", "watched")

    def __init__(self, name: str) -> None:
        self.name = name
        self.watched = False
        self.kinds: dict[SpellKind, int] = {}
        self.intervals: dict[Interval, int] = {}
        self.clusters: dict[str, tuple[int, int, int]] = {}
        # Looks, undetermined, missed, and reports of what is younger than the norm.
        self.sums = [0, 0, 0, 0]
        self.exposure = [0, 0]

    def __repr__(self) -> str:
        return f"<Tally {self.name}: {sum(self.kinds.values())} spells>"

    def add(self, judged: SpellStanding) -> None:
        """Count one spell."""
        case, spell, _, stands, kind, interval, exposure = judged
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if interval is not None:
            self.intervals[interval] = self.intervals.get(interval, 0) + 1
        sums, total = self.sums, self.exposure
        sums[0] += spell.looks
        sums[1] += spell.undetermined
        sums[2] += spell.missed
        if stands == "younger_than_norm":
            sums[3] += case.reports
        total[0] += exposure[0]
        total[1] += exposure[1]

    def add_cluster(self, judged: SpellStanding) -> None:
        """Count one spell for its provider, if it stands in n."""
        stands = judged.standing
        if stands in JUDGED:
            one = 1, stands == "within", stands != "certain_breaches"
            _add_counts(self.clusters, judged.provider, one)

    def merge(self, other: "Tally") -> None:
        """Add another group's counts; the groups must not share spells."""
        for kind, number in other.kinds.items():
            self.kinds[kind] = self.kinds.get(kind, 0) + number
        for interval, number in other.intervals.items():
            self.intervals[interval] = self.intervals.get(interval, 0) + number
        for provider, counts in other.clusters.items():
            _add_counts(self.clusters, provider, counts)
        self.sums = list(map(add, self.sums, other.sums))
        self.exposure = list(map(add, self.exposure, other.exposure))

    def count(self) -> Count:
        """Give the counting bounds."""
        total = Count(excluded={})
        for kind, number in self.kinds.items():
            total.add(kind.standing, number)
        return total

    def incidence(self) -> Incidence:
        """Give the endings at the norm."""
        total = Incidence(certain={}, possible={})
        for kind, number in self.kinds.items():
            if kind.possible is not None:
                total.add(kind.certain, kind.possible, number)
        return total

    def row(self) -> Row:
        """Give what is counted and summed; shares and estimates are for others to add."""
        looks, undetermined, missed, younger = self.sums
        lower, upper = self.exposure
        row = Row(
            provider=self.name,
            watched=self.watched,
            looks=looks,
            undetermined=undetermined,
            missed=missed,
            reports_younger_than_norm=younger,
            exposure_lower_hours=lower / MICROHOUR,
            exposure_upper_hours=upper / MICROHOUR,
        )
        for kind, number in self.kinds.items():
            _add_kind(row, kind, number)
        for name in SPLITS:
            _sort(row, name)
        return row


def _add_kind(row: Row, kind: SpellKind, number: int) -> None:
    if kind.gone_before_notice:
        row.gone_before_notice += number
    if kind.still_online:
        row.still_online += number
    if kind.returned or kind.moved:
        row.returned += kind.returned * number
        row.moved += kind.moved * number
    for split, name in kind.splits():
        counts = getattr(row, split)
        counts[name] = counts.get(name, 0) + number


def _sort(row: Row, name: str) -> None:
    counts = getattr(row, name)
    if len(counts) > 1:
        setattr(row, name, dict(sorted(counts.items())))


def _add_counts(
    clusters: dict[str, tuple[int, int, int]], provider: str, counts: tuple[int, int, int]
) -> None:
    n, within, possible = clusters.get(provider, (0, 0, 0))
    clusters[provider] = n + counts[0], within + counts[1], possible + counts[2]


def exposure_hours(spell: Spell, cutoff: datetime) -> tuple[float, float]:
    """Give the hours that known material stayed online at this provider: at least, at most, until the cut-off."""
    lower, upper = exposure_bounds(spell, cutoff)
    return lower / HOUR, upper / HOUR


def merged(name: str, parts: Iterable[Tally]) -> Tally:
    """Add up the counts of groups that share no spells."""
    whole = Tally(name)
    for part in parts:
        whole.merge(part)
    return whole


def largest_first(tallies: Iterable[Tally], *, of_providers: bool) -> list[Tally]:
    """Order groups by their spells in n, then by name; where they are providers, each is one cluster."""
    counted = [(tally, tally.count()) for tally in tallies]
    if of_providers:
        for tally, count in counted:
            bounds = count.n, count.within, count.not_certainly_outside
            tally.clusters = {tally.name: bounds} if count.n else {}
    counted.sort(key=lambda pair: (-pair[1].n, pair[0].name))
    return [tally for tally, _ in counted]
