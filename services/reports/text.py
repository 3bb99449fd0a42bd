"""The league table as text for a terminal."""

from collections.abc import Sequence

from rich import box
from rich.console import Console, Group
from rich.table import Table as Grid
from rich.text import Text

from services.reports.figures import Month, Quantile, Row, Table, Warned

_BOUNDS = ("n", "lower", "upper", "95 % sampling", "within", "breaches", "undecided")
_TIMES = ("median h", "90 % gone h", "exposure h")
_STOCK = ("online", "returned", "moved", "gone before", "undetermined", "too young", "no clock")


def share(value: float | None) -> str:
    """Write a share, or say that it isn't given."""
    return "-" if value is None else f"{value:.4f}"


def shares(pair: tuple[float, float] | None) -> str:
    """Write an interval of shares."""
    return "-" if pair is None else f"{pair[0]:.4f}-{pair[1]:.4f}"


def hours(found: Quantile | None) -> str:
    """Write a quantile as an interval of hours, or that it was not reached."""
    if found is None:
        return "-"
    if not found.reached or found.lower_hours is None or found.upper_hours is None:
        return "not reached"
    return f"{found.lower_hours:.1f}-{found.upper_hours:.1f}"


def count(row: Row, value: int) -> str:
    """Write a count, or that it is too small to publish."""
    return "<5" if row.suppressed else f"{value:,}"


def render(table: Table, most: int | None = None) -> Group:
    """Lay a table out for a terminal; `most` limits the groups shown, and says how many it left out.

    What is on the watch list is shown whatever its place.
    """
    kept = table.providers if most is None else table.providers[:most]
    shown = [*kept, *(row for row in table.providers[len(kept) :] if row.watched)]
    rows = [*shown, *_totals(table)]
    parts: list[Text | Grid] = [Text(title(table)), _bounds(table, rows, len(shown))]
    parts.append(_stock(table, rows, len(shown)))
    if len(table.trend) > 1:
        parts.append(_trend(table.trend))
    parts += [_warned(warned) for warned in table.warnings]
    parts.append(Text("\n".join(notes(table, len(table.providers) - len(shown)))))
    return Group(*parts)


def write(table: Table, console: Console, most: int | None = None) -> None:
    """Print a table."""
    console.print(render(table, most))


def _totals(table: Table) -> Sequence[Row]:
    return [row for row in (table.pooled, table.without_largest) if row is not None and row.n]


def _grid(first: str, heads: Sequence[str]) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column(first, justify="left")
    for head in heads:
        grid.add_column(head, justify="right", no_wrap=True)
    return grid


def _bounds(table: Table, rows: Sequence[Row], groups: int) -> Grid:
    grid = _grid(table.by, _BOUNDS + _TIMES[:2])
    for number, row in enumerate(rows):
        if number == groups:
            grid.add_section()
        cells = (*_bound_cells(row), hours(row.median), hours(row.p90))
        grid.add_row(name(row), *cells, style="bold" if number >= groups else "")
    return grid


def name(row: Row) -> str:
    """Name a group; a star marks the watch list."""
    return f"{row.provider} *" if row.watched else row.provider


def _bound_cells(row: Row) -> list[str]:
    few = row.too_few
    return [
        count(row, row.n),
        "too few" if few else share(row.lower),
        "too few" if few else share(row.upper),
        shares(row.sampling),
        count(row, row.within),
        count(row, row.certain_breaches),
        count(row, row.undecided),
    ]


def _stock(table: Table, rows: Sequence[Row], groups: int) -> Grid:
    grid = _grid(table.by, (*_STOCK, _TIMES[2]))
    for number, row in enumerate(rows):
        if number == groups:
            grid.add_section()
        undetermined = row.undetermined_share
        grid.add_row(
            name(row),
            count(row, row.still_online),
            count(row, row.returned),
            count(row, row.moved),
            count(row, row.gone_before_notice),
            "-" if undetermined is None else f"{undetermined:.1%}",
            count(row, row.younger_than_norm),
            count(row, row.not_started),
            f"{row.exposure_lower_hours:.1f}-{row.exposure_upper_hours:.1f}",
            style="bold" if number >= groups else "",
        )
    return grid


def _trend(months: Sequence[Month]) -> Grid:
    grid = _grid("month", (*_BOUNDS, "methodology"))
    for month in months:
        if month.breaks:
            grid.add_section()
        method = f"{month.methodology} v{month.methodology_version}"
        grid.add_row(month.month, *_bound_cells(month.row), method)
    return grid


def _warned(warned: Warned) -> Grid:
    grid = _grid(f"{warned.provider}, warned {warned.warned_at:%Y-%m-%d}", _BOUNDS)
    cohorts = (
        ("before", warned.before),
        (f"until {warned.grace_ends:%Y-%m-%d}", warned.grace),
        ("after", warned.after),
    )
    for label, row in cohorts:
        grid.add_row(label, *_bound_cells(row))
    return grid


def title(table: Table) -> str:
    """Name the figures, their definition and their cut-off."""
    return (
        f"Share gone within the norm of {table.norm}, as an interval [lower, upper]\n"
        f"methodology {table.methodology} v{table.methodology_version} "
        f"({table.methodology_digest[:12]}), cut-off {table.cutoff:%Y-%m-%d %H:%M:%S} UTC"
    )


def notes(table: Table, hidden: int = 0) -> list[str]:
    """Say what stands outside n, how the figures add up, and how they are to be read."""
    total = table.pooled
    excluded = ", ".join(f"{v} {k.replace('_', ' ')}" for k, v in sorted(total.excluded.items()))
    lines = [
        f"{table.reports} reports, {table.cases} cases; outside n: {excluded or 'none excluded'}, "
        f"{total.younger_than_norm} younger than the norm, {total.not_started} without a started clock",
    ]
    if table.unweighted is not None:
        low, high = table.unweighted
        lines.append(f"unweighted over groups with enough spells: {low:.4f} to {high:.4f}")
    lines += [
        f"within + certain breaches + undecided = n: "
        f"{total.within} + {total.certain_breaches} + {total.undecided} = {total.n}",
        f"looks {total.looks}, of which undetermined {total.undetermined}; missed {total.missed}",
        _incidence(total),
        f"too few: n below {table.minimum_n}",
    ]
    if table.public:
        lines.append(
            "public: groups below 5 spells are joined in one row; counts from 1 to 4 are moved to undecided, which "
            "only widens an interval; the parts of pooled rows are rounded down to fives, other counts to the nearest"
        )
    if hidden:
        lines.append(f"{hidden} more groups not shown; --all shows them")
    return [line for line in lines if line]


def _incidence(row: Row) -> str:
    if not row.incidence:
        return ""
    parts = (f"{cause.replace('_', ' ')} {shares(pair)}" for cause, pair in row.incidence.items())
    return f"at the norm, of {row.incidence_n} spells: {', '.join(parts)}"
