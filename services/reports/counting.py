"""Counting cases for a table: memory holds counts and not cases, and parts of a ledger are counted apart and added up.

No figure needs more of a case than what is counted here, and none of the counts depends on the order of cases.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from msgspec import Struct

from schemas.methodology import Methodology
from services.core.case import Case
from services.core.hours import local_time
from services.notices.channel_capacity import Capacity
from services.reports.channels import Channels
from services.reports.cohorts import Hours, Segment, Trend, Warnings
from services.reports.figures import By, Warning
from services.reports.flows import FlowTable
from services.reports.standings import Judge
from services.reports.tally import SpellStanding, Tally, merged

UNKNOWN = "unknown"

Cell = tuple[str, int | None]
"""A group, and the month in which a clock started; None: none did, or another methodology was in force then."""


class Choice(Struct, frozen=True, kw_only=True):
    """What a table shows beside its counts; none of it changes a count.

    `by` names the groups, `countries` gives the country of a provider, `parents` from whom it rents. `capacities` are
    those of notice channels. `watch` names providers that are shown even with no spell. `before` are the methodologies
    in force before the table's own, oldest first, for the trend.
    """

    by: By = "provider"
    countries: Mapping[str, str] = {}
    parents: Mapping[str, str] = {}
    capacities: tuple[Capacity, ...] = ()
    watch: tuple[str, ...] = ()
    warnings: tuple[Warning, ...] = ()
    before: tuple[Segment, ...] = ()
    since: datetime | None = None
    curves: bool = False


class CaseCounts:
    """The counts of some of a ledger's cases under one methodology at one cut-off."""

    def __init__(
        self, methodology: Methodology, cutoff: datetime, choice: Choice | None = None
    ) -> None:
        self.methodology = methodology
        self.cutoff = cutoff
        self.choice = choice or Choice()
        self.cells: dict[Cell, Tally] = {}
        self.hours = Hours()
        self._segments = (*self.choice.before, Segment(methodology, self.choice.since))
        self.trend = Trend(self._segments)
        self.warnings = Warnings(self.choice.warnings)
        self.channels = Channels()
        self.flows = FlowTable(self.choice.countries, by_country=False)
        self.reports = self.cases = 0
        self.newest_sighting: datetime | None = None
        self._group = _grouping(self.choice)
        self._with_clusters = self.choice.by != "provider"
        self._judges = [Judge(segment.methodology, cutoff) for segment in self._segments]

    def add(self, case: Case) -> None:
        """Count one case, folded under the table's methodology."""
        self.cases += 1
        self.reports += case.reports
        self.channels.add(case)
        self.flows.add(case)
        segment = len(self._segments) - 1
        judge = self._judges[segment].judge
        for spell in case.spells:
            judged, start, month = judge(case, spell), spell.clock_started_at, None
            if start is not None:
                local = local_time(start, self.methodology.time_zone)
                month = self.trend.month(local, segment)
                self.hours.add(judged, local)
                if self.choice.warnings:
                    self.warnings.add(judged, start)
            cell = self._group(judged), month
            tally = self.cells.get(cell)
            if tally is None:
                tally = self.cells[cell] = Tally(cell[0])
            tally.add(judged)
            if judged.kind.still_online:
                self._sight(spell.last_seen_at)
            if self._with_clusters:
                tally.add_cluster(judged)

    def _sight(self, at: datetime | None) -> None:
        """Keep the newest sighting of what is online."""
        before = self.newest_sighting
        if at is not None and (before is None or at > before):
            self.newest_sighting = at

    def add_before(self, case: Case, segment: int) -> None:
        """Count one case, folded under a former methodology, for the trend only."""
        judge = self._judges[segment].judge
        for spell in case.spells:
            if spell.clock_started_at is not None:
                self.trend.add(judge(case, spell), spell.clock_started_at, segment)

    def merge(self, other: "CaseCounts") -> None:
        """Add the counts of other cases of the same ledger."""
        self.cases += other.cases
        self.reports += other.reports
        self._sight(other.newest_sighting)
        for cell, tally in other.cells.items():
            mine = self.cells.get(cell)
            if mine is None:
                self.cells[cell] = tally
            else:
                mine.merge(tally)
        self.hours.merge(other.hours)
        self.trend.merge(other.trend)
        self.warnings.merge(other.warnings)
        self.channels.merge(other.channels)
        self.flows.merge(other.flows)

    def groups(self) -> dict[str, Tally]:
        """Give the counts of each group; a cell that is a whole group is given itself."""
        cells: dict[str, list[Tally]] = {}
        for (name, _), tally in self.cells.items():
            cells.setdefault(name, []).append(tally)
        return {
            name: parts[0] if len(parts) == 1 else merged(name, parts)
            for name, parts in cells.items()
        }

    def months(self) -> Trend:
        """Give the counts of each month, those under the table's methodology with the others."""
        whole = Trend(self._segments)
        whole.merge(self.trend)
        for (_, month), tally in self.cells.items():
            if month is not None:
                whole.add_counts(tally, len(self._segments) - 1, month)
        return whole


def _grouping(choice: Choice) -> Callable[[SpellStanding], str]:
    """Name the group of a spell; a case of several reporters counts for the first one."""
    if choice.by == "country":
        return partial(_country, choice.countries)
    return {"reporter": _reporter, "category": _category}.get(choice.by, _provider)


def _provider(judged: SpellStanding) -> str:
    return judged.provider


def _reporter(judged: SpellStanding) -> str:
    return judged.case.reporters[0] if judged.case.reporters else UNKNOWN


def _category(judged: SpellStanding) -> str:
    return judged.case.category


def _country(countries: Mapping[str, str], judged: SpellStanding) -> str:
    return countries.get(judged.provider, UNKNOWN)
