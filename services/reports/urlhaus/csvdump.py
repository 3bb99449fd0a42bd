"""Read the CSV form of a dump: a boxed banner, a comment that names the columns, quoted rows.

Rows are taken line by line, so that a quote that never closes costs its own row and not those after it.
"""

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TextIO

from services.reports.urlhaus.dumpfile import DAMAGE, BadDump
from services.reports.urlhaus.entry import NEEDED, Cells, RefusedRow, column, instant

# A URL has at most 8,192 characters, all else is short.
_MOST_CHARACTERS = 65_536
# A cell may hold line ends; more than these are a quote that never closes.
_MOST_LINES = 20
# What tools of old put behind the last line.
_NOTHING = " \t\r\n\0\x1a"
_UPDATED = re.compile(r"last updated:\s*([\d-]{10}[ T][\d:]{8})", re.I)

_NO_COLUMNS = (
    "no line names the columns: give a dump of URLhaus as published, its CSV with the banner "
    "(`# Last updated: ...`, `# id,dateadded,url,...`) or its JSON, plain, gzip or zip"
)

Line = tuple[int, str]


def last_updated(text: TextIO) -> datetime | None:
    """Read the dump's own date from its banner; None where it names none."""
    for _, line in _lines(text):
        match = _UPDATED.search(line) if line.startswith("#") else None
        if match is not None:
            return instant(match[1])
        if line.strip() and not line.startswith("#"):
            break
    return None


def cells(text: TextIO) -> Iterator[Cells | RefusedRow]:
    """Give each row's cells by name; raises `BadDump` where no line names the columns."""
    names: list[str] = []
    lines = _Ahead(_lines(text))
    for number, line in lines:
        if line.startswith("#"):
            names = _names(line) or names
        elif names and line.strip(_NOTHING):
            yield _row(number, line, names, lines)
        elif line.strip(_NOTHING):
            names = _names(line)
            if not names:
                break
    if not names:
        raise BadDump(_NO_COLUMNS)
    if lines.damaged_at is not None:
        yield RefusedRow(lines.damaged_at, "damaged", "the file breaks off; download it again")


class _Ahead(Iterator[Line]):
    """Lines that can be put back; ends where the file is damaged, and says where."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._waiting: deque[Line] = deque()
        self._last = 0
        self.damaged_at: int | None = None

    def __next__(self) -> Line:
        if self._waiting:
            return self._waiting.popleft()
        try:
            line = next(self._lines)
        except DAMAGE:
            self.damaged_at = self._last + 1
            raise StopIteration from None
        self._last = line[0]
        return line

    def put_back(self, lines: Sequence[Line]) -> None:
        """Give these again, before all others."""
        self._waiting.extendleft(reversed(lines))


def _lines(text: TextIO) -> Iterator[Line]:
    """Number the lines; what is far too long for one is cut, so that its row is refused."""
    number = 0
    while line := text.readline(_MOST_CHARACTERS):
        number += 1
        yield number, line
        while line and not line.endswith("\n"):
            line = text.readline(_MOST_CHARACTERS)


def _names(line: str) -> list[str]:
    """Read the names of the columns, where a line has them: as a comment, boxed or not, or as a row."""
    if "url" not in line.lower():
        return []
    names = [column(name) for name in _split(line.strip().strip("#").strip()) or []]
    return names if set(NEEDED) <= set(names) else []


def _row(number: int, line: str, names: list[str], lines: _Ahead) -> Cells | RefusedRow:
    texts = _split(line)
    if texts is None:
        texts = _continued(line, len(names), lines)
    if texts is None:
        return RefusedRow(number, "quoting", "its quotes don't pair")
    if len(texts) != len(names):
        return RefusedRow(
            number, "columns", f"it has {len(texts)} columns, the header names {len(names)}"
        )
    return Cells(number, dict(zip(names, texts, strict=True)))


def _continued(line: str, width: int, lines: _Ahead) -> list[str] | None:
    """Join a row with the lines that it goes on over; what turns out to be other rows is put back."""
    taken: list[Line] = []
    for more in lines:
        taken.append(more)
        alone = _split(more[1])
        if len(taken) == _MOST_LINES or (alone is not None and len(alone) == width):
            break
        line += more[1]
        texts = _split(line)
        if texts is not None:
            return texts
    lines.put_back(taken)
    return None


def _split(text: str) -> list[str] | None:
    """Split one row at its commas; None where its quotes don't pair."""
    try:
        return next(csv.reader([text.rstrip("\r\n")], strict=True, skipinitialspace=True), [])
    except csv.Error:
        return None
