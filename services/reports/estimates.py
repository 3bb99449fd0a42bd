"""The figures of a group from its counts: shares, sampling, estimates. Whoever only counts needs no statistics."""

from collections.abc import Callable, Mapping, Sequence

from schemas.methodology import Methodology
from services.core.bounds import wilson
from services.core.estimate import Estimate, turnbull_counted
from services.core.intervals import INFINITE, Interval
from services.core.resample import Counts, by_provider
from services.reports.count_helpers import HelperPipe, begun
from services.reports.figures import Curve, Quantile, Row
from services.reports.tally import HOUR, Tally

_NO_MASS = 1e-9


def finish(tally: Tally, methodology: Methodology, *, curves: bool = False) -> Row:
    """Turn the counts of a group into figures; below the minimum nobody gets a share."""
    row = _counted(tally, methodology)
    if not row.too_few:
        row.sampling = sampling(row)
        _estimate(row, _turnbull(tally.intervals), methodology, curves)
    return row


def finish_pooled(
    tallies: Sequence[Tally],
    methodology: Methodology,
    *,
    curves: bool = False,
    helper: HelperPipe | None = None,
) -> Callable[[], list[Row]]:
    """Turn the counts of pooled groups into figures: their sampling is the bootstrap by provider.

    Gives what waits for the rows: a helper draws while its parent is at other things.
    """
    rows = [_counted(tally, methodology) for tally in tallies]
    enough = [tally for tally, row in zip(tallies, rows, strict=True) if not row.too_few]
    clusters = [list(tally.clusters.values()) for tally in enough]
    intervals = [tally.intervals for tally in enough]
    statistics = begun(helper, _pooled_statistics, clusters, intervals, methodology.digest)

    def finished() -> list[Row]:
        for row, (interval, estimate) in zip(_with_shares(rows), statistics(), strict=True):
            row.sampling = interval
            _estimate(row, estimate, methodology, curves)
        return rows

    return finished


def _pooled_statistics(
    clusters: Sequence[Counts], intervals: Sequence[Mapping[Interval, int]], digest: str
) -> list[tuple[tuple[float, float] | None, Estimate | None]]:
    """Give the sampling and the estimate of each pooled group."""
    drawn = by_provider(clusters, digest)
    return list(zip(drawn, map(_turnbull, intervals), strict=True))


def _turnbull(intervals: Mapping[Interval, int]) -> Estimate | None:
    return turnbull_counted(intervals) if intervals else None


def _with_shares(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if not row.too_few]


def _counted(tally: Tally, methodology: Methodology) -> Row:
    count, row = tally.count(), tally.row()
    assert count.within + count.certain_breaches + count.undecided == count.n, "law 5"
    row.n, row.within, row.undecided = count.n, count.within, count.undecided
    row.certain_breaches = count.certain_breaches
    row.not_certainly_outside = count.not_certainly_outside
    row.younger_than_norm, row.not_started = count.younger_than_norm, count.not_started
    row.excluded = dict(sorted(count.excluded.items()))
    row.too_few = row.n < methodology.minimum_n
    incidence = tally.incidence()
    row.incidence_n = incidence.n
    if not row.too_few:
        row.lower, row.upper = count.lower, count.upper
        row.incidence = incidence.shares()
    return row


def _estimate(row: Row, estimate: Estimate | None, methodology: Methodology, curves: bool) -> None:
    if estimate is None:
        return
    low, high = estimate.gone_by(methodology.norm_for("").total_seconds())
    row.estimate = (round(low, 6), round(min(high, 1.0), 6))
    row.median, row.p90 = quantile(estimate, 0.5), quantile(estimate, 0.9)
    row.curve = curve(estimate) if curves else None


def sampling(row: Row) -> tuple[float, float]:
    """Give Wilson's 95 % interval around the bounds of a group."""
    return wilson(row.within, row.n)[0], wilson(row.not_certainly_outside, row.n)[1]


def quantile(estimate: Estimate, share: float) -> Quantile:
    """Give a quantile in hours."""
    interval = estimate.quantile(share)
    if interval is None:
        return Quantile(reached=False)
    left, right = interval
    return Quantile(reached=True, lower_hours=left / HOUR, upper_hours=right / HOUR)


def curve(estimate: Estimate) -> Curve:
    """Give the intervals that hold mass, in hours."""
    intervals = [
        (left, right, mass)
        for left, right, mass in zip(estimate.lefts, estimate.rights, estimate.masses, strict=True)
        if mass > _NO_MASS
    ]
    return Curve(
        lefts=[left / HOUR for left, _, _ in intervals],
        rights=[None if right == INFINITE else right / HOUR for _, right, _ in intervals],
        masses=[mass for _, _, mass in intervals],
    )
