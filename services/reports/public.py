"""Make a table fit to publish: no count from 1 to 4 stands in it or follows from it by subtraction (rule G5).

Blanking a cell is not enough: within + certain breaches + undecided = n gives it back, and so does the pooled row.
So small counts of the bounds are moved to `undecided`, which keeps the sum and only widens the interval; groups below
five spells are joined in one row, hours below five are left out, and the parts of whatever shares its spells with
other rows (pooled rows, months, cohorts of a warning) are rounded down to fives; everything else is rounded to a
multiple of five.
"""

from dataclasses import dataclass
from math import ceil, floor

import msgspec

from services.core.bounds import wilson
from services.reports.estimates import sampling
from services.reports.figures import Curve, Flow, HourCell, Row, Table
from services.reports.table import unweighted
from services.reports.tally import SPLITS

LEAST = 5
_ROUNDED = (
    "younger_than_norm",
    "reports_younger_than_norm",
    "not_started",
    "gone_before_notice",
    "still_online",
    "returned",
    "moved",
    "looks",
    "undetermined",
    "missed",
)
_EXPOSURE = ("exposure_lower_hours", "exposure_upper_hours")
_JUDGED = ("within", "certain_breaches", "undecided")
_ALMOST = 1e-6


def publish(table: Table) -> Table:
    """Give the public form of a table."""
    rows = [_row(row) for row in table.providers if row.n >= LEAST]
    small = [row for row in table.providers if row.n < LEAST]
    rest, others = _together(small), table.without_largest
    # Other groups than providers are not what the bootstrap draws.
    drawn = len(rows) if table.by == "provider" else 2 * LEAST
    rows += [_blank(row) for row in small if row.watched or _is_unmeasured(row)]
    return msgspec.structs.replace(
        table,
        public=True,
        reports=_rounded(table.reports),
        cases=_rounded(table.cases),
        pooled=_pooled(table.pooled, few=drawn < LEAST),
        without_largest=None if others is None else _pooled(others, few=drawn - 1 < LEAST),
        unweighted=unweighted(rows),
        providers=[*rows, _row(rest)] if rest.n >= LEAST else rows,
        hours=[_cell(cell) for cell in table.hours],
        trend=[msgspec.structs.replace(month, row=_part(month.row)) for month in table.trend],
        warnings=[
            msgspec.structs.replace(
                w, before=_part(w.before), grace=_part(w.grace), after=_part(w.after)
            )
            for w in table.warnings
        ],
        channels=[],
        flows=[_flow(flow) for flow in table.flows if max(flow.moved, flow.passed_on) >= LEAST],
    )


def _flow(flow: Flow) -> Flow:
    return msgspec.structs.replace(
        flow,
        moved=_down(flow.moved),
        passed_on=_down(flow.passed_on),
        first_at=None,
        last_at=None,
    )


def _together(rows: list[Row]) -> Row:
    """Join the groups that are too small to stand alone."""
    total = Row(provider=f"{len(rows)} groups below {LEAST} spells", too_few=True)
    for row in rows:
        for name in (*_ROUNDED, *_EXPOSURE, *_JUDGED, "n", "incidence_n"):
            setattr(total, name, getattr(total, name) + getattr(row, name))
        for name in ("excluded", *SPLITS):
            counts = getattr(total, name)
            for key, number in getattr(row, name).items():
                counts[key] = counts.get(key, 0) + number
    return total


@dataclass
class _Counts:
    """The three parts of n, moved until none of them is from 1 to 4."""

    within: int
    certain_breaches: int
    undecided: int

    def widen(self) -> None:
        """Move small counts to undecided, and fill undecided up from the larger of the others."""
        for name in ("within", "certain_breaches"):
            if 0 < getattr(self, name) < LEAST:
                self._move(name, getattr(self, name))
        if 0 < self.undecided < LEAST:
            name = "within" if self.within >= self.certain_breaches else "certain_breaches"
            self._move(name, LEAST - self.undecided)
            if 0 < getattr(self, name) < LEAST:
                self._move(name, getattr(self, name))

    def _move(self, name: str, count: int) -> None:
        setattr(self, name, getattr(self, name) - count)
        self.undecided += count


def _row(row: Row) -> Row:
    if row.n < LEAST:
        return _blank(row)
    counts = _Counts(row.within, row.certain_breaches, row.undecided)
    counts.widen()
    published = _rest(row)
    _judge(published, counts)
    if not published.too_few:
        published.lower, published.upper = (
            published.within / row.n,
            published.not_certainly_outside / row.n,
        )
        published.sampling = sampling(published)
    return published


def _blank(row: Row) -> Row:
    """Leave nothing of a group: this small, it is a few cases whatever is counted.

    But for many cases without a clock at a provider that can't be measured by notice: who refuses notices is named.
    """
    blank = Row(provider=row.provider, too_few=True, suppressed=True, watched=row.watched)
    if _is_unmeasured(row):
        blank.not_measurable, blank.not_started = row.not_measurable, _down(row.not_started)
        blank.no_clock = _enough(row.no_clock)
    return blank


