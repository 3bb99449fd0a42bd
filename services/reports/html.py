"""The report as one HTML page that asks nothing of the network: its own styles, its own drawings, no script."""

from collections.abc import Sequence
from html import escape
from importlib import resources

from services.core.hours import WEEKDAYS
from services.core.incidence import CAUSES
from services.reports import plots
from services.reports.answer_sheets import Sheet, sentences, sheets
from services.reports.figures import HourCell, Month, Row, Table
from services.reports.html_parts import grid_of, row_of, section
from services.reports.text import (
    bound_cells,
    count,
    cutoff_words,
    name,
    norm_words,
    notes,
    share,
    shares,
)
from services.reports.units import TimeUnit, duration, unit_of

_PANELS = 12
_UNTOLD = "Cases without a clock"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_FEW_SHOWN = 15
_HEADS = ("n", "lower", "upper", "95 % sampling", "within", "certain breaches", "undecided")
_CLOCKS = {
    "notice_sent": "the first notice that was sent",
    "notice_delivered": "the first notice that was delivered",
    "report": "the report",
}
_STOCK = (
    "exposure, h",
    "returned",
    "moved",
    "gone before notice",
    "undetermined looks",
    "younger than the norm",
    "no clock started",
)


def page(table: Table, *, everything: bool = False) -> str:
    """Write the page; of the groups with too few spells only some are listed, unless `everything` is asked for."""
    style = (resources.files("services.reports") / "page.css").read_text("utf-8")
    sections = (
        _summary(table),
        _league(table, everything),
        _distribution(table),
        _survival(table),
        _week(table),
        _trend(table),
        _warnings(table),
        *_answers(table),
        _incidence(table),
        _definition(table),
    )
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">'
        f"<title>{escape(_title(table))}</title><style>{style}</style>"
    )
    body = "".join(sections)
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body><main>{body}</main></body></html>\n'


def _title(table: Table) -> str:
    return f"Gone within {table.norm}: {table.by} league table, {table.cutoff:%Y-%m-%d}"


def _summary(table: Table) -> str:
    total, unit = table.pooled, unit_of(table)
    facts = [
        (_percent(total), f"gone within {table.norm}, lower to upper bound"),
        (f"{total.n:,}", "spells judged"),
        (f"{total.certain_breaches:,}", "certain breaches"),
        (f"{total.still_online:,}", _online(table)),
        (_exposure(total), "hours of exposure"),
        (duration(total.median, unit), f"median, {unit.word}"),
    ]
    items = "".join(f"<li><b>{escape(a)}</b><span>{escape(b)}</span></li>" for a, b in facts)
    return (
        f"<header><h1>{escape(_title(table))}</h1>"
        f'<p class="lead">{escape(table.methodology_title)}. Evidence up to the cut-off of {cutoff_words(table)}. '
        f"Every share is an interval: the truth lies between lower and upper.</p>"
        f'<ul class="key">{items}</ul></header>'
    )


def _online(table: Table) -> str:
    return "online when last seen: stale" if table.stale else "still online"


def _percent(row: Row) -> str:
    return "-" if row.lower is None or row.upper is None else shares((row.lower, row.upper))


def _exposure(row: Row) -> str:
    return f"{row.exposure_lower_hours:,.0f}–{row.exposure_upper_hours:,.0f}"


# -- the table -----------------------------------------------------------------------------------


def _league(table: Table, everything: bool) -> str:
    shown, hidden = _listed(table, everything)
    totals = [row for row in (table.pooled, table.without_largest) if row is not None]
    caption = f"Too few: n below {table.minimum_n}. A star: watch list. A dagger: not measurable by notice."
    if hidden:
        spells = sum(row.n for row in hidden)
        caption += f" {len(hidden):,} more with too few, {spells:,} spells in all, are not listed."
    unit = unit_of(table)
    times = (f"median, {unit.short}", f"90 % gone, {unit.short}")
    bounds = [row_of(name(row), _figures(row, unit), kind) for row, kind in _marked(shown, totals)]
    stock = [row_of(name(row), _left(row), kind) for row, kind in _marked(shown, totals)]
    intro = "What stayed, came back, moved, or could not be told."
    return section(
        f"League table by {table.by}",
        grid_of(table.by, (*_HEADS, *times), bounds, caption)
        + grid_of(table.by, (_online(table), *_STOCK), stock, intro),
    )


