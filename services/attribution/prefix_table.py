"""Find the longest prefix of an address, as of an instant, in a table that is small and quick to make.

The prefixes cut the addresses into spans; each span has a chain: what is said of it, the longest prefix first and of
one prefix the latest first. Spans stand in sorted arrays, so that a look-up is a bisection and a walk along a chain
that is seldom longer than two. Equal chains are one object, for half a million prefixes have few different ones.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Generic, NamedTuple, TypeVar

from services.attribution.addresses import bits_of, numeric, prefix_text

T = TypeVar("T")
EVER = datetime.min.replace(tzinfo=UTC)
NEVER = datetime.max.replace(tzinfo=UTC)
_HALF = (1 << 64) - 1


class PrefixRow(NamedTuple, Generic[T]):
    """A prefix and what is said of it for a time; `until` is up to, not with.

    Of the rows of one prefix that hold at an instant the latest `since` wins, then the highest `rank`.
    """

    version: int
    first: int
    length: int
    since: datetime
    until: datetime
    value: T
    rank: float = 0

    @property
    def prefix(self) -> str:
        """The prefix in its usual spelling."""
        return prefix_text(self.version, self.first, self.length)

    @property
    def last(self) -> int:
        """The last address of the prefix, as a number."""
        return self.first | ((1 << (bits_of(self.version) - self.length)) - 1)


_place = attrgetter("first", "length")
_latest_last = attrgetter("since", "rank")
# Length, since, until, value: what prefixes of one length and holder have in common.
_Entry = tuple[int, datetime, datetime, T]
_Chain = tuple[_Entry[T], ...]


class PrefixTable(Generic[T]):
    """Find the row with the longest prefix that holds an address at an instant, whatever the order of the rows."""

    def __init__(self, rows: Iterable[PrefixRow[T]]) -> None:
        by_version: dict[int, list[PrefixRow[T]]] = {4: [], 6: []}
        for row in rows:
            by_version[row.version].append(row)
        self._size = sum(map(len, by_version.values()))
        self._spans = {v: _Spans(v, some) for v, some in by_version.items()}

    def __repr__(self) -> str:
        return f"<PrefixTable {self._size} rows>"

    def __len__(self) -> int:
        return self._size

    def lookup(self, address: str, at: datetime) -> PrefixRow[T] | None:
        """Find what holds an address; None where nothing does, and for what is no address."""
        number = numeric(address)
        if number is None:
            return None
        for length, since, until, value in self._spans[number.version].chain(number.value):
            if since <= at < until:
                spare = bits_of(number.version) - length
                first = number.value >> spare << spare
                return PrefixRow(number.version, first, length, since, until, value)
        return None


class _Spans(Generic[T]):
    """The spans of one version; of IPv6 the halves of a first address stand in two arrays."""

    __slots__ = ("_chains", "_high", "_low", "_of")

    def __init__(self, version: int, rows: list[PrefixRow[T]]) -> None:
        wide = version == 6
        self._high = array("Q") if wide else None
        self._low = array("Q" if wide else "I")
        self._of = array("I")
        self._chains: list[_Chain[T]] = []
        numbers: dict[_Chain[T], int] = {}
        for first, chain in _compact(_cut(rows), 1 << bits_of(version)):
            if self._high is not None:
                self._high.append(first >> 64)
            self._low.append(first & _HALF)
            number = numbers.setdefault(chain, len(numbers))
            if number == len(self._chains):
                self._chains.append(chain)
            self._of.append(number)

    def chain(self, value: int) -> _Chain[T]:
        """Give what is said of an address, the longest prefix first."""
        position = self._position(value)
        return self._chains[self._of[position]] if position >= 0 else ()

    def _position(self, value: int) -> int:
        if self._high is None:
            return bisect_right(self._low, value) - 1
        high = value >> 64
        right = bisect_right(self._high, high)
        left = bisect_left(self._high, high, 0, right)
        if left == right:
            return right - 1
        return bisect_right(self._low, value & _HALF, left, right) - 1


def _cut(rows: list[PrefixRow[T]]) -> Iterator[tuple[int, _Chain[T]]]:
    """Give where spans begin, in order, with their chains; of several at one place the last counts."""
    open_: list[tuple[int, _Chain[T]]] = []
    rows.sort(key=_place)
    for (first, _), same in groupby(rows, _place):
        yield from _close(open_, first)
        rows_here = sorted(same, key=_latest_last, reverse=True)
        chain = _chain(rows_here, open_[-1][1] if open_ else ())
        open_.append((rows_here[0].last, chain))
        yield first, chain
    yield from _close(open_, None)


def _close(
    open_: list[tuple[int, _Chain[T]]], before: int | None
) -> Iterator[tuple[int, _Chain[T]]]:
    """End the prefixes that end before an address."""
    while open_ and (before is None or open_[-1][0] < before):
        last, _ = open_.pop()
        yield last + 1, open_[-1][1] if open_ else ()


def _chain(rows: list[PrefixRow[T]], outer: _Chain[T]) -> _Chain[T]:
    """Put rows of one prefix before what is said of the next larger; nothing lies behind one that always holds."""
    entries = []
    for row in rows:
        entries.append((row.length, row.since, row.until, row.value))
        if row.since == EVER and row.until == NEVER:
            return tuple(entries)
    return (*entries, *outer)


def _compact(cuts: Iterable[tuple[int, _Chain[T]]], end: int) -> Iterator[tuple[int, _Chain[T]]]:
    """Leave out spans that are empty or like the one before."""
    held: tuple[int, _Chain[T]] | None = None
    before: _Chain[T] = ()
    for cut in cuts:
        if held is not None and held[0] != cut[0]:
            if held[1] != before:
                yield held
            before = held[1]
        held = cut
    if held is not None and held[0] < end and held[1] != before:
        yield held
