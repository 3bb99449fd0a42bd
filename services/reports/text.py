"""The league table as text for a terminal."""

from collections.abc import Iterator, Sequence

from services.reports.answer_sheets import Sheet, sentences, sheets, unattributed
from services.reports.figures import Month, Row, Table, Warned
from services.reports.local_times import exactly
from services.reports.text_grid import grid_lines, prose
from services.reports.units import duration, unit_of

_BOUNDS = ("n", "lower", "upper", "95 % sampling", "within", "breaches", "undecided")
_STOCK = (
    "returned",
    "moved",
    "gone before",
    "undetermined",
    "too young",
    "no clock",
    "exposure h",
)


def share(value: float | None) -> str:
    """Write a share in per cent, the one form wherever people read; or say that it isn't given."""
    return "-" if value is None else f"{value:.2%}"


def shares(pair: tuple[float, float] | None) -> str:
    """Write an interval of shares; one share where both ends are the same."""
    if pair is None:
        return "-"
    low, high = share(pair[0]), share(pair[1])
    return low if low == high else f"{low[:-1]}-{high}"


def count(row: Row, value: int) -> str:
    """Write a count, or that it is too small to publish."""
    return "<5" if row.suppressed and not value else f"{value:,}"


def written(table: Table, most: int | None = None, width: int | None = None) -> str:
    """Write a table for a terminal, the totals in bold; `most` limits the groups shown, and says how many it left out.

    What is on the watch list is shown whatever its place. Where `width` is too narrow for all columns of a
    table, those that don't fit stand in another one below, each with the groups' names.
    """
    return "".join(f"{line}\n" for line in _lines(table, most, width))


def _lines(table: Table, most: int | None, width: int | None) -> Iterator[str]:
    first = table.providers if most is None else table.providers[:most]
    shown = [*first, *(row for row in table.providers[len(first) :] if row.watched)]
    rows, total = [*shown, *_totals(table)], len(shown)
    yield from prose(title(table).splitlines(), width)
    if not rows:
        yield "none"
    for sheet in (_bounds(table, rows), _stock(table, rows)) if rows else ():
        yield from grid_lines(sheet, width, {total}, bold_from=total)
    if len(table.trend) > 1:
        breaks = {number for number, month in enumerate(table.trend) if month.breaks}
        yield from grid_lines(_trend(table.trend), width, breaks)
    for warned in table.warnings:
        yield from grid_lines(_warned(warned), width)
    for heading, sheet in sheets(table, most):
        yield f"\n{heading}"
        yield from grid_lines(sheet, width)
    yield ""
    yield from prose(notes(table, len(table.providers) - len(shown)), width)


def _totals(table: Table) -> Sequence[Row]:
    return [row for row in (table.pooled, table.without_largest) if row is not None and row.n]


def _bounds(table: Table, rows: Sequence[Row]) -> Sheet:
    unit = unit_of(table)
    heads = (table.by, *_BOUNDS, f"median {unit.short}", f"90 % gone {unit.short}")
    lines = [
        (name(row), *bound_cells(row), duration(row.median, unit), duration(row.p90, unit))
        for row in rows
    ]
    return Sheet(heads, lines)


def name(row: Row) -> str:
    """Name a group; a star marks the watch list, a dagger who can't be measured by notice."""
    marks = "*" * row.watched + "†" * (row.not_measurable is not None)
    return f"{row.provider} {marks}" if marks else row.provider


def _few(row: Row) -> str:
    """Say why a group has no share."""
    return "too few" if row.not_measurable is None else "not by notice"


def bound_cells(row: Row) -> tuple[str, ...]:
    """Write the bounds of a group, and what they are made of."""
    return (
        count(row, row.n),
        _few(row) if row.too_few else share(row.lower),
        _few(row) if row.too_few else share(row.upper),
        shares(row.sampling),
        count(row, row.within),
        count(row, row.certain_breaches),
        count(row, row.undecided),
    )


def _stock(table: Table, rows: Sequence[Row]) -> Sheet:
    heads = ("online, stale" if table.stale else "online", *_STOCK)
    return Sheet((table.by, *heads), [(name(row), *_stock_cells(row)) for row in rows])


