"""The catalogue: every metric, declared once, for the code, the docs, the rules and the dashboard.

Labels are bounded: provider (watch list, the largest, else `other`), category, clock, standing,
verdict, reason, vantage, phase, topic. No label ever names a URL, a host, an address or a case.
An object is named like its metric, without prefix and `_total`: `LOOKS` is `takedown_looks_total`.
"""

from importlib import metadata
from typing import get_args

from schemas.errors import DEAD_LETTER_REASONS
from schemas.events import MissedReason
from schemas.topics import EVIDENCE, OUTCOMES, WATCHLIST
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
from services.exporter.logevents import KNOWN, LIBRARY, OTHER

__all__ = ["REGISTRY", "MetricInfo", "catalogue", "info_of"]

MISSED_REASONS = get_args(MissedReason)
PHASES = ("resolve", "connect", "tls", "first_byte")
CONSUMERS = ("ledger", "prober")
# What the exporter reads apart, each at its own pace.
FIGURES, NOTICES_PART = "figures", "notices"

# -- every process -------------------------------------------------------------------------------

BUILD_INFO = gauge("every process", "takedown_build_info", "version", "1; the version that runs.")
LOG_EVENTS = counter(
    "every process",
    "takedown_log_events_total",
    "level event",
    "Warnings and errors in the log, by event; `library`: said by a library, `other`: not named.",
)

# -- ledger consumer -----------------------------------------------------------------------------

