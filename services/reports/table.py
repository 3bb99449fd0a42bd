"""The league table: a definition applied to evidence, at one cut-off, as a pure function.

Every table names its methodology (id, version, digest) and its cut-off; a group with fewer spells than the
methodology's minimum is shown with its counts and without a share.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from schemas.methodology import Methodology
from services.core.case import Case
from services.reports import estimates
from services.reports.count_helpers import HelperPipe
from services.reports.counting import CaseCounts, Choice
from services.reports.figures import ChannelFigures, Row, Table
from services.reports.tally import UNKNOWN_PROVIDER, Tally, exposure_hours, largest_first, merged

__all__ = ["UNKNOWN_PROVIDER", "Builder", "Choice", "Row", "Table", "build", "exposure_hours"]

CATEGORY = "csam"
"""The category whose norm a channel's capacity is held against."""


class Builder(CaseCounts):
    """Takes cases one by one, or counts of them, and makes the table."""

    def finish(self, helper: HelperPipe | None = None) -> Table:
        """Give the table; groups with the most spells in n come first. A helper, if there is one, draws samples."""
        groups = self.groups()
        for name in self.choice.watch:
            groups.setdefault(name, Tally(name)).watched = True
        tallies = largest_first(groups.values(), of_providers=self.choice.by == "provider")
        # Pooled figures first: finishing a group adds nothing to its counts, but belongs to it alone.
        pooled = self._pooled(tallies, helper)
        rows = [self._finished(tally) for tally in tallies]
        method = self.methodology
        channels = self.channels.finish(self.choice.capacities, method.norm_for(CATEGORY))
        self._mark(rows, channels)
        months = self.months().finish(estimates.finish)
        # Last: by now whoever draws has drawn.
        together, *without = pooled()
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
            newest_sighting=self.newest_sighting,
            minimum_n=method.minimum_n,
            by=self.choice.by,
            reports=self.reports,
            cases=self.cases,
            pooled=together,
            without_largest=without[0] if without else None,
            unweighted=unweighted(rows),
            providers=rows,
            hours=self.hours.finish(),
            trend=months,
            warnings=self.warnings.finish(self._finished),
            channels=channels,
            flows=self.flows.flows(),
        )

    def _mark(self, rows: Sequence[Row], channels: Sequence[ChannelFigures]) -> None:
        """Say of each provider whether it can be measured by notice, and from whom it rents."""
        if self.choice.by != "provider":
            return
        reasons = {one.provider: one.not_measurable for one in channels}
        for row in rows:
            row.not_measurable = reasons.get(row.provider)
            row.parent = self.choice.parents.get(row.provider)

    def _finished(self, tally: Tally) -> Row:
        return estimates.finish(tally, self.methodology, curves=self.choice.curves)

    def _pooled(
        self, tallies: Sequence[Tally], helper: HelperPipe | None
    ) -> Callable[[], list[Row]]:
        """Begin the figures of all groups, and of all without the largest where there is one."""
        largest = tallies[0].name if tallies else ""
        without = merged(f"all without {largest}", tallies[1:])
        pooled = merged("all", (without, *tallies[:1]))
        chosen = [pooled, without] if tallies else [pooled]
        return estimates.finish_pooled(
            chosen, self.methodology, curves=self.choice.curves, helper=helper
        )


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


def unweighted(rows: Sequence[Row]) -> tuple[float, float] | None:
    """Give every group with enough spells the same weight."""
    shares = [(r.lower, r.upper) for r in rows if r.lower is not None and r.upper is not None]
    if not shares:
        return None
    lowers, uppers = zip(*shares, strict=True)
    return sum(lowers) / len(shares), sum(uppers) / len(shares)
