"""Serve the status: a page for people, JSON for programs, and the document that describes it.

Made of the exporter's readings once for each, however many look.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from importlib import metadata
from threading import Lock
from typing import Any

import msgspec

from schemas.methodology import Methodology
from services.exporter.health import Health, RolePage
from services.exporter.ledger_reading import LedgerReading, NoticeReading
from services.exporter.not_by_notice import NotByNotice
from services.exporter.status import StatusView, monitor_of, status_of
from services.exporter.status_page import page
from services.exporter.status_public import published
from services.notices.channel_capacity import Capacity

PATHS = ("/", "/status", "/status.json", "/openapi.json")
_WAITING = b"<!DOCTYPE html><html lang=en><title>status</title><p>The ledger was not read yet.</p>"


class StatusBoard:
    """Keeps the last readings and renders them.

    Args:
        clock: Tells the age of the readings, UTC.
        public: Small counts are suppressed.
        time_zone: Whose times people read; the methodology's unless given.
        capacities: What channels of providers can carry.
    """

    def __init__(
        self,
        methodology: Methodology,
        clock: Callable[[], datetime],
        *,
        public: bool = False,
        time_zone: str | None = None,
        capacities: Sequence[Capacity] = (),
    ) -> None:
        self._capacities = capacities
        self._methodology = methodology
        self._clock = clock
        self._public = public
        self._time_zone = time_zone or methodology.time_zone
        self._reading: LedgerReading | None = None
        self._notices: NoticeReading | None = None
        self._rendered: tuple[StatusView, dict[str, RolePage]] | None = None
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"<StatusBoard public={self._public} reading={self._reading is not None}>"

    def put(self, reading: LedgerReading) -> None:
        """Take a reading of the ledger, and render it: with 500 providers that is no work for an event loop."""
        with self._lock:
            self._reading = reading
            self._render()

    def put_notices(self, notices: NoticeReading) -> None:
        """Take a reading of the notices, and render."""
        with self._lock:
            self._notices = notices
            if self._reading is not None:
                self._render()

    @property
    def refusing(self) -> list[NotByNotice]:
        """Who can't be measured by notice, by the last readings of both parts, exact."""
        return [] if self._rendered is None else self._rendered[0].not_by_notice

    def serve(self, health: Health) -> None:
        """Add the pages to the window of this process."""
        for path in PATHS:
            health.add_page(path, lambda path=path: self._page(path))  # type: ignore[misc]

    def withdraw(self, health: Health) -> None:
        """Take the pages away."""
        for path in PATHS:
            health.remove_page(path)

    def _render(self) -> None:
        assert self._reading is not None
        status = status_of(
            self._reading, self._notices, self._methodology, self._clock(), self._capacities
        )
        status = msgspec.structs.replace(status, time_zone=self._time_zone)
        shown = published(status) if self._public else status
        pages = {
            "/status": RolePage(page(shown).encode(), "text/html"),
            "/status.json": _json(msgspec.to_builtins(shown)),
        }
        self._rendered = (status, pages)

    def _page(self, path: str) -> RolePage:
        if path == "/openapi.json":
            return _json(openapi())
        if self._rendered is None or self._reading is None:
            return RolePage(_WAITING, "text/html", 503)
        status, pages = self._rendered
        now = self._clock()
        # Time alone brings doubts: figures grow old, and nobody looks.
        if monitor_of(self._reading, status.total, now).doubts != status.monitor.doubts:
            with self._lock:
                self._render()
            pages = self._rendered[1]
        return pages["/status.json" if path == "/status.json" else "/status"]


def _json(value: Any) -> RolePage:
    return RolePage(msgspec.json.encode(value), "application/json")


def openapi() -> dict[str, Any]:
    """Describe the JSON form: OpenAPI 3.1, whose schemas are those of the structs."""
    (reference,), components = msgspec.json.schema_components(
        [StatusView], ref_template="#/components/schemas/{name}"
    )
    answer = {
        "description": "The last reading of the ledger; instants are RFC 3339 in UTC.",
        "content": {"application/json": {"schema": reference}},
    }
    waiting = {"description": "The ledger was not read yet."}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "takedown-monitor status",
            "version": _version(),
            "description": "Read-only. It names no URL, no host, no address and no case.",
        },
        "paths": {
            "/status.json": {
                "get": {
                    "operationId": "status",
                    "summary": "One look: the norm, who breaks it, what is due, and whether to trust it.",
                    "responses": {"200": answer, "503": waiting},
                }
            }
        },
        "components": {"schemas": components},
    }


def _version() -> str:
    try:
        return metadata.version("takedown-monitor")
    except metadata.PackageNotFoundError:
        return "unknown"
