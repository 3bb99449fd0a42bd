"""The catalogue: every metric, declared once, for the code, the docs, the rules and the dashboard.

The modules `*_metrics.py` declare, each what one part of the program fills; this one gathers them, and sets the zeros
of labels that are known in advance.
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
    MetricInfo,
    catalogue,
    counter,
    gauge,
    info_of,
)
from services.exporter.duty_metrics import (
    DUTY,
)
from services.exporter.figure_metrics import (
    COLLECTOR_FAILURES,
    COLLECTOR_SECONDS,
    FIGURES,
    NOTICES_PART,
)
from services.exporter.logevents import (
    EVENT_LABELS,
    LIBRARY,
    OTHER,
)
from services.exporter.pipeline_metrics import (
    BATCH_SECONDS,
    BATCHES,
    CONSUMER_EVENT_TIMESTAMP_SECONDS,
    CONSUMER_LAG_RECORDS,
    CONSUMER_REBUILDS,
    CONSUMERS,
    DEAD_LETTERS,
    EVENTS,
    INTAKE_REQUESTS,
    OPEN_TRANSACTION_SECONDS,
    OUTBOX_PUBLISHED,
    OUTBOX_ROWS,
    RECORDS_MOVED,
    REFOLDS,
    REQUEST_ENDS,
    RETENTION_ROUND_TIMESTAMP_SECONDS,
    URLS_ERASED,
)
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
    "BATCHES",
    "BATCH_SECONDS",
    "CANARY_SEEN_TIMESTAMP_SECONDS",
    "COLLECTOR_FAILURES",
    "COLLECTOR_SECONDS",
    "CONSUMER_EVENT_TIMESTAMP_SECONDS",
    "CONSUMER_LAG_RECORDS",
    "CONSUMER_REBUILDS",
    "DEAD_LETTERS",
    "DUTY",
    "EVENTS",
    "FIGURES",
    "INTAKE_REQUESTS",
    "LOOKS",
    "LOOKS_HELD",
    "LOOKS_IN_FLIGHT",
    "LOOKS_MISSED",
    "LOOKS_WAITING",
    "LOOK_LATENESS_SECONDS",
    "LOOK_PHASE_SECONDS",
    "NOTICES_PART",
    "OPEN_TRANSACTION_SECONDS",
    "OUTBOX_PUBLISHED",
    "OUTBOX_ROWS",
    "PHASES",
    "PROBER_WATERMARK_TIMESTAMP_SECONDS",
    "RECORDS_MOVED",
    "REFOLDS",
    "REGISTRY",
    "REQUEST_ENDS",
    "RETENTION_ROUND_TIMESTAMP_SECONDS",
    "SOURCE_QUESTIONS",
    "URLS_ERASED",
    "WATCHED_CASES",
    "MetricInfo",
    "catalogue",
    "info_of",
]

MISSED_REASONS = get_args(MissedReason)

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
