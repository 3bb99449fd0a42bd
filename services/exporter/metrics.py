"""The catalogue: every metric, declared once, for the code, the docs, the rules and the dashboard.

Labels are bounded: provider (watch list, the largest, else `other`), category, clock, standing,
verdict, reason, vantage, phase, topic. No label ever names a URL, a host, an address or a case; an exemplar, which is
no series and stands in OpenMetrics alone, names a case.
An object is named like its metric, without prefix and `_total`: `LOOKS` is `takedown_looks_total`.
"""

from importlib import metadata
from typing import get_args

from schemas.errors import DEAD_LETTER_REASONS
from schemas.events import MissedReason
from schemas.topics import EVIDENCE, OUTCOMES, WATCHLIST
from services.core.reasons import REASONS
from services.exporter.attribution_metrics import (
    ATTRIBUTION_LOOKS,
    ATTRIBUTION_OPEN_ADDRESSES,
    ATTRIBUTION_OPEN_DROPPED,
    ATTRIBUTIONS,
    SOURCE_QUESTIONS,
)
from services.exporter.declaring import (
    REGISTRY,
    Kind,
    MetricInfo,
    catalogue,
    counter,
    declare,
    gauge,
    histogram,
    info_of,
)
from services.exporter.duty_metrics import DUTY
from services.exporter.logevents import EVENT_LABELS, LIBRARY, OTHER
from services.exporter.prober_metrics import (
    CANARY_SEEN_TIMESTAMP_SECONDS,
    LOOK_LATENESS_SECONDS,
    LOOK_PHASE_SECONDS,
    LOOKS,
    LOOKS_HELD,
    LOOKS_IN_FLIGHT,
    LOOKS_MISSED,
    LOOKS_WAITING,
    PHASES,
    PROBER_WATERMARK_TIMESTAMP_SECONDS,
    WATCHED_CASES,
)

__all__ = [
    "ATTRIBUTIONS",
    "ATTRIBUTION_LOOKS",
    "ATTRIBUTION_OPEN_ADDRESSES",
    "ATTRIBUTION_OPEN_DROPPED",
    "CANARY_SEEN_TIMESTAMP_SECONDS",
    "DUTY",
    "LOOKS",
    "LOOKS_HELD",
    "LOOKS_IN_FLIGHT",
    "LOOKS_MISSED",
    "LOOKS_WAITING",
    "LOOK_LATENESS_SECONDS",
    "LOOK_PHASE_SECONDS",
    "PHASES",
    "PROBER_WATERMARK_TIMESTAMP_SECONDS",
    "REGISTRY",
    "SOURCE_QUESTIONS",
    "WATCHED_CASES",
    "MetricInfo",
    "catalogue",
    "info_of",
]  # fmt: skip

MISSED_REASONS = get_args(MissedReason)
CONSUMERS = ("ledger", "prober", "attribution")
# What can come of a request to the intake: `services.intake.door.problems` has the refusals, a test compares.
REQUEST_ENDS = (
    "accepted", "not_found", "method", "unauthorised", "rate", "media_type", "encoding", "too_large", "too_slow",
    "bad_request", "bad_json", "bad_field", "content", "unusable", "key_reused", "busy", "not_recorded", "failed",
)  # fmt: skip
# The parts that the exporter reads separately, each at its own interval.
FIGURES, NOTICES_PART = "figures", "notices"

# -- every process -------------------------------------------------------------------------------

BUILD_INFO = gauge(
    "every process",
    "takedown_build_info",
    "version",
    "Always 1; the label gives the version of this process.",
)
DISK_FREE_BYTES = gauge(
    "every process",
    "takedown_disk_free_bytes",
    "",
    "Free space on the disk of the data directory.",
)
LOG_EVENTS = counter(
    "every process",
    "takedown_log_events_total",
    "level event",
    "Warnings and errors logged, by event; `library`: logged by a library, `other`: any event not listed here.",
)

# -- ledger consumer -----------------------------------------------------------------------------

