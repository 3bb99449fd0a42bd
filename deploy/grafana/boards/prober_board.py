"""For whoever runs a vantage: what it sees, what it misses, and how late it is."""

from deploy.grafana.panels import (
    CANARY_AGE,
    RATE,
    WATERMARK_AGE,
    Board,
    Query,
    S,
    lines,
    rates,
    stat,
)


def _now(metric: str) -> str:
    return f"sum by (vantage) ({metric}{{{S}}})"


def _lateness(share: float) -> str:
    return f"histogram_quantile({share}, {rates('le, vantage', 'takedown_look_lateness_seconds_bucket')})"


_GLANCE = (
    CANARY_AGE,
    WATERMARK_AGE,
    stat("Watched cases", "On the work lists of all vantages.", "none", f"sum(takedown_watched_cases{{{S}}})"),
    stat(
        "Looks waiting",
        "Cases whose look is due and has not started; those near their deadline go first.",
        "none",
        f"sum(takedown_looks_waiting{{{S}}})",
    ),
    stat(
        "Looks held back",
        "Due, and held back by the rate limit of an address or a network.",
        "none",
        f"sum(takedown_looks_held{{{S}}})",
    ),
    stat(
        "Looks missed",
        "Within the chosen range. Each one widens a removal interval.",
        "none",
        f"sum(increase(takedown_looks_missed_total{{{S}}}[$__range]))",
        bad=1,
    ),
)  # fmt: skip
_LOOKS = (
    lines(
        "Looks by verdict",
        "Per second.",
        "cps",
        Query(rates("verdict", "takedown_looks_total"), "{{verdict}}"),
        stacked=True,
    ),
    lines(
        "Looks by verdict and reason",
        "Per second. Many `undetermined` of one reason: somebody blocks us, or our own network fails.",
        "cps",
        Query(rates("verdict, reason", "takedown_looks_total"), "{{verdict}} {{reason}}"),
    ),
    lines(
        "Share undetermined by vantage",
        "Of the looks made. One vantage far above the others is shut out, or blind.",
        "percentunit",
        Query(
            f"sum by (vantage) (rate(takedown_looks_total{{{S},verdict=\"undetermined\"}}{RATE})) "
            f"/ {rates('vantage', 'takedown_looks_total')}",
            "{{vantage}}",
        ),
    ),
    lines(
        "Looks missed by reason",
        "Per second.",
        "cps",
        Query(
            rates("vantage, reason", "takedown_looks_missed_total"), "{{vantage}} {{reason}}"
        ),
    ),
    lines(
        "Lateness of looks",
        "Start of a look after its tick, median and 99th percentile. The points are cases.",
        "s",
        Query(_lateness(0.5), "{{vantage}} median"),
        Query(_lateness(0.99), "{{vantage}} 99 %", exemplar=True),
    ),
    lines(
        "Phases of a look",
        "Mean time of resolving, connecting, TLS, and waiting for the first byte.",
        "s",
        Query(
            f"{rates('phase', 'takedown_look_phase_seconds_sum')} "
            f"/ {rates('phase', 'takedown_look_phase_seconds_count')}",
            "{{phase}}",
        ),
    ),
)  # fmt: skip
_LOAD = (
    lines(
        "Work list",
        "What each vantage has on its list.",
        "none",
        Query(_now("takedown_watched_cases"), "{{vantage}}"),
    ),
    lines(
        "Looks in flight, waiting and held",
        "What each vantage is looking at, has not begun, and holds back for politeness.",
        "none",
        Query(_now("takedown_looks_in_flight"), "{{vantage}} in flight"),
        Query(_now("takedown_looks_waiting"), "{{vantage}} waiting"),
        Query(_now("takedown_looks_held"), "{{vantage}} held"),
    ),
    lines(
        "Ages",
        "How long ago each vantage last saw its canary, and how old the oldest look is that it owes.",
        "s",
        Query(
            f"time() - max by (vantage) (takedown_canary_seen_timestamp_seconds{{{S}}} > 0)",
            "canary of {{vantage}}",
        ),
        Query(
            f"time() - min by (vantage) (takedown_prober_watermark_timestamp_seconds{{{S}}} > 0)",
            "watermark of {{vantage}}",
        ),
    ),
)

PROBER = Board(
    uid="takedown-prober",
    title="Takedown: prober",
    about="What each vantage sees, what it misses, and how late it is.",
    rows=(("At a glance", _GLANCE), ("Looks", _LOOKS), ("Load", _LOAD)),
    since="now-6h",
)
