"""Columns of the work list: what a million cases need of memory is decided here.

Owners are small integers 0, 1, 2 …, the rows of the work list.
"""

from array import array

ID = 16
SPARE = 128
_PAGE = 64
_LONG = 0xFF
_BITS = 52
_PAIR = 2 * _BITS // 8
LATEST = (1 << _BITS) - 1
"""The latest instant that can be kept, in microseconds since 1970: in the year 2112."""


def widen(column: bytearray, width: int, owner: int) -> None:
    """Make room for an owner's bytes, and a little to spare."""
    missing = (owner + 1) * width - len(column)
    if missing > 0:
        column += bytes(missing + width * (owner // SPARE))


class Instants:
    """Two instants by owner, in whole microseconds since 1970: 13 bytes, where two machine words take 16."""

    __slots__ = ("_pairs",)

    def __init__(self) -> None:
        self._pairs = bytearray()

    def pair(self, owner: int) -> tuple[int, int]:
        """Give both instants of an owner."""
        at = owner * _PAIR
        both = int.from_bytes(self._pairs[at : at + _PAIR], "little")
        return both & LATEST, both >> _BITS

    def put(self, owner: int, first: int, second: int) -> None:
        """Keep both instants of an owner; each is between 0 and `LATEST`."""
        widen(self._pairs, _PAIR, owner)
        at = owner * _PAIR
        self._pairs[at : at + _PAIR] = (second << _BITS | first).to_bytes(_PAIR, "little")


class Blobs:
    """Byte strings by owner, 64 to a page, where each lies follows from a walk over its page: 2 µs.

    A page is a run of records: a byte of length (255: two more follow), then the bytes; who has none has an empty one.
    No reference is kept per owner (4 MB per million), and a change writes its page anew: there is no garbage.
    """

    __slots__ = ("_last", "_pages")

    def __init__(self) -> None:
        self._pages: list[bytes] = []
        self._last: list[bytes] = []

    def __len__(self) -> int:
        return len(self._pages) * _PAGE + len(self._last)

    @property
    def size(self) -> int:
        """How many bytes all pages hold."""
        return sum(map(len, self._pages)) + sum(map(len, self._last))

    def append(self, data: bytes) -> None:
        """Store the bytes of the next owner."""
        self._last.append(_measured(data))
        if len(self._last) == _PAGE:
            self._pages.append(b"".join(self._last))
            self._last.clear()

    def __getitem__(self, owner: int) -> bytes:
        number, place = divmod(owner, _PAGE)
        page, at = self._find(number, place)
        start, end = _body(page, at)
        return page[start:end]

    def __setitem__(self, owner: int, data: bytes) -> None:
        number, place = divmod(owner, _PAGE)
        if number == len(self._pages):
            self._last[place] = _measured(data)
            return
        page, at = self._find(number, place)
        self._pages[number] = page[:at] + _measured(data) + page[_body(page, at)[1] :]

    def _find(self, number: int, place: int) -> tuple[bytes, int]:
        """Give the bytes among which a record is, and where it begins."""
        if number == len(self._pages):
            return self._last[place], 0
        page, at = self._pages[number], 0
        for _ in range(place):
            length = page[at]
            at += length + 1 if length != _LONG else _body(page, at)[1] - at
        return page, at


def _body(page: bytes, at: int) -> tuple[int, int]:
    """Give start and end of the bytes of the record at a place."""
    length, start = page[at], at + 1
    if length == _LONG:
        length, start = int.from_bytes(page[at + 1 : at + 3], "little"), at + 3
    return start, start + length


def _measured(data: bytes) -> bytes:
    if len(data) < _LONG:
        return bytes((len(data),)) + data
    return bytes((_LONG,)) + len(data).to_bytes(2, "little") + data


class CaseIndex:
    """Case id to row: open addressing over an array; the ids are HMACs, so they hash themselves."""

    __slots__ = ("_ids", "_mask", "_rows", "_used")

    def __init__(self, ids: bytearray) -> None:
        self._ids = ids
        self._mask = 63
        self._rows = array("I", [0]) * 64
        self._used = 0

    def find(self, case: bytes) -> int:
        """Give the row of a case, or -1."""
        return self._rows[self._position(case)] - 1

    def add(self, case: bytes, row: int) -> None:
        """Enter a case that is not in."""
        if 3 * self._used > 2 * self._mask:
            self._grow()
        self._rows[self._position(case)] = row + 1
        self._used += 1

    def discard(self, case: bytes) -> None:
        """Take a case out, and close the gap so that no probe run is cut."""
        gap = self._position(case)
        if not self._rows[gap]:
            return
        self._used -= 1
        at = gap
        while True:
            self._rows[gap] = 0
            while True:
                at = (at + 1) & self._mask
                if not self._rows[at]:
                    return
                home = self._home(self._id_of(self._rows[at] - 1))
                if (at - home) & self._mask >= (at - gap) & self._mask:
                    break
            self._rows[gap] = self._rows[at]
            gap = at

    def _home(self, case: bytes | bytearray) -> int:
        return int.from_bytes(case[:8], "little") & self._mask

    def _id_of(self, row: int) -> bytearray:
        return self._ids[row * ID : row * ID + ID]

    def _position(self, case: bytes) -> int:
        at, rows, ids = self._home(case), self._rows, self._ids
        while (row := rows[at]) and ids[row * ID - ID : row * ID] != case:
            at = (at + 1) & self._mask
        return at

    def _grow(self) -> None:
        old = self._rows
        self._mask = 2 * self._mask + 1
        self._rows = array("I", [0]) * (self._mask + 1)
        for row in old:
            if row:
                at = self._home(self._id_of(row - 1))
                while self._rows[at]:
                    at = (at + 1) & self._mask
                self._rows[at] = row
