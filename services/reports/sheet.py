"""The league table as CSV: one line per group, with everything that is needed to recompute it on every line.

`part` says what a line is: a `group`, a `pooled` row, the `unweighted` mean, a cohort of a warning, a `month`, an
`hour` of the week with any spells, in the methodology's time zone, a notice `channel` of a provider, a `flow` of moves
from one provider to another. Counts by name stand in one field, as `theirs:blocked=3 no_notice=2`.
Only the lines of one part may be added up.
"""

import csv
import io
from collections.abc import Iterator
from datetime import datetime

from services.core.hours import WEEKDAYS
from services.core.incidence import CAUSES
from services.reports.figures import ChannelFigures, Flow, HourCell, Quantile, Row, Table
from services.reports.tally import SPLITS, UNKNOWN_PROVIDER

_COUNTS = (
    "n",
    "within",
    "certain_breaches",
    "undecided",
    "lower",
    "upper",
)
_REST = (
    "too_few",
    "younger_than_norm",
    "not_started",
    "gone_before_notice",
    "still_online",
    "returned",
    "moved",
    "exposure_lower_hours",
    "exposure_upper_hours",
    "looks",
    "undetermined",
    "missed",
)
_SPLITS = ("excluded", *SPLITS)
_CHANNEL = (
    "channel",
    *("sent", "arrived", "acknowledged", "delayed", "theirs", "ours", "way", "unclear"),
    *("contacts", "undeliverable_contacts", "waiting", "per_hour", "takes_hours"),
)
COLUMNS = (
    "group",
    "part",
    *_COUNTS,
    "sampling_low",
    "sampling_high",
    "estimate_low",
    "estimate_high",
    "median_reached",
    "median_lower_hours",
    "median_upper_hours",
    "p90_reached",
    "p90_lower_hours",
    "p90_upper_hours",
    *_REST,
    "incidence_n",
    *(f"{cause}_{side}" for cause in CAUSES for side in ("lower", "upper")),
    *_SPLITS,
    "not_measurable",
    "parent",
    *_CHANNEL,
    "passed_on",
    "minimum_n",
    "methodology",
    "methodology_version",
    "methodology_digest",
    "cutoff",
    "corrected",
    "newest_evidence",
    "newest_sighting",
    "stale",
)
_OF_MONTH = ("methodology", "methodology_version", "methodology_digest")


def sheet(table: Table) -> str:
    """Write a table; an empty field is a figure that isn't given."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for part, row in _parts(table):
        writer.writerow({"part": part} | _line(row) | _definition(table))
    if table.unweighted is not None:
        low, high = table.unweighted
        mean = {"group": "unweighted", "part": "unweighted", "lower": low, "upper": high}
        writer.writerow(mean | _definition(table))
    for month in table.trend:
        defined = _definition(table) | {name: getattr(month, name) for name in _OF_MONTH}
        if month.methodology_digest != table.methodology_digest:
            defined["minimum_n"] = ""
        writer.writerow({"part": "month"} | _line(month.row) | defined)
    for cell in table.hours:
        if cell.n:
            writer.writerow(_hour(cell) | _definition(table))
    for one in table.channels:
        writer.writerow(_channel(one) | _definition(table))
    for flow in table.flows:
        writer.writerow(_flow(flow) | _definition(table))
    return out.getvalue()


def _channel(one: ChannelFigures) -> dict[str, object]:
    line = {name: getattr(one, name) for name in (*_CHANNEL, "not_measurable")}
    return line | {"group": _text(one.provider), "part": "channel"}


def _flow(flow: Flow) -> dict[str, object]:
    ends = (flow.origin or UNKNOWN_PROVIDER, flow.target or UNKNOWN_PROVIDER)
    named = {"group": " > ".join(map(_text, ends)), "part": "flow"}
    return named | {"moved": flow.moved, "passed_on": flow.passed_on}


def _parts(table: Table) -> Iterator[tuple[str, Row]]:
    yield from (("group", row) for row in table.providers)
    yield "pooled", table.pooled
    if table.without_largest is not None:
        yield "pooled", table.without_largest
    for warned in table.warnings:
        yield f"before {warned.warned_at:%Y-%m-%d}", warned.before
        yield f"until {warned.grace_ends:%Y-%m-%d}", warned.grace
        yield f"after {warned.grace_ends:%Y-%m-%d}", warned.after


def _hour(cell: HourCell) -> dict[str, object]:
    at = f"{WEEKDAYS[cell.weekday]} {cell.hour:02d}:00"
    return {"group": at, "part": "hour", "n": cell.n, "lower": cell.lower, "upper": cell.upper}


def _line(row: Row) -> dict[str, object]:
    line: dict[str, object] = {"group": _text(row.provider)}
    line |= {name: getattr(row, name) for name in (*_COUNTS, *_REST, "incidence_n")}
    if row.suppressed:
        line |= dict.fromkeys((*_COUNTS, *_REST, "incidence_n"), "") | {"too_few": True}
    line |= _pair("sampling", ("low", "high"), row.sampling)
    line |= _pair("estimate", ("low", "high"), row.estimate)
    line |= _quantile("median", row.median) | _quantile("p90", row.p90)
    for cause, pair in row.incidence.items():
        line |= _pair(cause, ("lower", "upper"), pair)
    for name in _SPLITS:
        line[name] = " ".join(f"{key}={count}" for key, count in getattr(row, name).items())
    line |= {"not_measurable": row.not_measurable, "parent": row.parent}
    return line


def _definition(table: Table) -> dict[str, object]:
    return {
        "methodology": table.methodology,
        "methodology_version": table.methodology_version,
        "methodology_digest": table.methodology_digest,
        "minimum_n": table.minimum_n,
        "cutoff": table.cutoff.isoformat(),
        "corrected": table.corrected,
        "newest_evidence": _instant(table.newest_evidence),
        "newest_sighting": _instant(table.newest_sighting),
        "stale": table.stale,
    }


def _instant(at: datetime | None) -> str:
    return "" if at is None else at.isoformat()


def _pair(name: str, ends: tuple[str, str], pair: tuple[float, float] | None) -> dict[str, object]:
    return {} if pair is None else {f"{name}_{end}": v for end, v in zip(ends, pair, strict=True)}


def _quantile(name: str, quantile: Quantile | None) -> dict[str, object]:
    if quantile is None:
        return {}
    return {
        f"{name}_reached": quantile.reached,
        f"{name}_lower_hours": quantile.lower_hours,
        f"{name}_upper_hours": quantile.upper_hours,
    }


def _text(value: str) -> str:
    """Keep a spreadsheet from running a name as a formula."""
    return f"'{value}" if value[:1] in "=+-@" else value
