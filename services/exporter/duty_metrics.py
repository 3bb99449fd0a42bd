"""The part of the catalogue that the status shows beside the rest: what is due, who breaks the norm, what is blind."""

from services.exporter.declaring import declare

CLOCKS_RUNNING = declare(
    "gauge",
    "exporter",
    "takedown_clocks_running",
    "provider left",
    "Running clocks by the time left; overdue: the deadline passed and no look since has decided it.",
)
BREACHES_DAY = declare(
    "gauge",
    "exporter",
    "takedown_breaches_day",
    "provider",
    "Certain breaches whose sighting at or after the deadline is less than 24 hours old.",
)
LOOKS_STORED = declare(
    "gauge",
    "exporter",
    "takedown_looks_stored",
    "provider result",
    "Looks in the ledger: decided, undetermined, or missed.",
)
PROVIDER_WATCHED = declare(
    "gauge",
    "exporter",
    "takedown_provider_watched",
    "provider",
    "1 where the provider stands on the watch list.",
)

DUTY = (CLOCKS_RUNNING, BREACHES_DAY, LOOKS_STORED, PROVIDER_WATCHED)
