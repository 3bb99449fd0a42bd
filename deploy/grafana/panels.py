"""What the dashboard shows: data alone, in the order in which people read it."""

from dataclasses import dataclass
from typing import Any

P = 'provider=~"$provider"'


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel; an instant one asks for the end of the range alone."""

    expr: str
    legend: str
    instant: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """One panel: what it shows and how wide and high it is, in Grafana's grid of 24 columns."""

    kind: str
    title: str
    about: str
    unit: str
    queries: tuple[Query, ...]
    width: int = 8
    height: int = 8
    stacked: bool = False
    bad: float | None = None


def _stat(
    title: str, about: str, unit: str, expr: str, bad: float | None = None, width: int = 4
) -> Box:
    return Box("stat", title, about, unit, (Query(expr, title, instant=True),), width, 4, bad=bad)


def _lines(title: str, about: str, unit: str, *queries: Query, **options: Any) -> Box:
    return Box("lines", title, about, unit, queries, **options)


def _bars(title: str, about: str, unit: str, *pairs: tuple[str, str], **options: Any) -> Box:
    queries = tuple(Query(expr, legend, instant=True) for expr, legend in pairs)
    return Box("bars", title, about, unit, queries, **options)


def _quantile(share: float, side: str) -> str:
    series = f"takedown_removal_seconds_{side}_bucket{{{P}}}"
    return f"histogram_quantile({share}, sum by (le) ({series}))"


AT_A_GLANCE = (
    _stat(
        "Certain breaches",
        "Ever recorded: seen online at or after the deadline. From the ledger, so a restart never counts twice.",
        "none",
        f"sum(takedown_breaches_total{{{P}}})",
        bad=1,
    ),
    _stat(
        "Due soon",
        "Last seen online, with less than a twelfth of the norm left. Call these providers first.",
        "none",
        f"sum(takedown_spells_due_soon{{{P}}})",
        bad=1,
    ),
    _stat(
        "Still online",
        "Stock: seen online and no removal confirmed since. What counts for the victims.",
        "none",
        f"sum(takedown_cases_online{{{P}}})",
    ),
    _stat(
        "Within the norm, at least",
        "Certainly within, of all judged spells. The truth lies between this and the next figure.",
        "percentunit",
        'takedown_norm_share_lower{provider="all"}',
        width=3,
    ),
    _stat(
        "Within the norm, at most",
        "Not certainly outside, of all judged spells.",
        "percentunit",
        'takedown_norm_share_upper{provider="all"}',
        width=3,
    ),
    _stat(
        "Canary last seen",
        "Age of the oldest sighting over all vantages. Beyond the methodology's limit nothing can be found removed.",
        "s",
        "max(time() - takedown_canary_seen_timestamp_seconds)",
        bad=900,
        width=3,
    ),
    Box(
        "name",
        "Methodology",
        "The definition behind every figure here: the same evidence gives others under another one.",
        "none",
        (Query("takedown_methodology_info", "{{methodology}} version {{version}}", instant=True),),
        width=3,
        height=4,
    ),
)

# The same numbers as the status page and `takedown status`.
DUTY = (
    _bars(
        "Running clocks by the time left",
        "What is due, and when. Overdue: the deadline passed and no look since has decided it.",
        "none",
        (f"sum by (left) (takedown_clocks_running{{{P}}})", "{{left}}"),
    ),
    _bars(
        "Certain breaches of the last 24 hours",
        "Who breaks the norm now: seen online at or after the deadline within the last day.",
        "none",
        (f"takedown_breaches_day{{{P}}}", "{{provider}}"),
    ),
    _bars(
        "Share of looks that could not tell",
        "By provider, of all looks in the ledger: a block, a wall, a blind vantage. The watch list always.",
        "percentunit",
        (
            f'sum by (provider) (takedown_looks_stored{{{P},result="undetermined"}}) '
            f'/ sum by (provider) (takedown_looks_stored{{{P},result!="missed"}} > 0) '
            f"or 0 * takedown_provider_watched{{{P}}}",
            "{{provider}}",
        ),
    ),
)

