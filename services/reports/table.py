"""The league table: a definition applied to evidence, at one cut-off, as a pure function.

Every table names its methodology (id, version, digest) and its cut-off; a group with fewer spells than the
methodology's minimum is shown with its counts and without a share.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from schemas.methodology import Methodology
from services.core.case import Case
from services.reports.cohorts import Hours, Segment, Trend, Warnings
from services.reports.figures import By, Row, Table, Warning
from services.reports.tally import (
    UNKNOWN_PROVIDER,
    SpellStanding,
    Tally,
    exposure_hours,
    judge,
    largest_first,
)

__all__ = ["UNKNOWN_PROVIDER", "Builder", "Choice", "Row", "Table", "build", "exposure_hours"]

UNKNOWN = "unknown"


class Choice(Struct, frozen=True, kw_only=True):
    """What a table shows beside its counts; none of it changes a count.

    `by` names the groups, `countries` gives the country of a provider. `watch` names providers that are shown even
    with no spell. `before` are the methodologies in force before the table's own, oldest first, for the trend.
    """

    by: By = "provider"
    countries: Mapping[str, str] = {}
    watch: tuple[str, ...] = ()
    warnings: tuple[Warning, ...] = ()
    before: tuple[Segment, ...] = ()
    since: datetime | None = None
    curves: bool = False


class Builder:
    """Takes cases one by one, so that memory holds counts and not cases."""

    def __init__(
        self, methodology: Methodology, cutoff: datetime, choice: Choice | None = None
    ) -> None:
        self.methodology = methodology
        self.cutoff = cutoff
        self.choice = choice or Choice()
        self._group = _grouping(self.choice)
        self._tallies: dict[str, Tally] = {}
        self._hours = Hours(methodology.time_zone)
        self._segments = (*self.choice.before, Segment(methodology, self.choice.since))
        self._trend = Trend(self._segments)
        self._warnings = Warnings(self.choice.warnings)
        self._reports = self._cases = 0

    def add(self, case: Case) -> None:
        """Count one case, folded under the table's methodology."""
        self._cases += 1
        self._reports += case.reports
        for spell in case.spells:
            judged = judge(case, spell, self.methodology, self.cutoff)
            self._tally(self._group(judged)).add(judged)
            self._hours.add(judged)
            self._warnings.add(judged)
            self._trend.add(judged, len(self._segments) - 1)

    def add_before(self, case: Case, segment: int) -> None:
        """Count one case, folded under a former methodology, for the trend only."""
        methodology = self._segments[segment].methodology
        for spell in case.spells:
            self._trend.add(judge(case, spell, methodology, self.cutoff), segment)

    def finish(self) -> Table:
        """Give the table; groups with the most spells in n come first."""
        for name in self.choice.watch:
            self._tally(name).row.watched = True
        tallies = largest_first([*self._tallies.values()])
        # Pooled figures first: finishing a group adds nothing to its counts, but belongs to it alone.
        pooled = self._pool("all", tallies)
        largest = tallies[0].row.provider if tallies else ""
        without = self._pool(f"all without {largest}", tallies[1:]) if tallies else None
        rows = [self._finished(tally) for tally in tallies]
        method = self.methodology
        return Table(
            methodology=method.id,
            methodology_version=method.version,
            methodology_digest=method.digest,
            methodology_title=method.title,
            norm=method.norm,
            norms=method.norms,
            exclude=method.exclude,
            clock_start=method.clock_start,
            calendar=method.calendar,
            time_zone=method.time_zone,
            cutoff=self.cutoff,
            minimum_n=method.minimum_n,
            by=self.choice.by,
            reports=self._reports,
            cases=self._cases,
            pooled=pooled,
            without_largest=without,
            unweighted=unweighted(rows),
            providers=rows,
            hours=self._hours.finish(),
            trend=self._trend.finish(),
            warnings=self._warnings.finish(self._finished),
        )

    def _tally(self, name: str) -> Tally:
        if name not in self._tallies:
            self._tallies[name] = Tally(name)
        return self._tallies[name]

    def _finished(self, tally: Tally) -> Row:
        return tally.finish(self.methodology, pooled=False, curves=self.choice.curves)

    def _pool(self, name: str, tallies: Sequence[Tally]) -> Row:
        total = Tally(name)
        for tally in tallies:
            total.merge(tally)
        return total.finish(self.methodology, pooled=True, curves=self.choice.curves)


def build(
    cases: Iterable[Case],
    methodology: Methodology,
    cutoff: datetime,
    choice: Choice | None = None,
) -> Table:
    """Count cases into a league table."""
    builder = Builder(methodology, cutoff, choice)
    for case in cases:
        builder.add(case)
    return builder.finish()


def _grouping(choice: Choice) -> Callable[[SpellStanding], str]:
    """Name the group of a spell; a case of several reporters counts for the first one."""
    if choice.by == "reporter":
        return lambda judged: judged.case.reporters[0] if judged.case.reporters else UNKNOWN
    if choice.by == "category":
        return lambda judged: judged.case.category
    if choice.by == "country":
        return lambda judged: choice.countries.get(judged.provider, UNKNOWN)
    return lambda judged: judged.provider


def unweighted(rows: Sequence[Row]) -> tuple[float, float] | None:
    """Give every group with enough spells the same weight."""
    shares = [(r.lower, r.upper) for r in rows if r.lower is not None and r.upper is not None]
    if not shares:
        return None
    lowers, uppers = zip(*shares, strict=True)
    return sum(lowers) / len(shares), sum(uppers) / len(shares)
