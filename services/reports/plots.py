"""The plots of a report: shares as intervals, survival with its gaps, months, and cohorts of a warning."""

from collections.abc import Sequence

from schemas.methodology import seconds
from services.reports.figures import Curve, Month, Row, Table, Warned
from services.reports.svg import (
    Scale,
    drawing,
    horizontal_grid,
    label,
    linear,
    tag,
    vertical_grid,
)
from services.reports.text import name, shares
from services.reports.units import TimeUnit, duration, unit_of

_WIDTH = 920.0
_LABELS = 220.0
_LINE = 26.0
_TENTHS = [(share / 10, f"{share * 10} %") for share in range(0, 11, 2)]
MOST = 40


def dots(rows: Sequence[Row], title: str, description: str) -> str:
    """Draw every group's share as an interval: the bar from lower to upper, the whisker for sampling."""
    judged = [row for row in rows if row.lower is not None][:MOST]
    bottom = 14 + _LINE * len(judged)
    x = linear(0, 1, _LABELS, _WIDTH - 70)
    parts = vertical_grid(_TENTHS, x, 8, bottom)
    for number, row in enumerate(judged):
        parts += _dot(row, x, 14 + _LINE * number + _LINE / 2)
    return drawing(parts, _WIDTH, bottom + 26, title, description)


def _dot(row: Row, x: Scale, y: float) -> list[str]:
    assert row.lower is not None
    assert row.upper is not None
    low, high = row.sampling or (row.lower, row.upper)
    ends = f"{name(row)}: {shares((row.lower, row.upper))}, n {row.n}"
    width = max(x(row.upper) - x(row.lower), 3.0)
    return [
        label(name(row), _LABELS - 12, y + 4, class_="name", text_anchor="end"),
        tag("line", x1=x(low), x2=x(high), y1=y, y2=y, class_="whisker"),
        tag(
            "rect",
            tag("title", ends),
            x=x(row.lower) - (1.5 if width <= 3.0 else 0.0),
            y=y - 6,
            width=width,
            height=12.0,
            rx=2.0,
            class_="bounds",
        ),
        label(f"n {row.n:,}", _WIDTH, y + 4, class_="tick", text_anchor="end"),
    ]


# -- survival ------------------------------------------------------------------------------------

_PANEL_WIDTH, _PANEL_HEIGHT = 300.0, 200.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 14.0, 42.0, 28.0
_NORMS_SHOWN = 7
_LABELLED_NORMS = (0, 1, 3, 5, 7)


def survival(row: Row, table: Table) -> str:
    """Draw the share still online over time: a line where it is known, a shaded gap where it isn't."""
    assert row.curve is not None
    norm, unit = seconds(table.norm) / 3600, unit_of(table)
    median = duration(row.median, unit)
    end = norm * _NORMS_SHOWN
    x = linear(0, end, _LEFT, _PANEL_WIDTH - _RIGHT)
    y = linear(1, 0, _TOP, _PANEL_HEIGHT - _BOTTOM)
    ticks = [
        (norm * k, _time(norm * k, unit) if k in _LABELLED_NORMS else "")
        for k in range(_NORMS_SHOWN + 1)
    ]
    share_ticks = [(share / 4, f"{share * 25} %") for share in range(5)]
    parts = [
        label(name(row), 4.0, 14, class_="panel"),
        label(f"n {row.n:,}, median in {unit.word}: {median}", 4.0, 29, class_="tick"),
        *vertical_grid(ticks, x, _TOP, _PANEL_HEIGHT - _BOTTOM),
        *horizontal_grid(share_ticks, y, _LEFT, _PANEL_WIDTH - _RIGHT),
        tag("line", x1=x(norm), x2=x(norm), y1=_TOP, y2=_PANEL_HEIGHT - _BOTTOM, class_="norm"),
        *_band(row.curve, x, y, end),
    ]
    tooltip = f"Share still online at {name(row)}; median in {unit.word} {median}, n {row.n}."
    return drawing(parts, _PANEL_WIDTH, _PANEL_HEIGHT, f"Survival, {name(row)}", tooltip)


