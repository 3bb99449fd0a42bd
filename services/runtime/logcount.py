"""Every warning and error in the log has a counter."""

from structlog.typing import EventDict, WrappedLogger

from services.exporter.logevents import label_of
from services.exporter.metrics import LOG_EVENTS


def counted(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Count a line from the level of a warning on; change nothing."""
    level = str(event.get("level", ""))
    if level in ("warning", "error", "critical"):
        library = event.get("_from_structlog") is False
        LOG_EVENTS.labels(*label_of(level, event.get("event"), from_library=library)).inc()
    return event