def _stock_cells(row: Row) -> tuple[str, ...]:
    undetermined = row.undetermined_share
    return (
        count(row, row.still_online),
        count(row, row.returned),
        count(row, row.moved),
        count(row, row.gone_before_notice),
        share(undetermined),
        count(row, row.younger_than_norm),
        count(row, row.not_started),
        f"{row.exposure_lower_hours:.1f}-{row.exposure_upper_hours:.1f}",
    )


def _trend(months: Sequence[Month]) -> Sheet:
    lines = [
        (
            month.month,
            *bound_cells(month.row),
            f"{month.methodology} v{month.methodology_version}",
        )
        for month in months
    ]
    return Sheet(("month", *_BOUNDS, "methodology"), lines)


def _warned(warned: Warned) -> Sheet:
    cohorts = (
        ("before", warned.before),
        (f"until {warned.grace_ends:%Y-%m-%d}", warned.grace),
        ("after", warned.after),
    )
    heads = (f"{warned.provider}, warned {warned.warned_at:%Y-%m-%d}", *_BOUNDS)
    return Sheet(heads, [(label, *bound_cells(row)) for label, row in cohorts])


def title(table: Table) -> str:
    """Name the figures, their definition and their cut-off."""
    return (
        f"Share gone within the norm of {norm_words(table)}, as an interval [lower, upper]\n"
        f"methodology {table.methodology} v{table.methodology_version} "
        f"({table.methodology_digest[:12]}), cut-off {cutoff_words(table)}"
    )


def cutoff_words(table: Table) -> str:
    """Say up to when evidence was taken."""
    since = ", with the corrections made since" if table.corrected else ""
    newest = table.newest_evidence
    end = f" (newest evidence {exactly(newest)})" if newest is not None else ""
    return f"{exactly(table.cutoff)}{end}{since}"


def norm_words(table: Table) -> str:
    """Say the norm: of which time, and for which categories it is another one."""
    own = ", ".join(f"{norm} for {category}" for category, norm in sorted(table.norms.items()))
    counted = f"{table.norm} of working time" if table.calendar == "business" else table.norm
    return f"{counted} ({own})" if own else counted


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def notes(table: Table, hidden: int = 0) -> list[str]:
    """Say what stands outside n, how the figures add up, and how they are to be read."""
    total = table.pooled
    excluded = ", ".join(f"{v} {k.replace('_', ' ')}" for k, v in sorted(total.excluded.items()))
    filed = f"{_counted(table.reports, 'report')}, {_counted(table.cases, 'case')}"
    lines = [
        f"{filed}; outside n: {excluded or 'none excluded'}, "
        f"{total.younger_than_norm} younger than the norm, {total.not_started} without a started clock",
    ]
    if table.unweighted is not None:
        lines.append(f"unweighted over groups with enough spells: {shares(table.unweighted)}")
    lines += [
        f"within + certain breaches + undecided = n: "
        f"{total.within} + {total.certain_breaches} + {total.undecided} = {total.n}",
        f"looks {total.looks}, of which undetermined {total.undetermined}; missed {total.missed}",
        _incidence(total),
        unattributed(table),
        *sentences(table),
        f"too few: n below {table.minimum_n}",
    ]
    if table.stale and table.newest_sighting is not None:
        lines.append(
            f"STALE: nobody has seen any of it online since {exactly(table.newest_sighting)}, longer than the cadence "
            "allows: what is called online was so then, and may be gone"
        )
    if table.public:
        lines.append(
            "public: groups below 5 spells are joined in one row; counts from 1 to 4 are moved to undecided, which "
            "only widens an interval; the parts of pooled rows, months and cohorts are rounded down to fives, other "
            "counts to the nearest"
        )
    if hidden:
        lines.append(f"{hidden} more groups not shown; --all shows them")
    return [line for line in lines if line]


def _incidence(row: Row) -> str:
    if not row.incidence:
        return ""
    parts = (f"{cause.replace('_', ' ')} {shares(pair)}" for cause, pair in row.incidence.items())
    return f"at the norm, of {row.incidence_n} spells: {', '.join(parts)}"