def _is_unmeasured(row: Row) -> bool:
    return row.not_measurable is not None and row.not_started >= LEAST


def _enough(counts: dict[str, int]) -> dict[str, int]:
    """Round counts by name down to fives; those below five are left out."""
    return {key: _down(count) for key, count in counts.items() if count >= LEAST}


def _pooled(row: Row, *, few: bool) -> Row:
    """Give a pooled row; where few groups are drawn from, the bootstrap gives away theirs, and is left out."""
    published = _total(row)
    if published.sampling is not None:
        low, high = published.sampling
        published.sampling = None if few else (_floor(low), _ceil(high))
    return published


def _part(row: Row) -> Row:
    """Give a row whose spells stand in another row too: without it, both would give away what this one hides."""
    if row.n < LEAST:
        return _blank(row)
    published = _total(row)
    if not published.too_few:
        n = _up(row.n)
        low, high = wilson(published.within, n)[0], wilson(n - published.certain_breaches, n)[1]
        published.sampling = _floor(low), _ceil(high)
    return published


def _total(row: Row) -> Row:
    """Round the parts of n down to fives: what the groups' own rows hide does not follow from their sum."""
    published = _rest(row)
    parts = (_down(row.within), _down(row.certain_breaches), _down(row.undecided))
    published.n = sum(parts)
    _judge(published, _Counts(*parts))
    if not row.too_few:
        # Over n itself, a share would tell n, and n what the hidden groups have.
        published.lower = _floor(parts[0] / _up(row.n))
        published.upper = _ceil(1 - parts[1] / _up(row.n))
    return published


def _judge(row: Row, counts: _Counts) -> None:
    row.within, row.certain_breaches = counts.within, counts.certain_breaches
    row.undecided = counts.undecided
    row.not_certainly_outside = row.n - row.certain_breaches


def _rest(row: Row) -> Row:
    published = msgspec.structs.replace(row)
    for name in _ROUNDED:
        setattr(published, name, _rounded(getattr(row, name)))
    published.excluded = {reason: _rounded(count) for reason, count in row.excluded.items()}
    for name in SPLITS:
        setattr(published, name, _enough(getattr(row, name)))
    published.exposure_lower_hours = float(round(row.exposure_lower_hours))
    published.exposure_upper_hours = float(round(row.exposure_upper_hours))
    published.incidence = {
        cause: _bounds(pair, row.incidence_n) for cause, pair in row.incidence.items()
    }
    published.incidence_n = _rounded(row.incidence_n)
    published.estimate, published.curve = None, _curve(row.curve, row.n)
    return published


def _bounds(pair: tuple[float, float], n: int) -> tuple[float, float]:
    """Widen a pair of bounds until neither stands for one to four spells, or for all but one to four."""
    low, high = (round(share * n) for share in pair)
    if low < LEAST:
        low = 0
    elif n - low in range(1, LEAST):
        low = n - LEAST
    if n - high < LEAST:
        high = n
    elif high in range(1, LEAST):
        high = LEAST
    return _floor(max(low, 0) / _up(n)), _ceil(1 - (n - high) / _up(n))


def _cell(cell: HourCell) -> HourCell:
    if cell.n is None or cell.n < LEAST or cell.lower is None or cell.upper is None:
        return msgspec.structs.replace(cell, n=None, lower=None, upper=None)
    within, outside = round(cell.lower * cell.n), round((1 - cell.upper) * cell.n)
    counts = _Counts(within, outside, cell.n - within - outside)
    counts.widen()
    return msgspec.structs.replace(
        cell,
        n=_rounded(cell.n),
        lower=_floor(counts.within / cell.n),
        upper=_ceil(1 - counts.certain_breaches / cell.n),
    )


def _curve(curve: Curve | None, n: int) -> Curve | None:
    """Join steps of a curve until each holds five spells: the gaps grow, the truth stays inside."""
    if curve is None:
        return None
    lefts: list[float] = []
    rights: list[float | None] = []
    masses: list[float] = []
    for left, right, mass in zip(curve.lefts, curve.rights, curve.masses, strict=True):
        if masses and masses[-1] * n < LEAST - _ALMOST:
            rights[-1], masses[-1] = right, masses[-1] + mass
        else:
            lefts.append(left)
            rights.append(right)
            masses.append(mass)
    if len(masses) > 1 and masses[-1] * n < LEAST - _ALMOST:
        last, right = masses.pop(), rights.pop()
        lefts.pop()
        rights[-1], masses[-1] = right, masses[-1] + last
    return Curve(lefts=lefts, rights=rights, masses=masses)


def _floor(share: float) -> float:
    return floor(share * 100 + _ALMOST) / 100


def _ceil(share: float) -> float:
    return min(1.0, ceil(share * 100 - _ALMOST) / 100)


def _down(count: int) -> int:
    return count // LEAST * LEAST


def _up(count: int) -> int:
    return -(-count // LEAST) * LEAST


def _rounded(count: int) -> int:
    return LEAST * round(count / LEAST)
