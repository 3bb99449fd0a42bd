"""The three CSV dialects of SCART, told by their header and by how they write a time.

| dialect | separator | quotes | line | header |
| --- | --- | --- | --- | --- |
| a | `;` | around every field; backslash before a quote or a backslash | ends in `;` | labels |
| b | `;` | none at all: a quote is a character like others | | names of columns |
| c | `;` | where needed, as around every time; backslash or a second quote before a quote | | names of columns |

b and c have one header; c has quotes around what holds a space, b never. A row of b with a separator inside a field
has too many cells and is refused: which of them belong together would be a guess.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct

from schemas.errors import TakedownError

Dialect = Literal["a", "b", "c"]
SEPARATOR = ";"
_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
_QUOTED_TIME = re.compile(rf'(?:^|;)"{_TIME}"(?=;|$)', re.M)
_PLAIN_TIME = re.compile(rf"(?:^|;){_TIME}(?=;|$)", re.M)
_ABOVE_HEADER = re.compile(r"(?:[^\S\n]*\n)*(?:\"?sep=.\"?[^\S\n]*\n)?(?:[^\S\n]*\n)*", re.I)
# Ends a field before this many characters; a quote that never closes would swallow the rest of the file.
_LONGEST_FIELD = 20_000


class BadExport(TakedownError):
    """A file that is no export of SCART."""

    exit_code = 4


class ExportCells(Struct, frozen=True):
    """One row: the line at which it begins, and its fields; None where its quotes never close."""

    line: int
    fields: tuple[str, ...] | None


class ExportTable(Struct, kw_only=True):
    """A whole file: its dialect, its header, its rows in order."""

    dialect: Dialect
    header: tuple[str, ...]
    rows: list[ExportCells]


def read_table(text: str) -> ExportTable:
    """Tell the dialect of a file and take it apart; raises `BadExport`."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    before = _before_header(text)
    head = text[before:].partition("\n")[0]
    _check_head(head)
    dialect = _dialect(head, text[before:])
    read = _plain if dialect == "b" else _quoted
    above = text.count("\n", 0, before)
    numbered = (ExportCells(row.line + above, row.fields) for row in read(text[before:]))
    # A spreadsheet writes the separators of rows in which nothing stands.
    rows = (row for row in numbered if row.fields is None or any(map(str.strip, row.fields)))
    header = next(rows, ExportCells(1, ())).fields
    if header == ():
        raise BadExport("no header: its lines hold separators alone")
    if header is None:
        raise BadExport("the quotes of the header never close")
    ended = dialect == "a" and header[-1] == ""
    listed = [_without_end(row) if ended else row for row in rows]
    return ExportTable(dialect=dialect, header=header[:-1] if ended else header, rows=listed)


def _before_header(text: str) -> int:
    """Tell where the header begins: behind empty lines, and the line that tells a spreadsheet the separator."""
    match = _ABOVE_HEADER.match(text)
    return 0 if match is None else match.end()


def _check_head(head: str) -> None:
    if "\0" in head:
        raise BadExport("UTF-16, as spreadsheets save Unicode text; save it as `CSV UTF-8`")
    if SEPARATOR not in head:
        raise BadExport(
            "the first line is no header with `;` between the names of the columns; "
            "a file that a spreadsheet saved with commas or tabs is saved again with semicolons"
        )


def _dialect(head: str, text: str) -> Dialect:
    if head.startswith('"') and head.rstrip().endswith(f'"{SEPARATOR}'):
        return "a"
    quoted, plain = len(_QUOTED_TIME.findall(text)), len(_PLAIN_TIME.findall(text))
    if quoted == plain:
        return "c" if head.startswith('"') else "b"
    return "c" if quoted > plain else "b"


def _without_end(row: ExportCells) -> ExportCells:
    """Leave out what stands behind the separator at the end of a line; a row without it keeps its count."""
    fields = row.fields
    if fields is None or not fields or fields[-1] != "":
        return row
    return ExportCells(row.line, fields[:-1])


def _plain(text: str) -> Iterator[ExportCells]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield ExportCells(number, tuple(line.split(SEPARATOR)))


def _quoted(text: str) -> Iterator[ExportCells]:
    at, line = 0, 1
    while at < len(text):
        if text[at] == "\n":
            at, line = at + 1, line + 1
            continue
        fields, end = _record(text, at)
        yield ExportCells(line, fields)
        line += text.count("\n", at, end)
        at = end


_BARE = re.compile(r"[^;\n]*")
# A quoted field: what is no quote and no backslash, an escape of either, a quote that is doubled, a lone backslash.
_FIELD = re.compile(r'"((?:[^"\\]|\\["\\]|""|\\(?!["\\]))*)"(?=;|\n|\Z)', re.S)
_ESCAPE = re.compile(r'\\(["\\])|"(")')


def _record(text: str, at: int) -> tuple[tuple[str, ...] | None, int]:
    """Give the fields of the record at a place, and the place behind it; a broken one ends with its line."""
    fields = []
    while True:
        field, at = _field(text, at)
        if field is None:
            return None, _line_end(text, at)
        fields.append(field)
        if at >= len(text) or text[at] == "\n":
            return tuple(fields), at + 1
        at += 1


def _field(text: str, at: int) -> tuple[str | None, int]:
    if text[at : at + 1] != '"':
        match = _BARE.match(text, at)
        assert match is not None
        return match[0], match.end()
    match = _FIELD.match(text, at, at + _LONGEST_FIELD)
    if match is None:
        return None, at
    return _ESCAPE.sub(lambda escape: escape[1] or escape[2], match[1]), match.end()


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def shown_names(names: Iterable[str]) -> list[str]:
    """Give names of columns that may be shown: a row without a header may stand in its place."""
    return [name if re.fullmatch(r"[\w .()/-]{1,40}", name) else "?" for name in names]