def _band(curve: Curve, x: Scale, y: Scale, end: float) -> list[str]:
    """Draw the known stretches as one path and the gaps as another, so that the page stays small."""
    points, gaps = [], []
    left, share = 0.0, 1.0
    for begins, ends, mass in zip(curve.lefts, curve.rights, curve.masses, strict=True):
        if begins >= end:
            break
        after = max(share - mass, 0.0)
        stop = end if ends is None else min(ends, end)
        if begins > left:
            points.append(f"M{x(left):.1f} {y(share):.1f}H{x(begins):.1f}")
        gaps.append(
            f"M{x(begins):.1f} {y(share):.1f}H{x(stop):.1f}V{y(after):.1f}H{x(begins):.1f}Z"
        )
        left, share = stop, after
    if left < end:
        points.append(f"M{x(left):.1f} {y(share):.1f}H{x(end):.1f}")
    parts = [tag("path", d="".join(gaps), class_="gap")] if gaps else []
    return [*parts, tag("path", d="".join(points), class_="known")] if points else parts


def _time(hours: float, unit: TimeUnit) -> str:
    value = hours * unit.per_hour
    return f"{value:.2g} {unit.short}" if value < 1 else f"{value:.0f} {unit.short}"


# -- months --------------------------------------------------------------------------------------


def months(trend: Sequence[Month], title: str, description: str) -> str:
    """Draw the months' intervals; the line breaks, with a mark, where another definition begins."""
    shown = [month for month in trend if month.row.lower is not None]
    height, bottom = 240.0, 200.0
    x = linear(0, max(len(shown), 1), 56, _WIDTH - 10)
    y = linear(1, 0, 30, bottom)
    parts = horizontal_grid(_TENTHS, y, 56, _WIDTH - 10)
    for number, month in enumerate(shown):
        parts += _month(month, x(number), x(number + 1), y, bottom)
        if number and month.methodology_digest != shown[number - 1].methodology_digest:
            parts += _break(month, x(number), bottom)
    return drawing(parts, _WIDTH, height, title, description)


def _month(month: Month, left: float, right: float, y: Scale, bottom: float) -> list[str]:
    row = month.row
    assert row.lower is not None
    assert row.upper is not None
    middle, width = (left + right) / 2, min((right - left) * 0.6, 40.0)
    tooltip = f"{month.month}: {shares((row.lower, row.upper))}, n {row.n}, {month.methodology}"
    low, high = row.sampling or (row.lower, row.upper)
    return [
        tag("line", x1=middle, x2=middle, y1=y(low), y2=y(high), class_="whisker"),
        tag(
            "rect",
            tag("title", tooltip),
            x=middle - width / 2,
            width=width,
            y=y(row.upper),
            height=max(y(row.lower) - y(row.upper), 3.0),
            rx=2.0,
            class_="bounds",
        ),
        label(month.month, middle, bottom + 16, class_="tick", text_anchor="middle"),
        label(f"n {row.n:,}", middle, bottom + 32, class_="tick", text_anchor="middle"),
    ]


def _break(month: Month, at: float, bottom: float) -> list[str]:
    words = f"from here: {month.methodology} v{month.methodology_version}"
    return [
        tag("line", x1=at, x2=at, y1=10, y2=bottom, class_="break"),
        label(words, at + 6, 20, class_="tick"),
    ]


def cohorts(warned: Warned) -> str:
    """Draw a warned provider's share before the warning, in the grace period, and after it."""
    rows = []
    for words, row in (
        ("before the warning", warned.before),
        ("grace period", warned.grace),
        ("after it", warned.after),
    ):
        if row.lower is not None:
            rows.append(_named(row, words))
    title = f"{warned.provider}, warned on {warned.warned_at:%Y-%m-%d}"
    return dots(rows, title, "Share within the norm by when the clock started.")


def _named(row: Row, words: str) -> Row:
    return Row(provider=words, n=row.n, lower=row.lower, upper=row.upper, sampling=row.sampling)