NORM = (
    _bars(
        "Share within the norm by provider",
        "Lower and upper bound for each provider; a wide gap means that too few looks decided.",
        "percentunit",
        (f"takedown_norm_share_lower{{{P}}}", "{{provider}} at least"),
        (f"takedown_norm_share_upper{{{P}}}", "{{provider}} at most"),
    ),
    _bars(
        "Judged spells",
        "n of the shares. Below a few dozen a share says little.",
        "none",
        (f"takedown_norm_judged{{{P}}}", "{{provider}}"),
        width=4,
    ),
    _lines(
        "Where spells stand",
        "Every spell once: within + certain breaches + undecided = n; the rest is not judged.",
        "none",
        Query(f"sum by (standing) (takedown_standing{{{P}}})", "{{standing}}"),
        stacked=True,
        width=12,
    ),
    _bars(
        "Certain breaches in this time range",
        "Newly recorded within the range that the picker shows.",
        "none",
        (f"sum by (provider) (increase(takedown_breaches_total{{{P}}}[$__range]))", "{{provider}}"),
    ),
    _lines(
        "Removal time",
        "Median and 90th percentile of all confirmed removals, earliest and latest possible.",
        "s",
        Query(_quantile(0.5, "lower"), "median, at least"),
        Query(_quantile(0.5, "upper"), "median, at most"),
        Query(_quantile(0.9, "lower"), "90 %, at least"),
        Query(_quantile(0.9, "upper"), "90 %, at most"),
    ),
    _lines(
        "Removals, returns, moves",
        "Recorded per hour, as bounds of the range allow.",
        "none",
        Query(
            f"3600 * sum(rate(takedown_removals_total{{{P}}}[$__rate_interval]))",
            "removals per hour",
        ),
        Query(
            f"3600 * sum(rate(takedown_returns_total{{{P}}}[$__rate_interval]))", "returns per hour"
        ),
        Query(f"3600 * sum(rate(takedown_moves_total{{{P}}}[$__rate_interval]))", "moves per hour"),
    ),
)

CASES = (
    _lines(
        "Clocks",
        "All spells by what is owed: RUNNING, ON_HOLD, WITHIN, BREACHED, UNDECIDED, STOPPED.",
        "none",
        Query(f"sum by (clock) (takedown_spells{{{P}}})", "{{clock}}"),
        stacked=True,
    ),
    _lines(
        "Still online by provider",
        "Stock: seen online and no removal confirmed since.",
        "none",
        Query(f"sum by (provider) (takedown_cases_online{{{P}}})", "{{provider}}"),
    ),
    _lines(
        "Due soon, and past the deadline unseen",
        "The first can still be saved by a call, the second waits for a look that decides it.",
        "none",
        Query(f"sum by (provider) (takedown_spells_due_soon{{{P}}})", "{{provider}} due soon"),
        Query(
            f"sum by (provider) (takedown_spells_overdue_unverified{{{P}}})", "{{provider}} overdue"
        ),
    ),
    _bars(
        "Exposure by provider",
        "Time that known material stayed online, summed, certainly and possibly.",
        "s",
        (f"takedown_exposure_seconds_lower{{{P}}}", "{{provider}} at least"),
        (f"takedown_exposure_seconds_upper{{{P}}}", "{{provider}} at most"),
    ),
    _lines(
        "Notices by state",
        "A failed notice starts no clock; `sent` means that nobody knows yet.",
        "none",
        Query(f"sum by (state) (takedown_notices{{{P}}})", "{{state}}"),
        stacked=True,
    ),
    _bars(
        "Waiting for a notice",
        "Reported, open, and no notice sent.",
        "none",
        (f"takedown_notice_backlog{{{P}}}", "{{provider}}"),
    ),
)