def _listed(table: Table, everything: bool) -> tuple[list[Row], list[Row]]:
    shown: list[Row] = []
    hidden: list[Row] = []
    few = 0
    for row in table.providers:
        few += row.too_few and not row.watched
        keep = everything or row.watched or not row.too_few or few <= _FEW_SHOWN
        (shown if keep else hidden).append(row)
    return shown, hidden


def _marked(shown: Sequence[Row], totals: Sequence[Row]) -> list[tuple[Row, str]]:
    return [*((row, "") for row in shown), *((row, "total") for row in totals)]


def clock_words(table: Table) -> str:
    """Name the event that starts the clock under the table's methodology."""
    return _CLOCKS[table.clock_start]


def _figures(row: Row, unit: TimeUnit) -> tuple[str, ...]:
    return (*bound_cells(row), duration(row.median, unit), duration(row.p90, unit))


def _left(row: Row) -> tuple[str, ...]:
    undetermined = row.undetermined_share
    return (
        count(row, row.still_online),
        "-" if row.suppressed else _exposure(row),
        count(row, row.returned),
        count(row, row.moved),
        count(row, row.gone_before_notice),
        share(undetermined),
        count(row, row.younger_than_norm),
        count(row, row.not_started),
    )


# -- plots ---------------------------------------------------------------------------------------


def _figure(drawing: str, caption: str = "") -> str:
    legend = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{drawing}{legend}</figure>"


def _distribution(table: Table) -> str:
    judged = [row for row in table.providers if row.lower is not None]
    if not judged:
        return ""
    ranked = sorted(judged, key=lambda row: (-(row.lower or 0), -(row.upper or 0), row.provider))
    title = f"Share within the norm by {table.by}"
    picture = plots.dots(ranked, title, "The figures stand in the league table above.")
    few = sum(row.too_few for row in table.providers)
    return section(
        "Distribution",
        _figure(
            picture,
            f"Bar: lower to upper bound. Line: with 95 % sampling uncertainty. {few} groups have too few spells; "
            f"at most {plots.MOST} are drawn.",
        ),
    )


def _survival(table: Table) -> str:
    rows = [row for row in (table.pooled, *table.providers) if row.curve is not None][:_PANELS]
    if not rows:
        return ""
    panels = "".join(_figure(plots.survival(row, table)) for row in rows)
    return section(
        "Share still online over time",
        f'<div class="panels">{panels}</div>',
        "Turnbull's estimate from intervals. A line: known. Shaded: between two looks, where the curve can't be "
        f"told. Dashed: the norm of {table.norm}. Time since {clock_words(table)}.",
    )


def _week(table: Table) -> str:
    if not any(cell.n for cell in table.hours):
        return ""
    head = "".join(f'<th scope="col">{hour:02d}</th>' for hour in range(24))
    lines = []
    for weekday, day in enumerate(WEEKDAYS):
        cells = "".join(_heat(cell) for cell in table.hours if cell.weekday == weekday)
        lines.append(f'<tr><th scope="row">{day}</th>{cells}</tr>')
    grid = (
        '<div class="wide"><table class="heat"><caption>Certainly within the norm, per cent, by weekday and hour '
        f"({escape(table.time_zone)}) of {escape(clock_words(table))}; darker is more. "
        f"Point at a cell for n and the upper bound.</caption>"
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )
    return section(f"Weekday and hour of {clock_words(table)}", grid)


def _heat(cell: HourCell) -> str:
    if not cell.n or cell.lower is None or cell.upper is None:
        return '<td class="none" title="none, or too few">·</td>'
    light, ink = heat(cell.lower)
    tooltip = f"{WEEKDAYS[cell.weekday]} {cell.hour:02d}:00, n {cell.n}, {shares((cell.lower, cell.upper))}"
    return (
        f'<td style="background:hsl(208 62% {light}%);color:{ink}" title="{tooltip}">'
        f"{cell.lower * 100:.0f}</td>"
    )


def heat(share: float) -> tuple[int, str]:
    """Give the lightness of the ground, from pale to dark blue, and the ink that can be read on it."""
    light = round(94 - 62 * share)
    return light, "#fff" if light < 46 else "#000"


