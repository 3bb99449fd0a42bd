"""The part of the catalogue that probers fill; `services.exporter.metrics` has it with all others."""

from services.exporter.declaring import counter, gauge, histogram

PHASES = ("resolve", "connect", "tls", "first_byte")

LOOKS = counter(
    "prober",
    "takedown_looks_total",
    "vantage verdict reason",
    "Looks completed, by verdict and reason code.",
)
LOOKS_MISSED = counter(
    "prober",
    "takedown_looks_missed_total",
    "vantage reason",
    "Looks that could not be carried out, by reason.",
)
LOOK_PHASE_SECONDS = histogram(
    "prober",
    "takedown_look_phase_seconds",
    "phase",
    "Time spent in one phase of a look.",
    (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
LOOK_LATENESS_SECONDS = histogram(
    "prober",
    "takedown_look_lateness_seconds",
    "vantage",
    "Delay between the scheduled and the actual start of a look; a late look widens the removal interval.",
    (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60, 300, 900, 3600),
)
WATCHED_CASES = gauge(
    "prober", "takedown_watched_cases", "vantage", "Cases that this process watches."
)
CANARY_SEEN_TIMESTAMP_SECONDS = gauge(
    "prober",
    "takedown_canary_seen_timestamp_seconds",
    "vantage",
    "Time of the last successful canary look of the vantage; 0: none yet. While it is too old, "
    "no look counts as evidence of a removal.",
)
PROBER_WATERMARK_TIMESTAMP_SECONDS = gauge(
    "prober",
    "takedown_prober_watermark_timestamp_seconds",
    "vantage",
    "Every look scheduled before this time has been completed or recorded as missed.",
)
LOOKS_IN_FLIGHT = gauge("prober", "takedown_looks_in_flight", "vantage", "Looks in progress.")
LOOKS_HELD = gauge(
    "prober",
    "takedown_looks_held",
    "vantage",
    "Due looks held back by the rate limit of an address or a network.",
)
LOOKS_WAITING = gauge(
    "prober",
    "takedown_looks_waiting",
    "vantage",
    "Backlog: cases whose look is due and has not started; those near their deadline go first.",
)
