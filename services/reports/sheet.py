"""The league table as CSV: one line per group, with everything that is needed to recompute it on every line."""

import csv
import io

from services.core.incidence import CAUSES
from services.reports.figures import Quantile, Row, Table

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
COLUMNS = (
    "group",
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
    *(f"{cause}_{side}" for cause in CAUSES for side in ("lower", "upper")),
    "excluded",
    "methodology",
    "methodology_version",
    "methodology_digest",
    "cutoff",
)


def sheet(table: Table) -> str:
    """Write a table; an empty field is a figure that isn't given."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in (*table.providers, table.pooled, table.without_largest):
        if row is not None:
            writer.writerow(_line(row) | _definition(table))
    return out.getvalue()


def _line(row: Row) -> dict[str, object]:
    line: dict[str, object] = {"group": _text(row.provider)}
    line |= {name: getattr(row, name) for name in (*_COUNTS, *_REST)}
    if row.suppressed:
        line |= dict.fromkeys((*_COUNTS, *_REST), "") | {"too_few": True}
    line |= _pair("sampling", ("low", "high"), row.sampling)
    line |= _pair("estimate", ("low", "high"), row.estimate)
    line |= _quantile("median", row.median) | _quantile("p90", row.p90)
    for cause, pair in row.incidence.items():
        line |= _pair(cause, ("lower", "upper"), pair)
    line["excluded"] = " ".join(f"{reason}={count}" for reason, count in row.excluded.items())
    return line


def _definition(table: Table) -> dict[str, object]:
    return {
        "methodology": table.methodology,
        "methodology_version": table.methodology_version,
        "methodology_digest": table.methodology_digest,
        "cutoff": table.cutoff.isoformat(),
    }


def _pair(name: str, ends: tuple[str, str], pair: tuple[float, float] | None) -> dict[str, object]:
    return {} if pair is None else {f"{name}_{end}": v for end, v in zip(ends, pair, strict=True)}


def _quantile(name: str, found: Quantile | None) -> dict[str, object]:
    if found is None:
        return {}
    return {
        f"{name}_reached": found.reached,
        f"{name}_lower_hours": found.lower_hours,
        f"{name}_upper_hours": found.upper_hours,
    }


def _text(value: str) -> str:
    """Keep a spreadsheet from running a name as a formula."""
    return f"'{value}" if value[:1] in "=+-@" else value
