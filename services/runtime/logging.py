"""Structured logs on standard error: JSON for machines, coloured lines for people."""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from services.runtime.logthrottle import Throttle
from services.runtime.redaction import redact
from services.runtime.settings import Log

_OUR_EVENT = re.compile(r"[a-z_]+\.[a-z_]+")
_SAFE = frozenset({"level", "timestamp", "logger", "role"})
# They say in their own words, at length, what our events say already.
_QUIET = dict.fromkeys(("aiokafka", "aiohttp.access", "asyncio"), logging.WARNING)


def configure(settings: Log, *more: Processor, **bound: str) -> None:
    """Send structlog and the standard library's logging to standard error; bind e.g. the role.

    `more` see every line that is written, with its level.
    """
    structlog.contextvars.bind_contextvars(**bound)
    shared = [*_shared(), *more]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Throttle())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                redacted,
                *_renderer(settings.format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(max(level, root.level))


def silence(name: str) -> None:
    """Silence the log of a library whose caller reports everything itself."""
    logging.getLogger(name).setLevel(logging.CRITICAL)


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        # Before redaction: the text of a foreign exception may hold a host.
        structlog.processors.format_exc_info,
    ]


def _renderer(format_: str) -> list[Processor]:
    if format_ == "console":
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    return [structlog.processors.JSONRenderer(sort_keys=False)]


def redacted(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Redact every value of an event but those that the program itself chooses."""
    for key, value in event.items():
        ours = key == "event" and isinstance(value, str) and _OUR_EVENT.fullmatch(value)
        if key not in _SAFE and not (ours and "_from_structlog" not in event):
            event[key] = _redacted(value)
    return event


def _redacted(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {redact(str(key)): _redacted(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_redacted(item) for item in value]
    return redact(str(value))
