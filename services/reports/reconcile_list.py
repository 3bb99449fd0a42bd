"""A provider's own list of notices: read a CSV with a header, row by row, and lose no line of it.

Columns, in any order and any case; others are passed over:
`notice_id`, `reference`, `case_id`: at least one of them, and in each row at least one filled;
`received_at`: when the provider got the notice; `removed_at`: when it removed the material.
A provider's own names of columns, its form of dates and its delimiter are named by a `ListLayout`.
What can't be read is reported with its line.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import tzinfo
from typing import TextIO

import msgspec
from msgspec import Struct

from schemas.errors import TakedownError
from schemas.ids import is_case_id
from services.core.time_spans import TimeSpan
from services.reports.reconcile_dates import BadDate, read_when, states_a_date

NAMES = ("notice_id", "reference", "case_id")
TIMES = ("received_at", "removed_at")
_DELIMITERS = ",;\t|"
_SEPARATOR = re.compile(r"sep=([,;\t|])\s*$", re.IGNORECASE)
# A tool that guards its cells against a spreadsheet writes them as formulas.
_GUARDED = re.compile(r'="(.*)"')
_AS_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# A row of a list of notices has a few short cells; a quote that never closes swallows the rest of the file.
_MOST_CELL = 2_000


class BadList(TakedownError):
    """A list that is none: no header, or no column that names a notice."""

    exit_code = 4


class ProviderClaim(Struct, frozen=True, kw_only=True):
    """What a provider's row says."""

    line: int
    notice_id: str | None = None
    reference: str | None = None
    case_id: str | None = None
    received_at: TimeSpan | None = None
    removed_at: TimeSpan | None = None


class Malformed(Struct, frozen=True):
    """A row that can't be read; `message` never repeats what stands there, it may be a URL.

    `claim` has the names of the row where these could be read: what it names is not missing there.
    """

    line: int
    message: str
    claim: ProviderClaim | None = None


