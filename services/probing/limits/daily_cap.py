"""How often one URL may be looked at in a day (G9), counted for millions in two megabytes.

A count-min sketch with conservative update: two rows of counters, the smaller one holds, and only what holds is
counted up. It never counts too little, so a cap is never passed; what it counts too much is measured in
tests/unit/probing/limits/test_daily_cap.py. A counter is one byte where the cap fits one.
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

    def take(self, case: int, now: datetime) -> float:
        """Count a look at a case; gives 0, or the seconds until the next day where it has had its share."""
        if self._most is None:
            return 0.0
        if self._day != now.toordinal():
            self._day = now.toordinal()
            # The old ones go first: never are two days' counters held.
            self._rows = (array("B"), array("B"))
            self._rows = (_row(self._most), _row(self._most))
        (one, other), first, second = self._rows, case % _COLUMNS, (case >> 32) % _COLUMNS
        count = min(one[first], other[second])
        if count >= self._most:
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            return (midnight - now).total_seconds()
        if one[first] == count:
            one[first] = count + 1
        if other[second] == count:
            other[second] = count + 1
        return 0.0


def _width(most: int) -> "array[int]":
    return array("B" if most <= _BYTE else "H", [0])


def _row(most: int) -> "array[int]":
    return _width(most) * _COLUMNS
