"""Which warnings and errors this program has a name for: the bounded labels of `takedown_log_events_total`."""

OTHER, LIBRARY = "other", "library"
"""An event that is not named here, and whatever a library says."""

WARNINGS = (
    "attribution.waits",
    "attribution.map_faults",
    "attribution.database_unusable",
    "attribution.map_unusable",
    "canary.came_back",
    "canary.went_down",
    "child.ended",
    "consumer.dropped_batch",
    "consumer.paused",
    "consumer.rebuilt",
    "consumer.stop_failed",
    "consumer.waits",
    "deadletter.sent",
    "exporter.reading_failed",
    "intake.certificate_unusable",
    "intake.not_recorded",
    "intake.tokens_unreadable",
    "look.address_refused",
    "look.answer_unreadable",
    "prober.looks_unrecorded",
    "prober.take_over_retried",
    "prober.waits",
    "process.task_stack",
    "recorder.producer_abandoned",
    "recorder.record_retried",
    "relay.waits",
    "retention.waits",
    "role.waits",
    "server.ended",
    "server.start_failed",
)
ERRORS = (
    "consumer.abandoned",
    "consumer.fetcher_ended",
    "consumer.gap_accepted",
    "consumer.stuck",
    "intake.failed",
    "ledger.unusable",
    "prober.entry_unusable",
    "prober.look_failed",
    "prober.methodology_unknown",
    "prober.progress_unreadable",
    "prober.seal_unreadable",
    "process.drain_timed_out",
    "process.failed",
    "retention.failed",
    "up.failed",
)
EVENT_LABELS = {"warning": frozenset(WARNINGS), "error": frozenset(ERRORS)}


def label_of(level: str, event: object, *, from_library: bool) -> tuple[str, str]:
    """Give the labels of one line of the log, whatever it says: level and event, both bounded."""
    severity = "warning" if level == "warning" else "error"
    if from_library:
        return severity, LIBRARY
    return severity, str(event) if event in EVENT_LABELS[severity] else OTHER
