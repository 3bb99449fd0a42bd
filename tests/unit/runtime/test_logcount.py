"""The counter of warnings and errors: every name in the code has its label, and no other text becomes one."""

import ast
import logging as stdlib
from collections.abc import Iterator

import pytest
import structlog

from services.exporter.logevents import ERRORS, LIBRARY, OTHER, WARNINGS
from services.exporter.metrics import REGISTRY
from services.runtime import logging
from services.runtime.logcount import counted
from services.runtime.settings import Log
from tests.servers import REPOSITORY

METHODS = {"warning": "warning", "error": "error", "exception": "error", "critical": "error"}


def logged() -> Iterator[tuple[str, str]]:
    """Find what the program says at the level of a warning or above."""
    for package in ("schemas", "services", "consumers"):
        for path in (REPOSITORY / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in METHODS
                    and ast.unparse(node.func.value) == "log"
                ):
                    for name in ast.walk(node.args[0]):
                        if isinstance(name, ast.Constant) and isinstance(name.value, str):
                            yield METHODS[node.func.attr], name.value


def test_the_names_are_those_of_the_code() -> None:
    """Each event that is logged as a warning or an error is named, at its level, and no other."""
    named = {("warning", name) for name in WARNINGS} | {("error", name) for name in ERRORS}
    assert set(logged()) == named, "services/exporter/logevents.py names them"


def value(level: str, event: str) -> float | None:
    labels = {"level": level, "event": event}
    return REGISTRY.get_sample_value("takedown_log_events_total", labels)


@pytest.fixture
def log() -> Iterator[structlog.stdlib.BoundLogger]:
    """Log as a role does, and put back what stood before."""
    root, before = stdlib.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    logging.configure(Log(level="info"), counted)
    yield structlog.get_logger("services.test")
    root.handlers[:], root.level = handlers, level
    structlog.configure(**before)


@pytest.mark.parametrize(
    ("method", "event", "labels"),
    [
        ("warning", "relay.waits", ("warning", "relay.waits")),
        ("error", "process.failed", ("error", "process.failed")),
        ("exception", "process.failed", ("error", "process.failed")),
        ("warning", "https://host.example/secret", ("warning", OTHER)),
        ("error", "relay.waits", ("error", OTHER)),
    ],
)
def test_a_line_is_counted_by_its_event(
    log: structlog.stdlib.BoundLogger, method: str, event: str, labels: tuple[str, str]
) -> None:
    """A line counts once under its name; a text that is no name of ours never becomes a label."""
    before = value(*labels)
    getattr(log, method)(event)
    assert before is not None
    assert value(*labels) == before + 1


def test_what_a_library_says_is_counted_as_such(log: structlog.stdlib.BoundLogger) -> None:
    """Its text is no label; what is below a warning, or below the level, counts nothing."""
    before = value("error", LIBRARY)
    stdlib.getLogger("aiokafka.client").error("Unable connect to %s", "host.example")
    stdlib.getLogger("aiohttp").info("nothing")
    log.info("relay.waits")
    assert before is not None
    assert value("error", LIBRARY) == before + 1