EVENTS = counter(
    "ledger consumer",
    "takedown_events_total",
    "topic",
    "Records written to the ledger, duplicates included.",
)
DEAD_LETTERS = counter(
    "ledger consumer",
    "takedown_dead_letters_total",
    "topic reason",
    "Unusable records sent to the dead-letter topic.",
)
BATCHES = counter("ledger consumer", "takedown_batches_total", "", "Batches committed to Postgres.")
BATCH_SECONDS = histogram(
    "ledger consumer",
    "takedown_batch_seconds",
    "",
    "Time to write one batch, from receipt to commit.",
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
REFOLDS = counter(
    "ledger consumer",
    "takedown_refolds_total",
    "",
    "Cases recomputed from their whole log because an event arrived late or corrected the past.",
)
CONSUMER_LAG_RECORDS = gauge(
    "ledger consumer",
    "takedown_consumer_lag_records",
    "topic",
    "Records on the broker that this process owns and has not taken yet, those of open transactions included.",
)
OPEN_TRANSACTION_SECONDS = gauge(
    "ledger consumer",
    "takedown_open_transaction_seconds",
    "topic",
    "Time for which a producer's open transaction has held back the records after it; 0: none does.",
)
CONSUMER_EVENT_TIMESTAMP_SECONDS = gauge(
    "ledger consumer",
    "takedown_consumer_event_timestamp_seconds",
    "topic",
    "Event time of the newest record written to the ledger.",
)
CONSUMER_REBUILDS = counter(
    "ledger consumer",
    "takedown_consumer_rebuilds_total",
    "consumer",
    "Kafka clients replaced because they stopped reading while records were waiting.",
)

# -- outbox relay --------------------------------------------------------------------------------

OUTBOX_PUBLISHED = counter(
    "outbox relay",
    "takedown_outbox_published_total",
    "topic",
    "Outbox records acknowledged by the broker.",
)
OUTBOX_ROWS = gauge(
    "outbox relay",
    "takedown_outbox_rows",
    "",
    "Outbox records not yet acknowledged by the broker.",
)

# -- intake --------------------------------------------------------------------------------------

INTAKE_REQUESTS = counter(
    "intake",
    "takedown_intake_requests_total",
    "reason",
    "Requests of reporters: `accepted` once Kafka has the statement, else why they were refused.",
)

# -- retention -----------------------------------------------------------------------------------

URLS_ERASED = counter(
    "retention",
    "takedown_urls_erased_total",
    "",
    "Cases whose URL was marked for destruction after retention expired.",
)
RECORDS_MOVED = counter(
    "retention",
    "takedown_records_moved_total",
    "",
    "Records moved from the broker to archives that hold no URLs.",
)
RETENTION_ROUND_TIMESTAMP_SECONDS = gauge(
    "retention",
    "takedown_retention_round_timestamp_seconds",
    "",
    "Time of the last completed retention round; until the first one, the start of the process.",
)

# -- exporter: from the ledger's rows, so that a restart or a replay never counts twice ----------


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

# -- zeros for labels known in advance ----------------------------------------------------------


def prepare_vantage(vantage: str) -> None:
    """Expose zeros for a vantage before its first look."""
    for judgement in REASONS.values():
        LOOKS.labels(vantage, judgement.verdict, judgement.reason)
    for reason in MISSED_REASONS:
        LOOKS_MISSED.labels(vantage, reason)
    for metric in (
        LOOK_LATENESS_SECONDS,
        WATCHED_CASES,
        LOOKS_IN_FLIGHT,
        LOOKS_HELD,
        LOOKS_WAITING,
    ):
        metric.labels(vantage)
    CANARY_SEEN_TIMESTAMP_SECONDS.labels(vantage)


def _prepare() -> None:
    BUILD_INFO.labels(_version()).set(1)
    for level, events in EVENT_LABELS.items():
        for event in (*events, LIBRARY, OTHER):
            LOG_EVENTS.labels(level, event)
    for topic in EVIDENCE:
        EVENTS.labels(topic.name)
        for reason in DEAD_LETTER_REASONS:
            DEAD_LETTERS.labels(topic.name, reason)
    for topic in (WATCHLIST, OUTCOMES):
        OUTBOX_PUBLISHED.labels(topic.name)
    for consumer in CONSUMERS:
        CONSUMER_REBUILDS.labels(consumer)
    for phase in PHASES:
        LOOK_PHASE_SECONDS.labels(phase)
    for end in REQUEST_ENDS:
        INTAKE_REQUESTS.labels(end)
    for part in (FIGURES, NOTICES_PART):
        COLLECTOR_FAILURES.labels(part)


def _version() -> str:
    try:
        return metadata.version("takedown-monitor")
    except metadata.PackageNotFoundError:
        return "unknown"


_prepare()
