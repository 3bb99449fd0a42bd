"""How often one URL may be looked at in a day (G9), counted for millions in a few megabytes.

A count-min sketch: two rows of counters, the smaller one holds. It never counts too little, so a cap is never
passed; with a million cases at 40 looks a day fewer than one in ten thousand is counted as many as 200 times.
"""

from array import array
from datetime import datetime, timedelta

_COLUMNS = 1 << 21
_MOST = 65_535


class DailyCap:
    """Count the looks at each case since midnight UTC; `most` None counts nothing."""

    def __init__(self, most: int | None) -> None:
        self._most = None if most is None else min(most, _MOST)
        self._day: int | None = None
        self._rows: tuple[array[int], array[int]] = (array("H"), array("H"))

    def take(self, case: int, now: datetime) -> float:
        """Count a look at a case; gives 0, or the seconds until the next day where it has had its share."""
        if self._most is None:
            return 0.0
        if self._day != now.toordinal():
            self._day = now.toordinal()
            self._rows = (_row(), _row())
        first, second = case % _COLUMNS, (case >> 32) % _COLUMNS
        seen = min(self._rows[0][first], self._rows[1][second])
        if seen >= self._most:
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            return (midnight - now).total_seconds()
        for row, column in ((self._rows[0], first), (self._rows[1], second)):
            row[column] = min(row[column] + 1, _MOST)
        return 0.0


def _row() -> "array[int]":
    return array("H", bytes(2 * _COLUMNS))
