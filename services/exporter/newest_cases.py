"""The newest cases behind the counts of a day, kept for each bucket: only what changed is read again."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from services.exporter.sums import Row

_DAY = timedelta(days=1)


class NewestCases:
    """Of each bucket the newest case of each provider, category and type, where it is of the last day."""

    def __init__(self) -> None:
        self._rows: dict[int, list[Row]] = {}

    def __repr__(self) -> str:
        return f"<NewestCases of {len(self._rows)} buckets>"

    def replace(self, buckets: Iterable[int], rows: Iterable[Row]) -> None:
        """Put rows in the place of what is known of buckets."""
        for bucket in buckets:
            self._rows.pop(bucket, None)
        for row in rows:
            self._rows.setdefault(row["bucket"], []).append(row)

    def rows(self, cutoff: datetime) -> Iterator[dict[str, Any]]:
        """Give copies of the rows that are of the day before a cut-off, the newest first, then by case id."""
        rows = (row for some in self._rows.values() for row in some)
        of_the_day = [row for row in rows if row["at"] > cutoff - _DAY]
        of_the_day.sort(key=itemgetter("case_id"))
        of_the_day.sort(key=itemgetter("at"), reverse=True)
        return map(dict, of_the_day)

    def clear(self) -> None:
        """Forget everything."""
        self._rows.clear()


def newest_of_labels(rows: Iterable[Row]) -> list[Row]:
    """Give the first row of each provider, category and type."""
    newest: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        newest.setdefault((row["provider"], row["category"], row["type"]), row)
    return list(newest.values())
