"""A provider's own list of notices: read a CSV with a header, row by row, and lose no line of it.

Columns, in any order and any case; others are passed over:
`notice_id`, `reference`, `case_id`: at least one of them, and in each row at least one filled;
`received_at`: when the provider got the notice; `removed_at`: when it removed the material.
An instant is RFC 3339 with its zone; without one, the zone given for the whole list is taken.
A date alone is an interval of 24 hours (domain: P16). What can't be read is reported with its line.
"""

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import TextIO

from msgspec import Struct

from schemas.errors import TakedownError
from schemas.ids import is_case_id

NAMES = ("notice_id", "reference", "case_id")
TIMES = ("received_at", "removed_at")
_DELIMITERS = ",;\t"
# A row of a list of notices has a few short cells; a quote that never closes swallows the rest of the file.
_MOST_CELL = 2_000


class BadList(TakedownError):
    """A list that is none: no header, or no column that names a notice."""

    exit_code = 4


class When(Struct, frozen=True):
    """An instant, or an interval where the source is no more exact: [earliest, latest]."""

    earliest: datetime
    latest: datetime


class ProviderClaim(Struct, frozen=True, kw_only=True):
    """What a provider's row says."""

    line: int
    notice_id: str | None = None
    reference: str | None = None
    case_id: str | None = None
    received_at: When | None = None
    removed_at: When | None = None


class Malformed(Struct, frozen=True):
    """A row that can't be read; `message` never repeats what stands there, it may be a URL."""

    line: int
    message: str


class ProviderList(Struct, kw_only=True):
    """All rows of a list, in order; `columns` are those that were understood."""

    columns: tuple[str, ...]
    claims: list[ProviderClaim]
    malformed: list[Malformed]

    @property
    def rows(self) -> int:
        """How many rows the list has."""
        return len(self.claims) + len(self.malformed)


class _BadCell(TakedownError):
    """Why a row can't be read."""


def read_list(file: TextIO, zone: tzinfo | None = None) -> ProviderList:
    """Read a list; `file` is text with undecodable bytes kept as surrogates, newlines untranslated.

    Raises `BadList` where there is no header that names a notice.
    """
    head = file.readline()
    delimiter = max(_DELIMITERS, key=head.count)
    columns = _columns(head, delimiter)
    listed = ProviderList(
        columns=tuple(name for name in columns if name in (*NAMES, *TIMES)),
        claims=[],
        malformed=[],
    )
    for line, cells in _rows(file, delimiter):
        try:
            listed.claims.append(_claim(line, _named(columns, cells), zone))
        except _BadCell as error:
            listed.malformed.append(Malformed(line, str(error)))
    return listed


def _columns(head: str, delimiter: str) -> list[str]:
    cells = next(csv.reader([head], delimiter=delimiter), [])
    columns = [cell.strip().lower().removeprefix("\ufeff").replace(" ", "_") for cell in cells]
    if not set(columns) & set(NAMES):
        raise BadList(
            f"the first line must be a header with at least one of {', '.join(NAMES)}; "
            f"also read: {', '.join(TIMES)}"
        )
    doubled = [name for name in (*NAMES, *TIMES) if columns.count(name) > 1]
    if doubled:
        raise BadList(f"the header has {doubled[0]} twice; rename one of them")
    return columns


def _rows(file: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Give (first line, cells) of each row, or a message instead of cells; line 1 is the header."""
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 2
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield line, f"broken quoting, up to line {reader.line_num + 1}"
            continue
        if any(cell.strip() for cell in cells):
            yield line, cells


def _named(columns: list[str], cells: list[str] | str) -> dict[str, str]:
    if isinstance(cells, str):
        raise _BadCell(cells)
    if len(cells) != len(columns):
        raise _BadCell(f"{len(cells)} cells, but the header has {len(columns)}")
    return {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}


def _claim(line: int, cells: dict[str, str], zone: tzinfo | None) -> ProviderClaim:
    values = {name: cells.get(name, "") for name in (*NAMES, *TIMES)}
    if any(len(cell) > _MOST_CELL for cell in values.values()):
        raise _BadCell("a cell is far too long; a quote before it may never close")
    if any("\udc80" <= sign <= "\udcff" for cell in values.values() for sign in cell):
        raise _BadCell("not UTF-8; save the list as UTF-8")
    if not any(values[name] for name in NAMES):
        raise _BadCell("names no notice: " + ", ".join(NAMES) + " are all empty")
    case_id = values["case_id"].lower()
    if case_id and not is_case_id(case_id):
        raise _BadCell("case_id is not 32 hexadecimal digits")
    return ProviderClaim(
        line=line,
        notice_id=values["notice_id"] or None,
        reference=values["reference"] or None,
        case_id=case_id or None,
        received_at=_when("received_at", values["received_at"], zone),
        removed_at=_when("removed_at", values["removed_at"], zone),
    )


def _when(name: str, text: str, zone: tzinfo | None) -> When | None:
    if not text:
        return None
    try:
        if len(text) == len("2025-01-31"):
            return _day(name, date.fromisoformat(text), zone)
        moment = datetime.fromisoformat(text)
        at = (moment if moment.tzinfo else moment.replace(tzinfo=_zone(name, zone))).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _BadCell(f"{name} is no instant such as 2025-01-31T12:00:00Z, and no date") from None
    return When(at, at)


def _day(name: str, day: date, zone: tzinfo | None) -> When:
    """A day has 24 hours, but for the two on which the clocks change."""
    start = datetime.combine(day, time(), _zone(name, zone))
    end = datetime.combine(day + timedelta(days=1), time(), start.tzinfo)
    return When(start.astimezone(UTC), end.astimezone(UTC))


def _zone(name: str, zone: tzinfo | None) -> tzinfo:
    if zone is None:
        raise _BadCell(f"{name} has no zone; give the zone of the list, or write Z for UTC")
    return zone
