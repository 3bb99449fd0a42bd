"""Read a dump of URLhaus row by row, as published: CSV or JSON, plain, gzip or zip.

A row that can't be used is refused alone, with its line.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TextIO

from schemas.errors import UnusableEvent
from schemas.events import Event
from schemas.sealing import Keyring
from services.reports.urlhaus import csvdump, jsondump
from services.reports.urlhaus.dumpfile import DAMAGE, BadDump, opened
from services.reports.urlhaus.entry import BadRow, Cells, DumpRow, RefusedRow, checked
from services.reports.urlhaus.statements import statements

# A clock may be wrong by a zone; no row is of next week.
_MOST_AHEAD = timedelta(days=1)


def events(
    path: Path, keyring: Keyring, *, now: datetime | None = None, dumped: datetime | None = None
) -> Iterator[Event]:
    """Give the events of a dump in the order of the file; passes over rows that can't be used."""
    results = rows(path, keyring, now=now, dumped=dumped)
    return chain.from_iterable(row for row in results if not isinstance(row, RefusedRow))


def rows(
    path: Path, keyring: Keyring, *, now: datetime | None = None, dumped: datetime | None = None
) -> Iterator[list[Event] | RefusedRow]:
    """Give each row's events, or why it is refused; raises `BadDump` for a file that is no dump.

    With `now`, rows of more than a day later are refused; `dumped` is the dump's own date, where it is known already.
    """
    date = dumped or dated(path, now)
    for entry in _entries(path, now):
        if isinstance(entry, RefusedRow):
            yield entry
        else:
            yield _stated(entry, keyring, date or _latest(entry))


def cutoff(path: Path) -> datetime:
    """Give the dump's own date; raises `BadDump` where nothing dates it, and for a file that is no dump."""
    date = dated(path)
    if date is None:
        raise BadDump(f"{path.name} has no `Last updated` line and no usable row; nothing dates it")
    return date


def dated(path: Path, now: datetime | None = None) -> datetime | None:
    """Give the dump's own date: its `Last updated` line, else the latest instant that a row names.

    Raises `BadDump` for a file that is no dump.
    """
    updated = _last_updated(path)
    if updated is not None:
        return updated
    used = (entry for entry in _entries(path, now) if isinstance(entry, DumpRow))
    return max(map(_latest, used), default=None)


def _latest(entry: DumpRow) -> datetime:
    return entry.added if entry.last_online is None else max(entry.added, entry.last_online)


def _last_updated(path: Path) -> datetime | None:
    with opened(path) as text:
        try:
            return None if _is_json(text) else csvdump.last_updated(text)
        except DAMAGE:
            return None


def _is_json(text: TextIO) -> bool:
    """Tell the form by the first sign that is no space, and go back to the start."""
    first = text.read(1)
    while first.isspace():
        first = text.read(1)
    text.seek(0)
    return first in ("{", "[")


def _entries(path: Path, now: datetime | None) -> Iterator[DumpRow | RefusedRow]:
    with opened(path) as text:
        try:
            form = jsondump if _is_json(text) else csvdump
            for row in form.cells(text):
                yield _checked(row, now) if isinstance(row, Cells) else row
        except BadDump as error:
            raise BadDump(f"{path.name}: {error}") from None
        except DAMAGE:
            raise BadDump(f"{path.name} is damaged from its start; download it again") from None


def _checked(cells: Cells, now: datetime | None) -> DumpRow | RefusedRow:
    try:
        entry = checked(cells)
        if now is not None and _latest(entry) > now + _MOST_AHEAD:
            raise BadRow("time", "it is dated more than a day in the future")
    except BadRow as error:
        return RefusedRow(cells.line, error.reason, str(error))
    return entry


def _stated(entry: DumpRow, keyring: Keyring, dumped: datetime) -> list[Event] | RefusedRow:
    try:
        return statements(entry, keyring, dumped)
    except (BadRow, UnusableEvent) as error:
        return RefusedRow(entry.line, error.reason, str(error))
    except (ValueError, OverflowError):
        return RefusedRow(
            entry.line, "text", "a cell holds what no event can: no UTF-8, or a date too far"
        )
