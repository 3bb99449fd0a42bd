"""Read the JSON form of a dump, an object of id -> list of records, one value at a time.

Answers of the lookup interface are read too: what stands around their records, and the one that is a record itself.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

from services.reports.urlhaus.dumpfile import DAMAGE, BadDump
from services.reports.urlhaus.entry import NEEDED, Cells, RefusedRow, column

_CHUNK = 1 << 18
# The lookup interface answers a thousand records in one value.
_MOST_CHARACTERS = 1 << 24
# The answer about one URL is its record.
_COLUMNS = frozenset(
    {*NEEDED, "id", "url_status", "last_online", "threat", "urlhaus_link", "reporter"}
)
_SPACE = re.compile(r"\s*")
_decoder = json.JSONDecoder()

_NO_RECORDS = (
    "no record has `url` and `dateadded`: give a dump of URLhaus as published, its CSV or JSON, "
    "plain, gzip or zip"
)


class _Broken(Exception):
    """The text is no JSON from here on."""


def cells(text: TextIO) -> Iterator[Cells | RefusedRow]:
    """Give each record's cells by name; raises `BadDump` where nothing is a record of a dump."""
    scan, records = _Scan(text), False
    whole: dict[str, Any] = {}
    try:
        for line, name, value in _members(scan):
            if name is not None and column(name) in _COLUMNS:
                whole[name] = value
                continue
            for row in _records(line, name, value):
                records = records or isinstance(row, Cells)
                yield row
    except (_Broken, *DAMAGE):
        if records:
            yield RefusedRow(
                scan.line, "damaged", "the file is no JSON from here on; download it again"
            )
    if not records:
        row = _record(1, None, whole)
        if isinstance(row, RefusedRow) or not scan.is_over():
            raise BadDump(_NO_RECORDS)
        yield row


def _records(line: int, name: str | None, value: Any) -> Iterator[Cells | RefusedRow]:
    """Give the records of one member: a list of them, or one; a wrapper's own words are passed over."""
    number = name if name is not None and name.isdecimal() else None
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict) and (number is not None or name is None or _is_record(one)):
            yield _record(line, number, one)
        elif number is not None or name is None:
            yield RefusedRow(line, "record", "it is no JSON object")
    if value == [] and number is not None:
        yield RefusedRow(line, "record", "its list is empty")


def _is_record(value: dict[str, Any]) -> bool:
    """Tell a record from what else the lookup interface says of a host or a URL."""
    return any(column(name) in NEEDED for name in value)


def _record(line: int, number: str | None, record: dict[str, Any]) -> Cells | RefusedRow:
    values = {column(name): value for name, value in record.items()}
    missing = [name for name in NEEDED if name not in values]
    if missing:
        return RefusedRow(line, "columns", f"it has no `{missing[0]}`")
    if number is not None:
        values.setdefault("id", number)
    return Cells(line, values)


def _members(scan: "_Scan") -> Iterator[tuple[int, str | None, Any]]:
    """Give line, name and value of each member of an object; of an array, without names."""
    named = scan.sign() == "{"
    end = "}" if named else "]"
    scan.skip()
    while scan.sign() != end:
        line, name = scan.line, None
        if named:
            name = str(scan.value())
            scan.expect(":")
        yield line, name, scan.value()
        if scan.sign() != end:
            scan.expect(",")


class _Scan:
    """A place in a JSON text of which a part is in memory."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._part = ""
        self._at = 0
        self.line = 1

    def sign(self) -> str:
        """Give the next sign that is no space."""
        while True:
            space = _SPACE.match(self._part, self._at)
            assert space is not None
            self._pass(space.end())
            if self._at < len(self._part):
                return self._part[self._at]
            self._more()

    def skip(self) -> None:
        """Pass over one sign."""
        self._pass(self._at + 1)

    def is_over(self) -> bool:
        """Tell whether the object or array that was read is the whole text."""
        self.skip()
        try:
            self.sign()
        except _Broken:
            return True
        return False

    def expect(self, sign: str) -> None:
        """Pass over a sign that has to stand here."""
        if self.sign() != sign:
            raise _Broken
        self.skip()

    def value(self) -> Any:
        """Read a whole value, and with it as much of the text as it takes."""
        self.sign()
        while True:
            try:
                value, end = _decoder.raw_decode(self._part, self._at)
            except (ValueError, RecursionError):
                end = len(self._part)
            # A number may go on in what is not read yet.
            if end < len(self._part):
                self._pass(end)
                return value
            self._more()

    def _pass(self, end: int) -> None:
        self.line += self._part.count("\n", self._at, end)
        self._at = end

    def _more(self) -> None:
        rest = self._part[self._at :]
        # Ever longer parts, so that a long value is not tried at every step.
        more = self._text.read(max(_CHUNK, len(rest)))
        if not more or len(rest) > _MOST_CHARACTERS:
            raise _Broken
        self._part, self._at = rest + more, 0
