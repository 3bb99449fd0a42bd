"""For whoever runs the machines: processes, disks, readings, retention, attribution, notices."""

from deploy.grafana.panels import (
    NOTICES,
    RATE,
    ROLES_DOWN,
    Board,
    P,
    Query,
    S,
    bars,
    lines,
    name,
    rates,
    stat,
)

_GLANCE = (
    ROLES_DOWN,
    name(
        "Version",
        "Of the processes; two versions are a half-finished upgrade.",
        f"count by (version) (takedown_build_info{{{S}}})",
        "{{version}}",
    ),
    stat(
        "Least disk space",
        "Free on the fullest of the disks that hold a data directory.",
        "bytes",
        f"min(takedown_disk_free_bytes{{{S}}})",
    ),
    stat(
        "Errors logged",
        "Within the chosen range, by all processes.",
        "none",
        f'sum(increase(takedown_log_events_total{{{S},level="error"}}[$__range]))',
        bad=1,
    ),
    stat(
        "Readings that failed",
        "Of the ledger by the exporter, within the chosen range; the previous figures stay.",
        "none",
        f"sum(increase(takedown_collector_failures_total{{{S}}}[$__range]))",
        bad=1,
    ),
    stat(
        "Last round of retention",
        "How long ago. What is due is destroyed in a round; 0 where no retention runs.",
        "s",
        f"(time() - (max(takedown_retention_round_timestamp_seconds{{{S}}}) > 0)) or vector(0)",
        bad=86400,
    ),
)
_PROCESSES = (
    lines(
        "Processes that answer",
        "1 while Prometheus reaches a process, 0 while not.",
        "none",
        Query(f"up{{{S}}}", "{{instance}}"),
    ),
    lines(
        "Processor",
        "Cores in use by each process.",
        "none",
        Query(f"rate(process_cpu_seconds_total{{{S}}}{RATE})", "{{instance}}"),
    ),
    lines(
        "Memory",
        "Resident, of each process.",
        "bytes",
        Query(f"process_resident_memory_bytes{{{S}}}", "{{instance}}"),
    ),
    lines(
        "Open files",
        "Share of what the process may open.",
        "percentunit",
        Query(f"process_open_fds{{{S}}} / process_max_fds{{{S}}}", "{{instance}}"),
    ),
    lines(
        "Disk space",
        "Free on the disk of each process's data directory.",
        "bytes",
        Query(f"takedown_disk_free_bytes{{{S}}}", "{{instance}}"),
    ),
    lines(
        "Warnings and errors",
        "Logged within an hour: the ten most frequent events.",
        "none",
        Query(
            f"topk(10, sum by (level, event) (increase(takedown_log_events_total{{{S}}}[1h])))",
            "{{level}} {{event}}",
        ),
    ),
)
_PARTS = (
    lines(
        "Reading the ledger",
        "Duration of the exporter's last reading, by part.",
        "s",
        Query(f"max by (part) (takedown_collector_seconds{{{S}}})", "{{part}}"),
    ),
    lines(
        "Retention",
        "URLs marked for destruction and records moved to archives, within a day.",
        "none",
        Query(f"sum(increase(takedown_urls_erased_total{{{S}}}[1d]))", "URLs"),
        Query(f"sum(increase(takedown_records_moved_total{{{S}}}[1d]))", "records"),
    ),
    NOTICES,
)
_ATTRIBUTION = (
    bars(
        "Attributions by source",
        "Statements about addresses within the chosen range, by the source that named a provider.",
        "none",
        (f"sum by (source) (increase(takedown_attributions_total{{{S}}}[$__range]))", "{{source}}"),
    ),
    lines(
        "Looks read for attribution",
        "Per second.",
        "cps",
        Query(rates("job", "takedown_attribution_looks_total"), "looks"),
    ),
    lines(
        "Addresses that wait for a source",
        "And looks whose addresses were left open because too many wait, within an hour.",
        "none",
        Query(f"sum(takedown_attribution_open_addresses{{{S}}})", "waiting"),
        Query(
            f"sum(increase(takedown_attribution_open_dropped_total{{{S}}}[1h]))", "left open"
        ),
    ),
    lines(
        "Questions to sources",
        "Per second, by what came of them; `budget` and `outage`: not asked.",
        "cps",
        Query(
            rates("source, answer", "takedown_source_questions_total"), "{{source}} {{answer}}"
        ),
    ),
    bars(
        "Waiting for a notice",
        "Reported, open, and no notice sent: more than the channel carries.",
        "none",
        (f"sum by (provider) (takedown_notice_backlog{{{P}}})", "{{provider}}"),
    ),
)  # fmt: skip

OPERATIONS = Board(
    uid="takedown-operations",
    title="Takedown: operations",
    about="Processes, disks, readings of the ledger, retention, attribution and the channel of notices.",
    rows=(
        ("At a glance", _GLANCE),
        ("Processes", _PROCESSES),
        ("Parts", _PARTS),
        ("Attribution and channels", _ATTRIBUTION),
    ),
    providers=True,
    since="now-6h",
)
