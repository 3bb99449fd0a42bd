"""The league table as text for a terminal."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich import box
from rich.console import Console, Group
from rich.table import Table as Grid
from rich.text import Text

from services.reports.answer_sheets import Sheet, sentences, sheets, unattributed
from services.reports.figures import Month, Row, Table, Warned
from services.reports.units import duration, unit_of

_BOUNDS = ("n", "lower", "upper", "95 % sampling", "within", "breaches", "undecided")
_STOCK = (
    "online",
    "returned",
    "moved",
    "gone before",
    "undetermined",
    "too young",
    "no clock",
    "exposure h",
)
_NAME_WIDTH = 28
_GAP = 3
_EDGES = 2


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


def render(table: Table, most: int | None = None, width: int | None = None) -> Group:
    """Lay a table out for a terminal; `most` limits the groups shown, and says how many it left out.

    What is on the watch list is shown whatever its place. Where `width` is too narrow for all columns of a
    table, those that don't fit stand in another one below, each with the groups' names.
    """
    first = table.providers if most is None else table.providers[:most]
    shown = [*first, *(row for row in table.providers[len(first) :] if row.watched)]
    rows = [*shown, *_totals(table)]
    parts: list[Text | Grid] = [Text(title(table)), *([] if rows else [Text("none")])]
    for sheet in (_bounds(table, rows), _stock(table, rows)) if rows else ():
        parts += _grids(sheet, {len(shown)}, width, bold_from=len(shown))
    if len(table.trend) > 1:
        breaks = {number for number, month in enumerate(table.trend) if month.breaks}
        parts += _grids(_trend(table.trend), breaks, width)
    for warned in table.warnings:
        parts += _grids(_warned(warned), set(), width)
    for heading, sheet in sheets(table):
        parts.append(Text(heading))
        parts += _grids(sheet, set(), width)
    parts.append(Text("\n".join(notes(table, len(table.providers) - len(shown)))))
    return Group(*parts)


def write(table: Table, console: Console, most: int | None = None) -> None:
    """Print a table, as wide as the console is."""
    console.print(render(table, most, console.width))


def _totals(table: Table) -> Sequence[Row]:
    return [row for row in (table.pooled, table.without_largest) if row is not None and row.n]


def _grids(
    sheet: Sheet, breaks: set[int], width: int | None, bold_from: int | None = None
) -> Iterator[Grid]:
    for columns in _fitting(sheet, width):
        grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
        grid.add_column(sheet.heads[0], justify="left", overflow="fold")
        for column in columns:
            grid.add_column(sheet.heads[column], justify="right", no_wrap=True)
        for number, line in enumerate(sheet.lines):
            if number in breaks:
                grid.add_section()
            bold = bold_from is not None and number >= bold_from
            grid.add_row(line[0], *(line[c] for c in columns), style="bold" if bold else "")
        yield grid


def _fitting(sheet: Sheet, width: int | None) -> list[list[int]]:
    """Share the columns but the first out among as few tables as fit; a long name is folded."""
    widths = [max(map(len, column)) for column in zip(sheet.heads, *sheet.lines, strict=True)]
    first = min(widths[0], _NAME_WIDTH) + _EDGES
    groups: list[list[int]] = [[]]
    used = first
    for column, needs in enumerate(widths[1:], start=1):
        if width is not None and groups[-1] and used + needs + _GAP > width:
            groups.append([])
            used = first
        groups[-1].append(column)
        used += needs + _GAP
    return groups


def _bounds(table: Table, rows: Sequence[Row]) -> Sheet:
    unit = unit_of(table)
    heads = (table.by, *_BOUNDS, f"median {unit.short}", f"90 % gone {unit.short}")
    lines = [
        (name(row), *_bound_cells(row), duration(row.median, unit), duration(row.p90, unit))
        for row in rows
    ]
    return Sheet(heads, lines)


def name(row: Row) -> str:
    """Name a group; a star marks the watch list, a dagger who can't be measured by notice."""
    marks = "*" * row.watched + "†" * (row.not_measurable is not None)
    return f"{row.provider} {marks}" if marks else row.provider


def few(row: Row) -> str:
    """Say why a group has no share."""
    return "too few" if row.not_measurable is None else "not by notice"


def _bound_cells(row: Row) -> list[str]:
    return [
        count(row, row.n),
        few(row) if row.too_few else share(row.lower),
        few(row) if row.too_few else share(row.upper),
        shares(row.sampling),
        count(row, row.within),
        count(row, row.certain_breaches),
        count(row, row.undecided),
    ]


def _stock(table: Table, rows: Sequence[Row]) -> Sheet:
    return Sheet((table.by, *_STOCK), [(name(row), *_stock_cells(row)) for row in rows])


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
            *_bound_cells(month.row),
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
    return Sheet(heads, [(label, *_bound_cells(row)) for label, row in cohorts])


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
    end = f" (newest evidence {exactly(newest)} UTC)" if newest is not None else ""
    return f"{exactly(table.cutoff)} UTC{end}{since}"


def exactly(at: datetime) -> str:
    """Write an instant so that it may be given as a cut-off: a second cut short would leave the last looks out."""
    return f"{at:%Y-%m-%d %H:%M:%S}" + (f".{at:%f}" if at.microsecond else "")


def norm_words(table: Table) -> str:
    """Say the norm: of which time, and for which categories it is another one."""
    own = ", ".join(f"{norm} for {category}" for category, norm in sorted(table.norms.items()))
    counted = f"{table.norm} of working time" if table.calendar == "business" else table.norm
    return f"{counted} ({own})" if own else counted


def notes(table: Table, hidden: int = 0) -> list[str]:
    """Say what stands outside n, how the figures add up, and how they are to be read."""
    total = table.pooled
    excluded = ", ".join(f"{v} {k.replace('_', ' ')}" for k, v in sorted(total.excluded.items()))
    lines = [
        f"{table.reports} reports, {table.cases} cases; outside n: {excluded or 'none excluded'}, "
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
    if table.stale and table.newest_evidence is not None:
        lines.append(
            f"STALE: nobody has looked since {table.newest_evidence:%Y-%m-%d %H:%M} UTC, longer than the cadence "
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
