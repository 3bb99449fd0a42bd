"""What a dashboard is made of, as data: boards of rows of boxes of queries."""

from dataclasses import dataclass
from typing import Any

# Every selector names the job and the instance, so that two monitors on one Prometheus can be told apart.
S = 'job=~"$job",instance=~"$instance"'
P = S + ',provider=~"$provider"'
RATE = "[$__rate_interval]"


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel; an instant one asks for the end of the range alone.

    Args:
        unit: Of the column that the query fills in a table.
        exemplar: Ask for the case ids beside the series too.

    """

    expr: str
    legend: str
    instant: bool = False
    unit: str | None = None
    exemplar: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """One panel: what it shows and how wide and high it is, in Grafana's grid of 24 columns.

    Args:
        bad: The value from which a figure is red.
        by: The label that the lines of a table are told apart by.

    """

    kind: str
    title: str
    about: str
    unit: str
    queries: tuple[Query, ...]
    width: int = 8
    height: int = 8
    stacked: bool = False
    bad: float | None = None
    by: str = "provider"


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard; `one_provider` lets a reader choose a single one, `providers` several."""

    uid: str
    title: str
    about: str
    rows: tuple[tuple[str, tuple[Box, ...]], ...]
    providers: bool = False
    one_provider: bool = False
    since: str = "now-24h"


def stat(
    title: str, about: str, unit: str, expr: str, bad: float | None = None, width: int = 4
) -> Box:
    """Make a panel of one figure."""
    return Box("stat", title, about, unit, (Query(expr, title, instant=True),), width, 4, bad=bad)


def name(title: str, about: str, expr: str, legend: str, width: int = 4) -> Box:
    """Make a panel that shows a label instead of a figure."""
    return Box("name", title, about, "none", (Query(expr, legend, instant=True),), width, 4)


def lines(title: str, about: str, unit: str, *queries: Query, **options: Any) -> Box:
    """Make a panel of lines over time."""
    return Box("lines", title, about, unit, queries, **options)


def bars(title: str, about: str, unit: str, *pairs: tuple[str, str], **options: Any) -> Box:
    """Make a panel of one bar for each series."""
    queries = tuple(Query(expr, legend, instant=True) for expr, legend in pairs)
    return Box("bars", title, about, unit, queries, **options)


def table(title: str, about: str, *columns: tuple[str, str, str], **options: Any) -> Box:
    """Make a table: a column for each (heading, unit, query)."""
    queries = tuple(
        Query(expr, heading, instant=True, unit=unit) for heading, unit, expr in columns
    )
    return Box("table", title, about, "none", queries, **options)


def rates(by: str, metric: str, matchers: str = S) -> str:
    """Write the rate of a counter, summed by labels."""
    return f"sum by ({by}) (rate({metric}{{{matchers}}}{RATE}))"


def removal_times(matchers: str = P) -> tuple[Query, ...]:
    """Write the quantiles of the removal time, from both histograms."""
    return tuple(
        Query(
            f"histogram_quantile({share}, sum by (le) (takedown_removal_seconds_{side}_bucket{{{matchers}}}))",
            f"{label}, at {least}",
        )
        for share, label in ((0.5, "median"), (0.9, "90 %"))
        for side, least in (("lower", "least"), ("upper", "most"))
    )


# What several dashboards show alike: the same words, and so the same numbers.


def _age(metric: str) -> str:
    return f"max(time() - {metric}{{{S}}})"


CANARY_AGE = stat(
    "Canary last seen",
    "Age of the oldest sighting over all vantages. Beyond the methodology's limit nothing can be found removed.",
    "s",
    f"max(time() - max by (vantage) (takedown_canary_seen_timestamp_seconds{{{S}}} > 0))",
    bad=900,
)
FIGURES_AGE = stat(
    "Figures read",
    "Age of the oldest reading of the ledger behind these figures.",
    "s",
    _age("takedown_snapshot_timestamp_seconds"),
    bad=900,
)
WATERMARK_AGE = stat(
    "Looks owed",
    "Age of the oldest look that is due and neither made nor recorded as missed, over all vantages.",
    "s",
    f"max(time() - (takedown_prober_watermark_timestamp_seconds{{{S}}} > 0))",
    bad=900,
)
ROLES_DOWN = stat(
    "Processes that do not answer",
    "Of those that Prometheus is told to scrape. Nobody watches in their place.",
    "none",
    f"count(up{{{S}}}) - sum(up{{{S}}})",
    bad=1,
)
METHODOLOGY = name(
    "Methodology",
    "The definition behind every figure here: the same evidence gives others under another one.",
    f"takedown_methodology_info{{{S}}}",
    "{{methodology}} version {{version}}",
)
# The newest record taken may be old because nothing happened: only waiting records make it a lag.
LAG_SECONDS = (
    f"(time() - max by (topic) (takedown_consumer_event_timestamp_seconds{{{S}}} > 0)) "
    f"* on (topic) (sum by (topic) (takedown_consumer_lag_records{{{S}}}) > bool 0)"
)
UNDETERMINED = bars(
    "Share of looks that could not tell",
    "By provider, of all looks in the ledger: a block, a wall, a blind vantage. The watch list always.",
    "percentunit",
    (
        f'sum by (provider) (takedown_looks_stored{{{P},result="undetermined"}}) '
        f'/ sum by (provider) (takedown_looks_stored{{{P},result!="missed"}} > 0) '
        f"or 0 * sum by (provider) (takedown_provider_watched{{{P}}})",
        "{{provider}}",
    ),
)
REMOVAL_TIME = lines(
    "Removal time",
    "Median and 90th percentile of all confirmed removals, earliest and latest possible.",
    "s",
    *removal_times(),
)
STANDINGS = lines(
    "Where spells stand",
    "Every spell once: within + certain breaches + undecided = n; the rest is not judged.",
    "none",
    Query(f"sum by (standing) (takedown_standing{{{P}}})", "{{standing}}"),
    stacked=True,
)
COURSE = lines(
    "Removals, returns, moves",
    "Recorded per hour, as the range allows.",
    "none",
    Query(f"3600 * {rates('job', 'takedown_removals_total', P)}", "removals per hour"),
    Query(f"3600 * {rates('job', 'takedown_returns_total', P)}", "returns per hour"),
    Query(f"3600 * {rates('job', 'takedown_moves_total', P)}", "moves per hour"),
)
NOTICES = lines(
    "Notices by state",
    "A failed notice starts no clock; `sent` means that nobody knows yet.",
    "none",
    Query(f"sum by (state) (takedown_notices{{{P}}})", "{{state}}"),
    stacked=True,
)
JUDGED_SPELLS = stat(
    "Judged spells",
    "n of the shares. Below a few dozen a share says little.",
    "none",
    f"sum(takedown_norm_judged{{{P}}})",
)
BREACHES_OF_A_DAY = stat(
    "Certain breaches of 24 hours",
    "Seen online at or after the deadline within the last day.",
    "none",
    f"sum(takedown_breaches_day{{{P}}})",
    bad=1,
)
RUNNING_CLOCKS = bars(
    "Running clocks by the time left",
    "What is due, and when. Overdue: the deadline passed and no look since has decided it.",
    "none",
    (f"sum by (left) (takedown_clocks_running{{{P}}})", "{{left}}"),
)
NEW_BREACHES = lines(
    "Certain breaches recorded within an hour",
    "When they were recorded. The points beside a line are cases: their ids, for `takedown case show`.",
    "none",
    Query(
        f"sum by (provider) (increase(takedown_breaches_total{{{P}}}[1h]))",
        "{{provider}}",
        exemplar=True,
    ),
)
