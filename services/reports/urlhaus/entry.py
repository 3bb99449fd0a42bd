"""One row of a dump, whatever the file's form: its columns by name, checked cell by cell."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct

from schemas.errors import TakedownError

NEEDED = ("url", "dateadded")
# The lookup interface writes two of the dump's columns otherwise.
_OTHER_NAMES = {"date_added": "dateadded", "urlhaus_reference": "urlhaus_link"}
_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(?:\.\d+)?\s*(?:\(?UTC\)?|Z|\+00:00)?", re.I
)
_EMPTY = ("", "none", "null")
_STATUSES = ("online", "offline", "unknown")
_ROW_OF_LINK = re.compile(r"/(\d+)/?$")


class RefusedRow(Struct, frozen=True):
    """A row that can't be used; the message never repeats what stood there, it may be a URL."""

    line: int
    reason: str
    message: str


class BadRow(TakedownError):
    """Why a row can't be used: one word, and a message."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Cells(Struct, frozen=True):
    """A row as the file has it: values by column name."""

    line: int
    values: Mapping[str, object]


class DumpRow(Struct, frozen=True, kw_only=True):
    """A checked row.

    `checked`: the dump has a column for the last sighting, so that an empty one says "never seen online".
    """

    line: int
    url: str
    added: datetime
    status: str
    checked: bool
    last_online: datetime | None
    reference: str | None
    reporter: str


def column(name: str) -> str:
    """Give a column's name in the one form in which it is looked up."""
    plain = name.lower().replace("(utc)", "").strip().replace(" ", "_").replace("-", "_")
    return _OTHER_NAMES.get(plain, plain)


def checked(cells: Cells) -> DumpRow:
    """Check a row's cells; raises `BadRow`."""
    values = cells.values
    added = _instant(values, "dateadded")
    if added is None:
        raise BadRow("time", "dateadded is empty")
    return DumpRow(
        line=cells.line,
        url=_url(values),
        added=added,
        status=_status(values),
        checked="last_online" in values,
        last_online=_instant(values, "last_online"),
        reference=_reference(values),
        reporter=_text(values, "reporter") or "anonymous",
    )


def instant(text: str) -> datetime | None:
    """Read an instant in UTC as dumps write it; None for anything else."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    try:
        return datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    except ValueError:
        return None


def _text(values: Mapping[str, object], name: str) -> str | None:
    """Give a cell's text; None where the dump says nothing there."""
    value = values.get(name)
    text = str(value).strip() if isinstance(value, str | int) else ""
    return None if text.lower() in _EMPTY else text


def _url(values: Mapping[str, object]) -> str:
    url = _text(values, "url")
    if url is None:
        raise BadRow("url", "url is empty")
    return url


def _instant(values: Mapping[str, object], name: str) -> datetime | None:
    text = _text(values, name)
    if text is None:
        return None
    at = instant(text)
    if at is None:
        raise BadRow("time", f"{name} is no instant such as 2026-03-09 09:28:18")
    return at


def _status(values: Mapping[str, object]) -> str:
    status = (_text(values, "url_status") or "unknown").lower()
    if status not in _STATUSES:
        raise BadRow("status", "url_status is neither `online` nor `offline`")
    return status


def _reference(values: Mapping[str, object]) -> str | None:
    """Name the row as URLhaus does: by its id, or where the dump leaves that out, by the end of its link."""
    number = _text(values, "id")
    if number is not None:
        return number
    match = _ROW_OF_LINK.search(_text(values, "urlhaus_link") or "")
    return None if match is None else match[1]
