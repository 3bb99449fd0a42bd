"""For policy makers: whether the norm holds, as bounds, and what it costs where it does not."""

from deploy.grafana.panels import (
    COURSE,
    FIGURES_AGE,
    JUDGED_SPELLS,
    METHODOLOGY,
    REMOVAL_TIME,
    STANDINGS,
    Board,
    P,
    Query,
    S,
    bars,
    lines,
    stat,
    table,
)


def _share(bound: str, group: str = 'provider="all"') -> str:
    return f"takedown_norm_share_{bound}{{{S},{group}}}"


def _standing(standing: str) -> str:
    return f'takedown_standing{{{P},standing="{standing}"}}'


_GLANCE = (
    stat(
        "Within the norm, at least",
        "Certainly within, of all judged spells. The truth lies between this and the next figure.",
        "percentunit",
        _share("lower"),
    ),
    stat(
        "Within the norm, at most",
        "Not certainly outside, of all judged spells.",
        "percentunit",
        _share("upper"),
    ),
    JUDGED_SPELLS,
    stat(
        "Certain breaches",
        "Of the judged spells: seen online at or after the deadline.",
        "none",
        f"sum({_standing('certain_breaches')})",
        bad=1,
    ),
    stat(
        "Still online",
        "Stock: seen online and no removal confirmed since. What counts for the victims.",
        "none",
        f"sum(takedown_cases_online{{{P}}})",
    ),
    METHODOLOGY,
    stat(
        "Exposure, at least",
        "Time that reported material was certainly online, summed over all cases.",
        "s",
        f"sum(takedown_exposure_seconds_lower{{{P}}})",
    ),
    stat(
        "Exposure, at most",
        "Time that reported material was possibly online, summed over all cases.",
        "s",
        f"sum(takedown_exposure_seconds_upper{{{P}}})",
    ),
    stat(
        "Longest norm",
        "How long the clock may run in the category with the longest norm.",
        "s",
        f"max(takedown_norm_seconds{{{S}}})",
    ),
    stat(
        "Undecided",
        "Of the judged spells: neither certainly within nor certainly outside.",
        "none",
        f"sum({_standing('undecided')})",
    ),
    stat(
        "Breaches taken back",
        "Recorded and later refuted by a late event or a correction, within the chosen range.",
        "none",
        f"sum(increase(takedown_breaches_voided_total{{{P}}}[$__range]))",
    ),
    FIGURES_AGE,
)
_PROVIDERS = (
    table(
        "League table",
        "Bounds, not points. A provider with few judged spells says little; the report hides small counts.",
        ("n", "none", f"sum by (provider) (takedown_norm_judged{{{P}}})"),
        (
            "within, at least",
            "percentunit",
            f"sum by (provider) (takedown_norm_share_lower{{{P}}})",
        ),
        ("within, at most", "percentunit", f"sum by (provider) (takedown_norm_share_upper{{{P}}})"),
        ("certain breaches", "none", f"sum by (provider) ({_standing('certain_breaches')})"),
        ("undecided", "none", f"sum by (provider) ({_standing('undecided')})"),
        ("still online", "none", f"sum by (provider) (takedown_cases_online{{{P}}})"),
        ("exposure, at least", "s", f"sum by (provider) (takedown_exposure_seconds_lower{{{P}}})"),
        ("exposure, at most", "s", f"sum by (provider) (takedown_exposure_seconds_upper{{{P}}})"),
        width=24,
        height=9,
    ),
    bars(
        "Share within the norm by provider",
        "Lower and upper bound for each provider; a wide gap means that too few looks decided.",
        "percentunit",
        (f"sum by (provider) (takedown_norm_share_lower{{{P}}})", "{{provider}} at least"),
        (f"sum by (provider) (takedown_norm_share_upper{{{P}}})", "{{provider}} at most"),
        width=12,
    ),
    bars(
        "Exposure by provider",
        "Time that known material stayed online, summed, certainly and possibly.",
        "s",
        (f"sum by (provider) (takedown_exposure_seconds_lower{{{P}}})", "{{provider}} at least"),
        (f"sum by (provider) (takedown_exposure_seconds_upper{{{P}}})", "{{provider}} at most"),
        width=12,
    ),
)
_TIME = (
    lines(
        "Share within the norm",
        "Both bounds of all judged spells together, as they were known at each moment.",
        "percentunit",
        Query(_share("lower"), "at least"),
        Query(_share("upper"), "at most"),
    ),
    STANDINGS,
    REMOVAL_TIME,
    bars(
        "Certain breaches in this time range",
        "Newly recorded within the range that the picker shows.",
        "none",
        (f"sum by (provider) (increase(takedown_breaches_total{{{P}}}[$__range]))", "{{provider}}"),
    ),
    lines(
        "Still online by provider",
        "Stock: seen online and no removal confirmed since.",
        "none",
        Query(f"sum by (provider) (takedown_cases_online{{{P}}})", "{{provider}}"),
    ),
    COURSE,
)

NORM = Board(
    uid="takedown-norm",
    title="Takedown: the norm",
    about="Who removed what in time, as bounds; how much is still online, and for how long it was.",
    rows=(
        ("Does the norm hold", _GLANCE),
        ("By provider", _PROVIDERS),
        ("Over time", _TIME),
    ),
    providers=True,
    since="now-28d",
)
