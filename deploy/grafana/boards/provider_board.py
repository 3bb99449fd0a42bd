"""For a talk with one provider: its bounds, its open clocks, its notices, and how well it can be seen."""

from deploy.grafana.panels import (
    BREACHES_OF_A_DAY,
    COURSE,
    JUDGED_SPELLS,
    NEW_BREACHES,
    NOTICES,
    REMOVAL_TIME,
    RUNNING_CLOCKS,
    STANDINGS,
    Board,
    P,
    Query,
    bars,
    lines,
    stat,
)

_GLANCE = (
    stat(
        "Within the norm, at least",
        "Certainly within, of the provider's judged spells; no figure while none is judged.",
        "percentunit",
        f"sum(takedown_norm_share_lower{{{P}}})",
    ),
    stat(
        "Within the norm, at most",
        "Not certainly outside, of the provider's judged spells.",
        "percentunit",
        f"sum(takedown_norm_share_upper{{{P}}})",
    ),
    JUDGED_SPELLS,
    stat(
        "Certain breaches",
        "Of the judged spells: seen online at or after the deadline.",
        "none",
        f'sum(takedown_standing{{{P},standing="certain_breaches"}})',
        bad=1,
    ),
    BREACHES_OF_A_DAY,
    stat(
        "Still online",
        "Stock: seen online and no removal confirmed since.",
        "none",
        f"sum(takedown_cases_online{{{P}}})",
    ),
    stat(
        "Due within 2 hours",
        "Running clocks whose deadline is less than two hours away.",
        "none",
        f'sum(takedown_clocks_running{{{P},left="under_2h"}})',
        bad=1,
    ),
    stat(
        "Overdue, unverified",
        "The deadline passed, and no look since has said whether the material is online.",
        "none",
        f"sum(takedown_spells_overdue_unverified{{{P}}})",
        bad=1,
    ),
    stat(
        "Notices that failed",
        "They start no clock.",
        "none",
        f'sum(takedown_notices{{{P},state="failed"}})',
        bad=1,
    ),
    stat(
        "Cases without a notice",
        "Reported, open, and no notice sent.",
        "none",
        f"sum(takedown_notice_backlog{{{P}}})",
        bad=1,
    ),
    stat(
        "Exposure, at least",
        "Time that reported material was certainly online, summed.",
        "s",
        f"sum(takedown_exposure_seconds_lower{{{P}}})",
    ),
    stat(
        "Exposure, at most",
        "Time that reported material was possibly online, summed.",
        "s",
        f"sum(takedown_exposure_seconds_upper{{{P}}})",
    ),
)
_NOW = (
    RUNNING_CLOCKS,
    bars(
        "Spells by the state of the clock",
        "All spells by what is owed: RUNNING, ON_HOLD, WITHIN, BREACHED, UNDECIDED, STOPPED.",
        "none",
        (f"sum by (clock) (takedown_spells{{{P}}})", "{{clock}}"),
    ),
    bars(
        "Looks by what came of them",
        "Decided, undetermined, or missed. Many undetermined ones: the provider keeps the prober out.",
        "none",
        (f"sum by (result) (takedown_looks_stored{{{P}}})", "{{result}}"),
    ),
)
_TIME = (
    lines(
        "Share within the norm",
        "Both bounds, as they were known at each moment.",
        "percentunit",
        Query(f"sum(takedown_norm_share_lower{{{P}}})", "at least"),
        Query(f"sum(takedown_norm_share_upper{{{P}}})", "at most"),
    ),
    STANDINGS,
    REMOVAL_TIME,
    NEW_BREACHES,
    NOTICES,
    COURSE,
)

PROVIDER = Board(
    uid="takedown-provider",
    title="Takedown: one provider",
    about="Everything about the provider that is chosen above.",
    rows=(("At a glance", _GLANCE), ("Now", _NOW), ("Over time", _TIME)),
    one_provider=True,
    since="now-7d",
)
