"""The part of the catalogue that the exporter reads from the rows of the ledger: a replay never counts twice."""

from services.exporter.declaring import Kind, MetricInfo, counter, declare, gauge

# The parts that the exporter reads separately, each at its own interval.
FIGURES, NOTICES_PART = "figures", "notices"


def _ledger(kind: Kind, name: str, labels: str, about: str) -> MetricInfo:
    return declare(kind, "exporter", name, labels, about)


_P, _PC = "provider", "provider category"

SPELLS = _ledger(
    "gauge", "takedown_spells", f"{_PC} clock", "All spells, by the state of the clock."
)
STANDING = _ledger(
    "gauge",
    "takedown_standing",
    f"{_PC} standing",
    "All spells, by standing under the norm; within + certain_breaches + undecided = n (law 5).",
)
CASES_ONLINE = _ledger(
    "gauge",
    "takedown_cases_online",
    _PC,
    "Open cases seen online with no confirmed removal since.",
)
SPELLS_DUE_SOON = _ledger(
    "gauge",
    "takedown_spells_due_soon",
    _PC,
    "Spells last seen online whose deadline is less than a twelfth of the norm away (2 h of 24).",
)
SPELLS_OVERDUE_UNVERIFIED = _ledger(
    "gauge",
    "takedown_spells_overdue_unverified",
    _PC,
    "Spells past their deadline with no look since that shows whether the material was online then.",
)
BREACHES = _ledger(
    "counter",
    "takedown_breaches_total",
    _PC,
    "Certain breaches recorded: material seen online at or after the deadline.",
)
BREACHES_VOIDED = _ledger(
    "counter",
    "takedown_breaches_voided_total",
    _PC,
    "Recorded breaches voided by a late event or a correction.",
)
REMOVALS = _ledger("counter", "takedown_removals_total", _PC, "Confirmed removals recorded.")
RETURNS = _ledger(
    "counter", "takedown_returns_total", _PC, "Returns recorded after a confirmed removal."
)
MOVES = _ledger(
    "counter",
    "takedown_moves_total",
    _PC,
    "Spells recorded as ended by a move to another provider.",
)
REMOVAL_SECONDS_LOWER = _ledger(
    "histogram",
    "takedown_removal_seconds_lower",
    _PC,
    "Lower bound of the time from the clock's start to the first removal: until the material was "
    "last seen online; time on hold excluded.",
)
REMOVAL_SECONDS_UPPER = _ledger(
    "histogram",
    "takedown_removal_seconds_upper",
    _PC,
    "Upper bound of the time from the clock's start to the first removal: until the material was "
    "first seen gone; time on hold excluded.",
)
EXPOSURE_SECONDS_LOWER = _ledger(
    "gauge",
    "takedown_exposure_seconds_lower",
    _P,
    "Total time that reported material was certainly online; retracted cases excluded.",
)
EXPOSURE_SECONDS_UPPER = _ledger(
    "gauge",
    "takedown_exposure_seconds_upper",
    _P,
    "Total time that reported material was possibly online; retracted cases excluded.",
)
NORM_SHARE_LOWER = _ledger(
    "gauge",
    "takedown_norm_share_lower",
    _P,
    "Share of judged spells certainly within the norm; no series where n is 0; "
    'provider="all" is pooled.',
)
NORM_SHARE_UPPER = _ledger(
    "gauge",
    "takedown_norm_share_upper",
    _P,
    'Share of judged spells not certainly outside the norm; provider="all" is pooled.',
)
NORM_JUDGED = _ledger(
    "gauge",
    "takedown_norm_judged",
    _P,
    "n of the shares: spells that are not excluded and whose deadline has passed.",
)
NORM_SECONDS = _ledger("gauge", "takedown_norm_seconds", "category", "Length of the norm.")
METHODOLOGY_INFO = _ledger(
    "gauge",
    "takedown_methodology_info",
    "methodology version digest",
    "Always 1; the labels name the methodology of the figures.",
)
NOTICES = _ledger(
    "gauge",
    "takedown_notices",
    f"{_P} state",
    "Notices by state: sent (no delivery report yet), delivered, failed, acknowledged.",
)
NOT_BY_NOTICE = _ledger(
    "gauge",
    "takedown_providers_not_by_notice",
    f"{_P} reason",
    "Providers that can't be measured by notice, by their own fault: undeliverable, capacity.",
)
NOTICE_BACKLOG = _ledger("gauge", "takedown_notice_backlog", _P, "Open spells without a notice.")
LEDGER_EVENT_TIMESTAMP_SECONDS = _ledger(
    "gauge",
    "takedown_ledger_event_timestamp_seconds",
    "topic",
    "Event time of the newest event in the ledger.",
)
LEDGER_COMMIT_TIMESTAMP_SECONDS = _ledger(
    "gauge",
    "takedown_ledger_commit_timestamp_seconds",
    "",
    "Time of the ledger's last commit.",
)
SNAPSHOT_TIMESTAMP_SECONDS = _ledger(
    "gauge",
    "takedown_snapshot_timestamp_seconds",
    "part",
    "Time at which these figures were read from the ledger.",
)
COLLECTOR_SECONDS = gauge(
    "exporter",
    "takedown_collector_seconds",
    "part",
    "Duration of the last reading of the ledger.",
)
COLLECTOR_FAILURES = counter(
    "exporter",
    "takedown_collector_failures_total",
    "part",
    "Failed readings of the ledger; the previous figures stay exposed.",
)
