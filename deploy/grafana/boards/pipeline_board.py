"""For whoever runs Kafka and the ledger: what comes in, what waits, what is refused, what goes out."""

from deploy.grafana.panels import (
    FIGURES_AGE,
    LAG_SECONDS,
    Board,
    Query,
    S,
    lines,
    rates,
    stat,
)

_GLANCE = (
    stat(
        "Lag",
        "Records on the broker that the ledger has not taken.",
        "none",
        f"sum(takedown_consumer_lag_records{{{S}}})",
    ),
    stat(
        "Lag in event time",
        "Age of the newest record taken while others wait; 0 where nothing waits.",
        "s",
        f"max({LAG_SECONDS})",
        bad=900,
    ),
    stat(
        "Outbox",
        "Conclusions that the broker does not have yet.",
        "none",
        f"sum(takedown_outbox_rows{{{S}}})",
    ),
    stat(
        "Dead letters",
        "Records refused within the chosen range; they count nowhere until they are mended.",
        "none",
        f"sum(increase(takedown_dead_letters_total{{{S}}}[$__range]))",
        bad=1,
    ),
    stat(
        "Open transaction",
        "How long a producer's open transaction has held back the records after it; 0: none does.",
        "s",
        f"max(takedown_open_transaction_seconds{{{S}}})",
        bad=300,
    ),
    FIGURES_AGE,
)
_IN = (
    lines(
        "Records taken",
        "Per second, into the ledger.",
        "cps",
        Query(rates("topic", "takedown_events_total"), "{{topic}}"),
    ),
    lines(
        "Lag by topic",
        "Records on the broker that the ledger has not taken.",
        "none",
        Query(f"sum by (topic) (takedown_consumer_lag_records{{{S}}})", "{{topic}}"),
    ),
    lines(
        "Lag in event time by topic",
        "Age of the newest record taken while others wait; 0 where nothing waits.",
        "s",
        Query(LAG_SECONDS, "{{topic}}"),
    ),
    lines(
        "Dead letters by reason",
        "Within an hour, by reason and topic.",
        "none",
        Query(
            f"sum by (topic, reason) (increase(takedown_dead_letters_total{{{S}}}[1h]))",
            "{{reason}} on {{topic}}",
        ),
    ),
    lines(
        "Open transactions",
        "How long each topic is held back.",
        "s",
        Query(f"max by (topic) (takedown_open_transaction_seconds{{{S}}})", "{{topic}}"),
    ),
    lines(
        "Clients built anew",
        "Within an hour: Kafka clients that stopped reading while records were waiting.",
        "none",
        Query(
            f"sum by (consumer) (increase(takedown_consumer_rebuilds_total{{{S}}}[1h]))",
            "{{consumer}}",
        ),
    ),
)
_LEDGER = (
    lines(
        "Batches",
        "Time from receipt to commit, median and 99th percentile.",
        "s",
        *(
            Query(
                f"histogram_quantile({share}, {rates('le', 'takedown_batch_seconds_bucket')})",
                label,
            )
            for share, label in ((0.5, "median"), (0.99, "99 %"))
        ),
    ),
    lines(
        "Batches and refolds",
        "Batches committed, and cases folded again from their whole log, per second.",
        "cps",
        Query(rates("job", "takedown_batches_total"), "batches"),
        Query(rates("job", "takedown_refolds_total"), "refolds"),
    ),
    lines(
        "Ages",
        "How long ago: the newest event of each topic, the last commit, the reading behind these figures.",
        "s",
        Query(
            f"time() - max by (topic) (takedown_ledger_event_timestamp_seconds{{{S}}})",
            "newest event of {{topic}}",
        ),
        Query(f"time() - max(takedown_ledger_commit_timestamp_seconds{{{S}}})", "last commit"),
        Query(
            f"time() - max by (part) (takedown_snapshot_timestamp_seconds{{{S}}})",
            "reading of {{part}}",
        ),
    ),
)
_OUT = (
    lines(
        "Published",
        "Records of the outbox that the broker acknowledged, per second.",
        "cps",
        Query(rates("topic", "takedown_outbox_published_total"), "{{topic}}"),
    ),
    lines(
        "Outbox rows",
        "Conclusions that the broker does not have yet.",
        "none",
        Query(f"sum(takedown_outbox_rows{{{S}}})", "waiting"),
    ),
    lines(
        "Requests to the intake",
        "Per second, by what came of them; nothing where no intake runs.",
        "cps",
        Query(rates("reason", "takedown_intake_requests_total"), "{{reason}}"),
    ),
)

PIPELINE = Board(
    uid="takedown-pipeline",
    title="Takedown: pipeline",
    about="From the broker into the ledger and out again: what comes in, what waits, what is refused.",
    rows=(("At a glance", _GLANCE), ("In", _IN), ("The ledger", _LEDGER), ("Out and in by HTTP", _OUT)),
    since="now-6h",
)  # fmt: skip