EVENTS = counter(
    "ledger consumer",
    "takedown_events_total",
    "topic",
    "Records taken into the ledger, duplicates included.",
)
DEAD_LETTERS = counter(
    "ledger consumer",
    "takedown_dead_letters_total",
    "topic reason",
    "Records that could not be used and went to the dead-letter topic.",
)
BATCHES = counter("ledger consumer", "takedown_batches_total", "", "Batches committed to Postgres.")
BATCH_SECONDS = histogram(
    "ledger consumer",
    "takedown_batch_seconds",
    "",
    "From a batch in hand to its commit.",
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
REFOLDS = counter(
    "ledger consumer",
    "takedown_refolds_total",
    "",
    "Cases folded again from their whole log because an event reached back in time.",
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
    "Event time of the newest record taken.",
)
CONSUMER_REBUILDS = counter(
    "ledger consumer",
    "takedown_consumer_rebuilds_total",
    "consumer",
    "Kafka clients thrown away and built anew because they stood still with records waiting.",
)

# -- outbox relay --------------------------------------------------------------------------------

OUTBOX_PUBLISHED = counter(
    "outbox relay",
    "takedown_outbox_published_total",
    "topic",
    "Records from the outbox that the broker has.",
)
OUTBOX_ROWS = gauge(
    "outbox relay",
    "takedown_outbox_rows",
    "",
    "Records in the outbox that the broker does not have yet.",
)

# -- retention -----------------------------------------------------------------------------------

URLS_ERASED = counter(
    "retention",
    "takedown_urls_erased_total",
    "",
    "Cases of which was said that their URL is to be destroyed, for the watch ended long ago.",
)
RECORDS_MOVED = counter(
    "retention",
    "takedown_records_moved_total",
    "",
    "Records moved from the broker into archives without URLs.",
)
RETENTION_ROUND_TIMESTAMP_SECONDS = gauge(
    "retention",
    "takedown_retention_round_timestamp_seconds",
    "",
    "When the last round of retention was completed; at first, when the process started.",
)

# -- prober --------------------------------------------------------------------------------------

LOOKS = counter(
    "prober",
    "takedown_looks_total",
    "vantage verdict reason",
    "Looks made, by verdict and reason code.",
)
LOOKS_MISSED = counter(
    "prober",
    "takedown_looks_missed_total",
    "vantage reason",
    "Looks that could not be made, by reason.",
)
LOOK_PHASE_SECONDS = histogram(
    "prober",
    "takedown_look_phase_seconds",
    "phase",
    "Time that a look spent in one phase.",
    (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
LOOK_LATENESS_SECONDS = histogram(
    "prober",
    "takedown_look_lateness_seconds",
    "vantage",
    "Start of a look after its tick; a late look widens a removal interval.",
    (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60, 300, 900, 3600),
)
WATCHED_CASES = gauge(
    "prober", "takedown_watched_cases", "vantage", "Cases on the work list of this process."
)
CANARY_SEEN_TIMESTAMP_SECONDS = gauge(
    "prober",
    "takedown_canary_seen_timestamp_seconds",
    "vantage",
    "When the vantage last saw its canary; 0: never. While it is old, no look can find "
    "anything removed.",
)
PROBER_WATERMARK_TIMESTAMP_SECONDS = gauge(
    "prober",
    "takedown_prober_watermark_timestamp_seconds",
    "vantage",
    "Every tick before this instant has been looked at or recorded as missed.",
)
LOOKS_IN_FLIGHT = gauge("prober", "takedown_looks_in_flight", "vantage", "Looks under way.")
LOOKS_HELD = gauge(
    "prober",
    "takedown_looks_held",
    "vantage",
    "Looks that wait for politeness or were put off for it: an address or a network is asked no faster.",
)
LOOKS_WAITING = gauge(
    "prober",
    "takedown_looks_waiting",
    "vantage",
    "The backlog: cases whose look is due and has not begun; near deadlines go first.",
)

# -- exporter: from the ledger's rows, so that a restart or a replay never counts twice ----------


def _ledger(kind: Kind, name: str, labels: str, about: str) -> MetricInfo:
    return declare(kind, "exporter", name, labels, about)


_P, _PC = "provider", "provider category"

SPELLS = _ledger(
    "gauge", "takedown_spells", f"{_PC} clock", "All spells, partitioned by the clock's state."
)
STANDING = _ledger(
    "gauge",
    "takedown_standing",
    f"{_PC} standing",
    "All spells, partitioned by where they stand under the norm; "
    "within + certain_breaches + undecided = n (law 5).",
)
CASES_ONLINE = _ledger(
    "gauge",
    "takedown_cases_online",
    _PC,
    "Stock still online: open, seen online, no removal confirmed since.",
)
SPELLS_DUE_SOON = _ledger(
    "gauge",
    "takedown_spells_due_soon",
    _PC,
    "Clock runs, last seen online, and less than a twelfth of the norm is left (2 h of 24).",
)
SPELLS_OVERDUE_UNVERIFIED = _ledger(
    "gauge",
    "takedown_spells_overdue_unverified",
    _PC,
    "Clock runs past its deadline, and no look since tells whether it was online then.",
)
BREACHES = _ledger(
    "counter",
    "takedown_breaches_total",
    _PC,
    "Certain breaches ever recorded: seen online at or after the deadline.",
)
BREACHES_VOIDED = _ledger(
    "counter",
    "takedown_breaches_voided_total",
    _PC,
    "Recorded breaches that a late or correcting event took back.",
)
REMOVALS = _ledger("counter", "takedown_removals_total", _PC, "Confirmed removals ever recorded.")
RETURNS = _ledger(
    "counter", "takedown_returns_total", _PC, "Returns after a confirmed removal ever recorded."
)
MOVES = _ledger(
    "counter",
    "takedown_moves_total",
    _PC,
    "Spells ever recorded as ended by a move to another provider.",
)
REMOVAL_SECONDS_LOWER = _ledger(
    "histogram",
    "takedown_removal_seconds_lower",
    _PC,
    "First removal after the clock's start, earliest possible: until it was last known "
    "online; time on hold not counted.",
)
REMOVAL_SECONDS_UPPER = _ledger(
    "histogram",
    "takedown_removal_seconds_upper",
    _PC,
    "First removal after the clock's start, latest possible: until it was first seen "
    "gone; time on hold not counted.",
)
EXPOSURE_SECONDS_LOWER = _ledger(
    "gauge",
    "takedown_exposure_seconds_lower",
    _P,
    "Time that known material was certainly online, summed.",
)
EXPOSURE_SECONDS_UPPER = _ledger(
    "gauge",
    "takedown_exposure_seconds_upper",
    _P,
    "Time that known material was possibly online, summed.",
)
NORM_SHARE_LOWER = _ledger(
    "gauge",
    "takedown_norm_share_lower",
    _P,
    "Share of judged spells that were certainly within the norm; no series where n is 0; "
    'provider="all" is pooled.',
)
NORM_SHARE_UPPER = _ledger(
    "gauge",
    "takedown_norm_share_upper",
    _P,
    'Share of judged spells that were not certainly outside the norm; provider="all" is pooled.',
)
NORM_JUDGED = _ledger(
    "gauge",
    "takedown_norm_judged",
    _P,
    "n of the shares: spells not excluded whose clock started a norm ago or more.",
)
NORM_SECONDS = _ledger("gauge", "takedown_norm_seconds", "category", "How long the clock may run.")
METHODOLOGY_INFO = _ledger(
    "gauge",
    "takedown_methodology_info",
    "methodology version digest",
    "1; the methodology behind every figure here.",
)
NOTICES = _ledger(
    "gauge",
    "takedown_notices",
    f"{_P} state",
    "Notices by state: sent (fate unknown), delivered, failed, acknowledged.",
)
NOTICE_BACKLOG = _ledger(
    "gauge", "takedown_notice_backlog", _P, "Open spells for which no notice has been sent yet."
)
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
    "When the ledger last committed a batch.",
)
SNAPSHOT_TIMESTAMP_SECONDS = _ledger(
    "gauge",
    "takedown_snapshot_timestamp_seconds",
    "part",
    "When the ledger figures exposed here were read.",
)
COLLECTOR_SECONDS = gauge(
    "exporter",
    "takedown_collector_seconds",
    "part",
    "How long the last reading of the ledger took.",
)
COLLECTOR_FAILURES = counter(
    "exporter",
    "takedown_collector_failures_total",
    "part",
    "Readings of the ledger that failed; the older figures stay exposed.",
)

# -- zeros for what is known in advance ----------------------------------------------------------


def prepare_vantage(vantage: str) -> None:
    """Expose zeros for a vantage before its first look."""
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
    for level, events in KNOWN.items():
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
    for part in (FIGURES, NOTICES_PART):
        COLLECTOR_FAILURES.labels(part)


def _version() -> str:
    try:
        return metadata.version("takedown-monitor")
    except metadata.PackageNotFoundError:
        return "unknown"


_prepare()
