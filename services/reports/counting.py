"""Counting cases for a table: memory holds counts and not cases, and parts of a ledger are counted apart and added up.

No figure needs more of a case than what is counted here, and none of the counts depends on the order of cases.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from msgspec import Struct

from schemas.methodology import Methodology
from services.core.case import Case
from services.notices.channel_capacity import Capacity
from services.reports.channels import Channels
from services.reports.cohorts import Hours, Segment, Trend, Warnings
from services.reports.figures import By, Warning
from services.reports.flows import FlowTable
from services.reports.tally import SpellStanding, Tally, judge

UNKNOWN = "unknown"


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
        self.tallies: dict[str, Tally] = {}
        self.hours = Hours(methodology.time_zone)
        self._segments = (*self.choice.before, Segment(methodology, self.choice.since))
        self.trend = Trend(self._segments)
        self.warnings = Warnings(self.choice.warnings)
        self.channels = Channels()
        self.flows = FlowTable(self.choice.countries, by_country=False)
        self.reports = self.cases = 0
        self._group = _grouping(self.choice)

    def add(self, case: Case) -> None:
        """Count one case, folded under the table's methodology."""
        self.cases += 1
        self.reports += case.reports
        self.channels.add(case)
        self.flows.add(case)
        for spell in case.spells:
            judged = judge(case, spell, self.methodology, self.cutoff)
            self.tally(self._group(judged)).add(judged)
            self.hours.add(judged)
            self.warnings.add(judged)
            self.trend.add(judged, len(self._segments) - 1)

    def add_before(self, case: Case, segment: int) -> None:
        """Count one case, folded under a former methodology, for the trend only."""
        methodology = self._segments[segment].methodology
        for spell in case.spells:
            self.trend.add(judge(case, spell, methodology, self.cutoff), segment)

    def merge(self, other: "CaseCounts") -> None:
        """Add the counts of other cases of the same ledger."""
        self.cases += other.cases
        self.reports += other.reports
        for name, tally in other.tallies.items():
            mine = self.tallies.get(name)
            if mine is None:
                self.tallies[name] = tally
            else:
                mine.merge(tally)
        self.hours.merge(other.hours)
        self.trend.merge(other.trend)
        self.warnings.merge(other.warnings)
        self.channels.merge(other.channels)
        self.flows.merge(other.flows)

    def tally(self, name: str) -> Tally:
        """Give the counts of a group."""
        tally = self.tallies.get(name)
        if tally is None:
            tally = self.tallies[name] = Tally(name)
        return tally


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