def _trend(table: Table) -> str:
    if len(table.trend) < 2:
        return ""
    title = "Share within the norm by month"
    picture = plots.months(table.trend, title, "The figures stand in the table below.")
    rows = [_month(month) for month in table.trend]
    grid = grid_of(
        "month", (*_HEADS, "methodology"), rows, f"By the month of {clock_words(table)}."
    )
    return section("Months", _figure(picture) + grid, _broken(table.trend))


def _broken(trend: Sequence[Month]) -> str:
    if not any(month.breaks for month in trend):
        return ""
    return "The definition changed where the line breaks: months on the two sides of a break can't be compared."


def _month(month: Month) -> str:
    cells = (*bound_cells(month.row), f"{month.methodology} v{month.methodology_version}")
    return row_of(month.month, cells, "break" if month.breaks else "")


def _warnings(table: Table) -> str:
    parts = []
    for warned in table.warnings:
        cohorts = (
            ("before the warning", warned.before),
            (f"grace period, until {warned.grace_ends:%Y-%m-%d}", warned.grace),
            ("after it", warned.after),
        )
        rows = [row_of(words, bound_cells(row)) for words, row in cohorts]
        caption = f"{warned.provider}, warned on {warned.warned_at:%Y-%m-%d}"
        parts.append(
            _figure(plots.cohorts(warned)) + grid_of("clock started", _HEADS, rows, caption)
        )
    return section("Before and after a warning", "".join(parts)) if parts else ""


_CAPTIONS = {
    "Who answers": "Spells by the provider's role, and on what the attribution rests; groups of hosts that looks saw "
    "are left out.",
    "Cases without a clock": "No notice arrived: neither hidden nor breaches. Only what is the provider's own fault "
    "(theirs) makes it not measurable by notice.",
    "Notices by channel": "Failures by whose fault they are; channels without any are left out. A contact is "
    "undeliverable where the last notice to it failed by the provider's fault.",
    "Moves": "Passed on: a proxy's operator named the host behind it.",
}


def _answers(table: Table) -> list[str]:
    """Write who answers, what has no clock and why, and what channels carry."""
    return [
        section(
            title,
            grid_of(sheet.heads[0], sheet.heads[1:], _rows(sheet), _CAPTIONS[title]),
            " ".join(f"{text}." for text in sentences(table)) if title == _UNTOLD else "",
        )
        for title, sheet in sheets(table)
    ]


def _rows(sheet: Sheet) -> list[str]:
    return [row_of(line[0], line[1:]) for line in sheet.lines]


def _incidence(table: Table) -> str:
    rows = [row for row in (table.pooled, *table.providers) if row.incidence]
    if not rows:
        return ""
    lines = [
        row_of(name(row), (str(row.incidence_n), *(shares(row.incidence[c]) for c in CAUSES)))
        for row in rows
    ]
    heads = ("n", *(cause.replace("_", " ") for cause in CAUSES))
    caption = (
        "Bounds of the share that, at the norm, had ended in each way; moves and holds included."
    )
    return section("What had become of it at the norm", grid_of(table.by, heads, lines, caption))


def _definition(table: Table) -> str:
    facts = [
        ("methodology", f"{table.methodology}, version {table.methodology_version}"),
        ("digest", table.methodology_digest),
        ("clock starts", f"with {clock_words(table)}"),
        ("norm", norm_words(table)),
        ("calendar", f"{table.calendar} time ({table.time_zone})"),
        ("outside n", ", ".join(table.exclude).replace("_", " ") or "nothing"),
        ("cut-off", cutoff_words(table)),
        ("too few", f"n below {table.minimum_n}"),
    ]
    listed = "".join(f"<dt>{escape(a)}</dt><dd>{escape(b)}</dd>" for a, b in facts)
    lines = "".join(f"<li>{escape(line)}</li>" for line in notes(table))
    return (
        section("Definition, cut-off and exclusions", f"<dl>{listed}</dl><ul>{lines}</ul>")
        + "<footer>A figure is this definition applied to the evidence up to the cut-off. With both, anyone who "
        "holds the evidence computes the same figures again.</footer>"
    )
