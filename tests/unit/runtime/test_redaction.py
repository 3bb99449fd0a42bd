"""The last line of defence of the logs."""

import io
import json
import logging as stdlib
import sys

import pytest
import structlog

from services.runtime import logging
from services.runtime.redaction import redact
from services.runtime.settings import Log

NAMES = [
    "https://evil.example/x?y=1",
    "hxxps://evil[.]example/x",
    "evil.example",
    "www.evil.co.uk",
    "abcdefghij.onion",
    "8.8.8.8",
    "2001:4860::8888",
]
HARMLESS = [
    "takedown.reports.v1",
    "takedown.reports.v1.dlq",
    "127.0.0.1:9092",
    "::1",
    "12:30:45",
    "2025-11-24T10:00:00.123456Z",
    "File /usr/lib/python3.11/asyncio/events.py, line 80",
    "aiokafka.errors.KafkaConnectionError: x",
    "3f2a" * 8,
]


@pytest.mark.parametrize("name", NAMES)
def test_places_are_taken_out(name):
    """A URL, a host name and a public address never stay in a text."""
    said = redact(f"could not reach {name}: refused")
    assert "evil" not in said
    assert name not in said
    assert said.startswith("could not reach [")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_place_stays(text):
    """Topics, loopback addresses, instants, file names and case ids stay readable."""
    assert redact(text) == text


@pytest.fixture
def lines(monkeypatch):
    """Configure logging onto a buffer; give what reads its lines; put everything back."""
    buffer = io.StringIO()
    root, before = stdlib.getLogger(), stdlib.getLogger().handlers[:]
    level = root.level
    levels = {name: stdlib.getLogger(name).level for name in ("aiokafka", "asyncio")}
    monkeypatch.setattr(sys, "stderr", buffer)
    logging.configure(Log(), role="ledger")
    yield lambda: [json.loads(line) for line in buffer.getvalue().splitlines()]
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()
    root.handlers[:] = before
    root.setLevel(level)
    for name, old in levels.items():
        stdlib.getLogger(name).setLevel(old)


def test_values_of_events_are_redacted(lines):
    """A value that names a host is redacted at any depth; the event's own name and ids stay."""
    log = structlog.get_logger("services.test")
    log.warning(
        "area.thing_happened", case_id="ab" * 16, where={"u": ["http://evil.example/"]}, n=3
    )
    (line,) = lines()
    assert line["event"] == "area.thing_happened"
    assert line["case_id"] == "ab" * 16
    assert line["where"] == {"u": ["[url]"]}
    assert (line["n"], line["level"], line["role"]) == (3, "warning", "ledger")


def test_exceptions_are_redacted(lines):
    """The text of an exception that a library raised may hold a host; the log does not."""
    try:
        raise OSError("cannot connect to evil.example:443")
    except OSError:
        structlog.get_logger("services.test").exception("probe.broke")
    (line,) = lines()
    assert "evil" not in json.dumps(line)
    assert "OSError: cannot connect to [host]:443" in line["exception"]


def test_foreign_messages_are_redacted(lines):
    """A library that logs by itself passes the same gate."""
    stdlib.getLogger("somebody").error("GET %s failed", "http://evil.example/x")
    (line,) = lines()
    assert line["event"] == "GET [url] failed"


def test_a_host_in_the_place_of_the_event_is_redacted(lines):
    """Only texts of the form `area.thing_happened` pass as names of events."""
    structlog.get_logger("services.test").info("fetched evil-host.example today")
    assert lines()[0]["event"] == "fetched [host] today"