class ListLayout(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a provider writes its list; it is kept for the next one.

    `columns` gives its name of each of our columns, `date_formats` are patterns of strptime or `excel`.
    """

    columns: dict[str, str] = {}
    date_formats: tuple[str, ...] = ()
    delimiter: str | None = None
    zone: str | None = None


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
    """Why a row can't be read; `claim` has the names of the row, where they could be read."""

    def __init__(self, message: str, claim: ProviderClaim | None = None) -> None:
        super().__init__(message)
        self.claim = claim


def read_list(
    file: TextIO, zone: tzinfo | None = None, layout: ListLayout | None = None
) -> ProviderList:
    """Read a list; `file` is text with undecodable bytes kept as surrogates, newlines untranslated.

    Raises `BadList` where there is no header that names a notice.
    """
    layout = layout or ListLayout()
    above, head, stated = _head(file)
    delimiter = layout.delimiter or stated or max(_DELIMITERS, key=head.count)
    columns = _columns(head, delimiter, layout)
    listed = ProviderList(
        columns=tuple(name for name in columns if name in (*NAMES, *TIMES)),
        claims=[],
        malformed=[],
    )
    for line, cells in _rows(file, delimiter, above + 1):
        try:
            listed.claims.append(_claim(line, _named(columns, cells), layout, zone))
        except _BadCell as error:
            listed.malformed.append(Malformed(line, str(error), error.claim))
    return listed


def _head(file: TextIO) -> tuple[int, str, str | None]:
    """Read the header behind empty lines and the `sep=` of a spreadsheet; give its line, itself, the delimiter."""
    line, delimiter = 0, None
    for text in iter(file.readline, ""):
        line += 1
        if "\0" in text or "\udcff" in text[:2]:
            raise BadList("the list is UTF-16; save it as CSV in UTF-8")
        stated = _SEPARATOR.match(text.removeprefix("\ufeff"))
        if stated:
            delimiter = stated[1]
        elif text.strip("\ufeff\r\n,;\t| "):
            return line, text, delimiter
    return line, "", delimiter


def _columns(head: str, delimiter: str, layout: ListLayout) -> list[str]:
    cells = next(
        csv.reader([head.removeprefix("\ufeff")], delimiter=delimiter, skipinitialspace=True), []
    )
    if any("\udc80" <= sign <= "\udcff" for sign in head):
        raise BadList("the header is not UTF-8; save the list as CSV in UTF-8")
    columns = [_plain(cell) for cell in cells]
    ours = {_plain(theirs): name for name, theirs in layout.columns.items()}
    if absent := [theirs for theirs in layout.columns.values() if _plain(theirs) not in columns]:
        raise BadList(f"the header has no column {absent[0]!r}; it has {_shown(columns)}")
    # A name of ours that the provider uses for something else gives way.
    columns = [ours.get(name, "" if name in ours.values() else name) for name in columns]
    if not set(columns) & set(NAMES):
        raise BadList(
            f"the first line must be a header with at least one of {', '.join(NAMES)}; "
            f"also read: {', '.join(TIMES)}. Here it has {_shown(columns)}: say which is which with "
            "--column notice_id=NAME"
        )
    doubled = [name for name in (*NAMES, *TIMES) if columns.count(name) > 1]
    if doubled:
        raise BadList(f"the header has {doubled[0]} twice; rename one of them")
    return columns


def _plain(cell: str) -> str:
    return cell.strip().lower().replace(" ", "_").replace("-", "_")


def _shown(columns: list[str]) -> str:
    """Repeat the names of columns that are names: the first line may be data."""
    names = [name for name in columns if name.replace("_", "").isalnum() and len(name) <= 40]
    return ", ".join(names[:20]) or "none that is a word"


def _rows(file: Iterable[str], delimiter: str, first: int) -> Iterator[tuple[int, list[str] | str]]:
    """Give (first line, cells) of each row, or a message instead of cells; the rows begin at line `first`."""
    reader = csv.reader(file, delimiter=delimiter, strict=True, skipinitialspace=True)
    while True:
        line = reader.line_num + first
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield line, f"broken quoting, up to line {reader.line_num + first - 1}"
            continue
        if any(cell.strip() for cell in cells):
            yield line, cells


def _named(columns: list[str], cells: list[str] | str) -> dict[str, str]:
    if isinstance(cells, str):
        raise _BadCell(cells)
    while len(cells) > len(columns) and not cells[-1].strip():
        cells = cells[:-1]
    if len(cells) != len(columns):
        raise _BadCell(f"{len(cells)} cells, but the header has {len(columns)}")
    return {name: _content(cell) for name, cell in zip(columns, cells, strict=True)}


def _content(cell: str) -> str:
    guarded = _GUARDED.fullmatch(cell.strip())
    return guarded[1].strip() if guarded else cell.strip()


def _claim(
    line: int, cells: dict[str, str], layout: ListLayout, zone: tzinfo | None
) -> ProviderClaim:
    values = {name: cells.get(name, "") for name in (*NAMES, *TIMES)}
    if any(len(cell) > _MOST_CELL for cell in values.values()):
        raise _BadCell("a cell is far too long; a quote before it may never close")
    if any("\udc80" <= sign <= "\udcff" for cell in values.values() for sign in cell):
        raise _BadCell("not UTF-8; save the list as UTF-8")
    if not any(values[name] for name in NAMES):
        raise _BadCell("names no notice: " + ", ".join(NAMES) + " are all empty")
    case_id = _without_dashes(values["case_id"].lower())
    if case_id and not is_case_id(case_id):
        raise _BadCell("case_id is not 32 hexadecimal digits")
    named = ProviderClaim(
        line=line,
        notice_id=values["notice_id"] or None,
        reference=values["reference"] or None,
        case_id=case_id or None,
    )
    try:
        times = {name: _when(name, values[name], layout, zone) for name in TIMES}
    except _BadCell as error:
        raise _BadCell(str(error), named) from None
    return msgspec.structs.replace(named, **times)


def _without_dashes(case_id: str) -> str:
    """Undo the form that a database's column for UUIDs gives to 32 hexadecimal digits."""
    return case_id.replace("-", "") if _AS_UUID.fullmatch(case_id) else case_id


def _when(name: str, text: str, layout: ListLayout, zone: tzinfo | None) -> TimeSpan | None:
    if not states_a_date(text):
        return None
    try:
        return read_when(text, layout.date_formats, zone)
    except BadDate as error:
        raise _BadCell(f"{name} {error}") from None
