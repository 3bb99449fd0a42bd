"""The part of the catalogue that ledger consumer, relay, intake and retention fill; `metrics` has it with others."""

from services.exporter.declaring import counter, gauge, histogram

CONSUMERS = ("ledger", "prober", "attribution")
# What can come of a request to the intake: `services.intake.door.problems` has the refusals, a test compares.
REQUEST_ENDS = (
    "accepted", "not_found", "method", "unauthorised", "rate", "media_type", "encoding", "too_large", "too_slow",
    "bad_request", "bad_json", "bad_field", "content", "unusable", "key_reused", "busy", "not_recorded", "failed",
)  # fmt: skip

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
