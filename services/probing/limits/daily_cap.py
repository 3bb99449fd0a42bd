"""How often one URL may be looked at in a day (G9), counted for millions in two megabytes.

A count-min sketch with conservative update: two rows of counters, the smaller one holds, and only what holds is
counted up. It never counts too little, so a cap is never passed; what it counts too much is measured in
tests/unit/probing/limits/test_daily_cap.py. A counter is one byte where the cap fits one.

What is counted can't be taken back without counting another URL too little. So a look is counted once it has asked:
one that politeness puts off before its first request costs nothing. A URL has one look at a time.
"""

from array import array
from datetime import datetime, timedelta

_COLUMNS = 1 << 20
_BYTE, _MOST = 255, 65_535


class DailyCap:
    """Count the looks at each case since midnight UTC; `most` None counts nothing."""

    def __init__(self, most: int | None) -> None:
        self._most = None if most is None else min(most, _MOST)
        self._day: int | None = None
        self._rows: tuple[array[int], array[int]] = (array("B"), array("B"))

    @property
    def size(self) -> int:
        """How many bytes the counters take once a look was counted."""
        return 0 if self._most is None else 2 * _COLUMNS * _width(self._most).itemsize

    def wait(self, case: int, now: datetime) -> float:
        """Give 0, or the seconds until the next day where a case has had its share; counts nothing."""
        if self._most is None:
            return 0.0
        self._turn(now, self._most)
        (one, other), first, second = self._rows, case % _COLUMNS, (case >> 32) % _COLUMNS
        if min(one[first], other[second]) < self._most:
            return 0.0
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return (midnight - now).total_seconds()

    def count(self, case: int, now: datetime) -> None:
        """Count a look at a case that has begun to ask."""
        if self._most is None:
            return
        self._turn(now, self._most)
        (one, other), first, second = self._rows, case % _COLUMNS, (case >> 32) % _COLUMNS
        # Never above the cap: a counter may hold no more.
        counted = min(one[first], other[second], self._most - 1)
        if one[first] == counted:
            one[first] = counted + 1
        if other[second] == counted:
            other[second] = counted + 1

    def _turn(self, now: datetime, most: int) -> None:
        """Begin a day's counters."""
        if self._day == now.toordinal():
            return
        self._day = now.toordinal()
        # The old ones go first: never are two days' counters held.
        self._rows = (array("B"), array("B"))
        self._rows = (_row(most), _row(most))


def _width(most: int) -> "array[int]":
    return array("B" if most <= _BYTE else "H", [0])


def _row(most: int) -> "array[int]":
    return _width(most) * _COLUMNS