LOOKS = (
    _lines(
        "Looks by verdict",
        "Per second.",
        "cps",
        Query("sum by (verdict) (rate(takedown_looks_total[$__rate_interval]))", "{{verdict}}"),
        stacked=True,
    ),
    _lines(
        "Looks by verdict and reason",
        "Per second. Many `undetermined` of one reason: somebody blocks us, or our own network fails.",
        "cps",
        Query(
            "sum by (verdict, reason) (rate(takedown_looks_total[$__rate_interval]))",
            "{{verdict}} {{reason}}",
        ),
    ),
    _lines(
        "Looks missed",
        "Per second, by reason. Each one widens a removal interval.",
        "cps",
        Query(
            "sum by (vantage, reason) (rate(takedown_looks_missed_total[$__rate_interval]))",
            "{{vantage}} {{reason}}",
        ),
    ),
    _lines(
        "Lateness of looks",
        "Start of a look after its tick, median and 99th percentile.",
        "s",
        *(
            Query(
                f"histogram_quantile({share}, sum by (le, vantage) "
                "(rate(takedown_look_lateness_seconds_bucket[$__rate_interval])))",
                f"{{{{vantage}}}} {name}",
            )
            for share, name in ((0.5, "median"), (0.99, "99 %"))
        ),
    ),
    _lines(
        "Phases of a look",
        "Mean time of resolving, connecting, TLS, and waiting for the first byte.",
        "s",
        Query(
            "sum by (phase) (rate(takedown_look_phase_seconds_sum[$__rate_interval])) "
            "/ sum by (phase) (rate(takedown_look_phase_seconds_count[$__rate_interval]))",
            "{{phase}}",
        ),
    ),
    _lines(
        "Watched cases and looks in flight",
        "What each vantage has on its work list, and what it is looking at.",
        "none",
        Query("sum by (vantage) (takedown_watched_cases)", "{{vantage}} watched"),
        Query("sum by (vantage) (takedown_looks_in_flight)", "{{vantage}} in flight"),
    ),
)

PIPELINE = (
    _lines(
        "Lag",
        "Records on the broker that the ledger has not taken.",
        "none",
        Query("sum by (topic) (takedown_consumer_lag_records)", "{{topic}}"),
    ),
    _lines(
        "Records taken",
        "Per second, into the ledger.",
        "cps",
        Query("sum by (topic) (rate(takedown_events_total[$__rate_interval]))", "{{topic}}"),
    ),
    _lines(
        "Dead letters",
        "Ever refused, by reason; they count nowhere until they are mended.",
        "none",
        Query("sum by (reason) (takedown_dead_letters_total)", "{{reason}}"),
        Query("sum(takedown_dead_letters_total)", "all"),
    ),
    _lines(
        "Outbox",
        "Conclusions that the broker does not have yet.",
        "none",
        Query("sum(takedown_outbox_rows)", "waiting"),
    ),
    _lines(
        "Ages",
        "How long ago: the newest event, the last commit, the reading behind these figures, the prober's watermark.",
        "s",
        Query("time() - takedown_ledger_event_timestamp_seconds", "newest event of {{topic}}"),
        Query("time() - takedown_ledger_commit_timestamp_seconds", "last commit"),
        Query("time() - takedown_snapshot_timestamp_seconds", "reading of {{part}}"),
        Query(
            "time() - min by (vantage) (takedown_prober_watermark_timestamp_seconds)",
            "watermark of {{vantage}}",
        ),
    ),
    _lines(
        "Batches, refolds, rebuilds",
        "Seconds from batch to commit (99 %), cases folded again, Kafka clients built anew.",
        "none",
        Query(
            "histogram_quantile(0.99, sum by (le) (rate(takedown_batch_seconds_bucket[$__rate_interval])))",
            "batch seconds (99 %)",
        ),
        Query("sum(rate(takedown_refolds_total[$__rate_interval]))", "refolds per second"),
        Query("sum by (consumer) (takedown_consumer_rebuilds_total)", "rebuilds of {{consumer}}"),
    ),
)

ROWS = (
    ("At a glance", AT_A_GLANCE),
    ("Duty", DUTY),
    ("The norm", NORM),
    ("Cases and notices", CASES),
    ("Looks", LOOKS),
    ("Pipeline", PIPELINE),
)
