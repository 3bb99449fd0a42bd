"""Which parts of the ledger have to be read anew: cases in buckets by their ids, and what arrived since.

Every change of a case comes with an event of it, in one transaction. How many events arrived for a bucket in each of
the last minutes is compared with what was counted there before, so that a transaction that was begun early and
committed late is not missed.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

_DIGITS = 3
FIRST_IDS = ["", *(f"{number:0{_DIGITS}x}" for number in range(1, 16**_DIGITS))]
"""Ids at which buckets begin; bucket n is the n-th, from 1 on."""
COUNT = len(FIRST_IDS)
_BEYOND = "\U0010ffff"
WHOLE = ([1], [""], [_BEYOND])
"""Every case in one bucket, as the queries take it."""
# No transaction of the ledger is open for longer: each statement of it is cut off before.
_LATEST_COMMIT = timedelta(minutes=10)
# Whatever changed without an event, by hand for example, is seen within this time.
_OLDEST = timedelta(hours=1)
_OLD_AT_ONCE = 64

Row = Mapping[str, Any]
Arrivals = dict[tuple[int, datetime], int]


def bucket_of(beginning: str) -> int:
    """Give the bucket of the ids that begin so; the beginning has as many characters as those of the buckets."""
    return bisect_right(FIRST_IDS, beginning)


def ranges_of(buckets: Sequence[int]) -> tuple[list[int], list[str], list[str]]:
    """Give numbers, first ids and the ids beyond, as the queries take them."""
    beyond = [*FIRST_IDS[1:], _BEYOND]
    return list(buckets), [FIRST_IDS[b - 1] for b in buckets], [beyond[b - 1] for b in buckets]


class Freshness:
    """What is known of each bucket: when it was read, and until when the clock alone changes nothing."""

    def __init__(self) -> None:
        self._arrivals: Arrivals = {}
        self._read_at: dict[int, datetime] = {}
        self._holds_until: dict[int, datetime] = {}
        self._identity: tuple[Any, ...] | None = None
        self.since: datetime | None = None

    def __repr__(self) -> str:
        return f"<Freshness of {len(self._read_at)} buckets>"

    def begin(self, identity: Row) -> bool:
        """Take what the server and its tables are; True where they are others than those that were read."""
        named = tuple(value for name, value in identity.items() if name not in ("now", "size"))
        same, self._identity = named == self._identity, named
        if not same:
            self._arrivals, self._read_at, self._holds_until = {}, {}, {}
            self.since = identity["now"] - _LATEST_COMMIT
        return not same

    def stale(self, arrivals: Iterable[Row], cutoff: datetime) -> list[int]:
        """Name the buckets to read for a cut-off, and keep the arrivals."""
        counts_now: Arrivals = {}
        for row in arrivals:
            key = (bucket_of(row["beginning"]), row["minute"])
            counts_now[key] = counts_now.get(key, 0) + row["events"]
        changed = {key[0] for key, count in counts_now.items() if self._arrivals.get(key) != count}
        self._arrivals = counts_now
        newest = max((minute for _, minute in counts_now), default=None)
        if newest is not None and self.since is not None:
            self.since = max(self.since, newest - _LATEST_COMMIT)
        old = [b for b, at in self._read_at.items() if at < cutoff - _OLDEST][:_OLD_AT_ONCE]
        return sorted({*changed, *old, *(b for b in range(1, COUNT + 1) if self._off(b, cutoff))})

    def _off(self, bucket: int, cutoff: datetime) -> bool:
        at, until = self._read_at.get(bucket), self._holds_until.get(bucket)
        return at is None or cutoff < at or (until is not None and until <= cutoff)

    def note(self, buckets: Sequence[int], rows: Iterable[Row], cutoff: datetime) -> None:
        """Note that buckets were read as of a cut-off; rows may say until when that holds."""
        for bucket in buckets:
            # In the order of reading, so that the oldest come first.
            self._read_at.pop(bucket, None)
            self._read_at[bucket] = cutoff
            self._holds_until.pop(bucket, None)
        for row in rows:
            until = row.get("next_change")
            if until is not None:
                bucket = row["bucket"]
                self._holds_until[bucket] = min(self._holds_until.get(bucket, until), until)

    def forget(self) -> None:
        """Have everything read anew."""
        self._identity = None
