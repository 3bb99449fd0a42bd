"""Sums of parts, and of all: a part that changed is taken out and put in anew, and the others are not read again.

Everything is a whole number, so that nothing drifts however often a part is replaced.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Key = tuple[Any, ...]
Row = Mapping[str, Any]
_Cell = list[int]


class Sums:
    """The totals of rows by key, kept for each bucket.

    Args:
        keys: Columns that make the key, beside `bucket`.
        values: Columns that are summed; the first one counts, and a key without any is left out.

    """

    def __init__(self, keys: Sequence[str], values: Sequence[str]) -> None:
        self._keys = keys
        self._values = values
        self._totals: dict[Key, _Cell] = {}
        self._parts: dict[int, tuple[list[_Cell], array[int]]] = {}

    def __repr__(self) -> str:
        return f"<Sums of {len(self._parts)} parts, {len(self._totals)} keys>"

    def replace(self, buckets: Iterable[int], rows: Iterable[Row]) -> None:
        """Take what is known of buckets out, and put rows of theirs in its place."""
        for bucket in buckets:
            cells, values = self._parts.pop(bucket, ([], array("q")))
            self._add(cells, values, -1)
        for row in rows:
            key = tuple(row[name] for name in self._keys)
            cell = self._totals.setdefault(key, [0] * len(self._values))
            values = array("q", (int(row[name]) for name in self._values))
            self._add([cell], values, 1)
            cells, stored = self._parts.setdefault(row["bucket"], ([], array("q")))
            cells.append(cell)
            stored.extend(values)

    def _add(self, cells: list[_Cell], values: "array[int]", sign: int) -> None:
        width = len(self._values)
        for number, cell in enumerate(cells):
            start = number * width
            for place in range(width):
                cell[place] += sign * values[start + place]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Give one row for each key that counts anything."""
        for key, cell in self._totals.items():
            if cell[0]:
                yield {
                    **dict(zip(self._keys, key, strict=True)),
                    **dict(zip(self._values, cell, strict=True)),
                }

    def clear(self) -> None:
        """Forget everything."""
        self._totals.clear()
        self._parts.clear()
