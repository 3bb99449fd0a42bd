"""For whoever is on duty: what is due, who breaks the norm now, and whether the monitor can be trusted."""

from deploy.grafana.panels import (
    BREACHES_OF_A_DAY,
    CANARY_AGE,
    FIGURES_AGE,
    LAG_SECONDS,
    NEW_BREACHES,
    ROLES_DOWN,
    RUNNING_CLOCKS,
    UNDETERMINED,
    WATERMARK_AGE,
    Board,
    P,
    S,
    bars,
    stat,
    table,
)


def _left(left: str) -> str:
    return f'takedown_clocks_running{{{P},left="{left}"}}'


# The same numbers as the status page and `takedown status`.
_DUE = (
    stat(
        "Due within 2 hours",
        "Running clocks whose deadline is less than two hours away. Call these providers first.",
        "none",
        f"sum({_left('under_2h')})",
        bad=1,
    ),
    stat(
        "Last seen online and due soon",
        "Of the running clocks, those last seen online with less than a twelfth of the norm left.",
        "none",
        f"sum(takedown_spells_due_soon{{{P}}})",
        bad=1,
    ),
    stat(
        "Overdue, unverified",
        "The deadline passed, and no look since has said whether the material is online.",
        "none",
        f"sum({_left('overdue')})",
        bad=1,
    ),
    BREACHES_OF_A_DAY,
    stat(
        "Notices that failed",
        "They start no clock: find another way to the provider.",
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
    RUNNING_CLOCKS,
    table(
        "Whom to call",
        "Each provider with what is due there and what it broke. The cases behind a number: `takedown case list`.",
        ("due within 2 h", "none", f"sum by (provider) ({_left('under_2h')})"),
        ("due within 6 h", "none", f"sum by (provider) ({_left('under_6h')})"),
        ("overdue", "none", f"sum by (provider) ({_left('overdue')})"),
        ("breaches of 24 h", "none", f"sum by (provider) (takedown_breaches_day{{{P}}})"),
        ("still online", "none", f"sum by (provider) (takedown_cases_online{{{P}}})"),
        (
            "not by notice",
            "none",
            f"sum by (provider) (takedown_providers_not_by_notice{{{P}}})",
        ),
        width=16,
    ),
)
_BREACHES = (
    bars(
        "Certain breaches of the last 24 hours",
        "Who breaks the norm now: seen online at or after the deadline within the last day.",
        "none",
        (f"sum by (provider) (takedown_breaches_day{{{P}}})", "{{provider}}"),
    ),
    bars(
        "Those of the watch list",
        "The same, of the providers that are followed by name.",
        "none",
        (
            f"sum by (provider) (takedown_breaches_day{{{P}}}) "
            f"and on (provider) takedown_provider_watched{{{P}}} == 1",
            "{{provider}}",
        ),
    ),
    NEW_BREACHES,
)
_TRUST = (
    ROLES_DOWN,
    CANARY_AGE,
    WATERMARK_AGE,
    FIGURES_AGE,
    stat(
        "Lag of the ledger",
        "Age of the newest record taken while others wait; 0 where nothing waits.",
        "s",
        f"max({LAG_SECONDS})",
        bad=900,
    ),
    stat(
        "Records that could not be used",
        "Dead letters within the chosen range. They count nowhere until they are mended.",
        "none",
        f"sum(increase(takedown_dead_letters_total{{{S}}}[$__range]))",
        bad=1,
    ),
    UNDETERMINED,
    bars(
        "Looks by what came of them",
        "In the ledger, of all providers: decided, undetermined, or missed.",
        "none",
        (f"sum by (result) (takedown_looks_stored{{{P}}})", "{{result}}"),
    ),
)

DUTY = Board(
    uid="takedown-duty",
    title="Takedown: duty",
    about="What is due within two hours, who breaks the norm now, and whether the monitor can be trusted.",
    rows=(
        ("What is due", _DUE),
        ("Who breaks the norm now", _BREACHES),
        ("Can this be trusted", _TRUST),
    ),
    providers=True,
    since="now-6h",
)
