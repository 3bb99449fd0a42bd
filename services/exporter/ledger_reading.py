"""Readings of the ledger: bounded named queries in a read-only transaction, so that figures agree."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import asyncpg

from schemas.methodology import Methodology, seconds
from schemas.sqlfiles import statements
from services.core.fold import UNKNOWN_CATEGORY
from services.exporter.buckets_of_cases import Freshness, bucket_of, ranges_of
from services.exporter.newest_cases import NewestCases, newest_of_labels
from services.exporter.not_by_notice import channel_counts
from services.exporter.sums import Row, Sums
from services.notices.channel_status import COUNTS
from services.notices.measurability import ChannelCount

Tally = Sums | NewestCases

# Multiples of the norm: for 24 h these are 1, 2, 4, 8, 12, 18, 24, 36, 48, 72 h, 7, 14 and 30 days.
_MULTIPLES = (1 / 24, 1 / 12, 1 / 6, 1 / 3, 1 / 2, 3 / 4, 1.0, 3 / 2, 2.0, 3.0, 7.0, 14.0, 30.0)
# Labels with a meaning of their own; a provider of that name counts as `other`.
PROVIDER_WORDS = ("all", "other", "unknown")
CATEGORY_WORDS = ("other", UNKNOWN_CATEGORY)


def statement(name: str) -> str:
    """Give a statement of the `queries.sql` that stands beside this module."""
    return statements("services.exporter")[name]


def buckets(methodology: Methodology) -> tuple[float, ...]:
    """Give the upper ends of the removal histograms: multiples of the norm, and every norm exactly."""
    norm = seconds(methodology.norm)
    own = (seconds(text) for text in methodology.norms.values())
    return tuple(sorted({*(round(norm * m, 6) for m in _MULTIPLES), norm, *own}))


class Labels:
    """The bounded names of one dimension; a name that was given a place keeps it while the process lives.

    Otherwise a provider that drops out of the largest would move between its own counter and `other`.
    """

    def __init__(self, always: Iterable[str], places: int, reserved: Sequence[str]) -> None:
        self.reserved = reserved
        self._named = dict.fromkeys(name for name in always if name not in reserved)
        self._places = len(self._named) + places

    def __repr__(self) -> str:
        return f"<Labels {len(self._named)} of {self._places} places taken>"

    @property
    def named(self) -> list[str]:
        """The names that are labels of their own, in the order in which they came."""
        return list(self._named)

    @property
    def free(self) -> int:
        """How many places are left."""
        return self._places - len(self._named)

    def admit(self, names: Iterable[str]) -> None:
        """Give places to names while there are any."""
        for name in names:
            if self.free > 0 and name not in self.reserved:
                self._named[name] = None


@dataclass(frozen=True, slots=True)
class LedgerReading:
    """What the queries about spells gave, at one cut-off.

    `waiting`: by provider, label or not, the open cases that no notice of reached it yet.
    """

    at: datetime
    providers: Sequence[str]
    categories: Sequence[str]
    spells: Sequence[Row]
    removals: Sequence[Row]
    outcomes: Sequence[Row]
    progress: Sequence[Row]
    watched: Sequence[str] = ()
    newest: Sequence[Row] = ()
    waiting: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NoticeReading:
    """What the query about notices gave; `channels` has every provider, label or not."""

    at: datetime
    providers: Sequence[str]
    notices: Sequence[Row]
    channels: Sequence[ChannelCount] = ()


_COUNTS = (
    "spells",
    "online",
    "due_soon",
    "overdue_unverified",
    "left_under_2h",
    "left_under_6h",
    "left_under_12h",
    "left_under_24h",
    "left_later",
    "breaches_day",
    "looks",
    "undetermined",
    "missed",
    "without_notice",
    "waiting",
    "exposure_lower",
    "exposure_upper",
    "growing",
)
_SPELLS = ("provider", "category", "clock", "standing")
_REMOVALS = ("provider", "category", "side", "ends")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# So many buckets are read by one statement: each has to end within its time limit, on a busy machine too.
_AT_ONCE = 64
_SMALL_BYTES = 16 * 1024 * 1024


class Reader:
    """Reads the ledger under a methodology; keeps sums, and which providers and categories are named.

    The first reading reads everything. Each later one reads the buckets of cases in which something changed.

    Args:
        timeout_seconds: How long Postgres may work on one statement.
        top_providers: Places for the largest providers, beside those of the watch list.

    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        methodology: Methodology,
        top_providers: int,
        watch_providers: Iterable[str],
        timeout_seconds: float,
    ) -> None:
        self._pool = pool
        self._methodology = methodology
        self._timeout_ms = str(max(1, int(timeout_seconds * 1000)))
        self._ends = [-end for end in reversed(buckets(methodology))]
        self.providers = Labels(watch_providers, top_providers, PROVIDER_WORDS)
        self.categories = Labels(methodology.norms, 10, CATEGORY_WORDS)
        self._watched = self.providers.named
        self._figures, self._sent = Freshness(), Freshness()
        self._spells = Sums(_SPELLS, _COUNTS)
        self._removals = Sums(_REMOVALS, ("removals", "microseconds"))
        self._outcomes = Sums(("provider", "category", "type"), ("recorded", "voided"))
        self._newest = NewestCases()
        self._notices = Sums(("provider", "channel", "state"), ("notices", *COUNTS[1:]))

    async def read(self, cutoff: datetime) -> LedgerReading:
        """Ask what spells, outcomes and offsets say, in one snapshot of the database.

        Raises what the driver raises; the next reading then reads everything.
        """
        figures = (self._spells, self._removals, self._outcomes, self._newest)
        async with self._reading(self._figures, "", figures, cutoff) as (connection, stale):
            for some in _slices(stale):
                await self._read_figures(connection, some, cutoff)
            progress = await connection.fetch(statement("progress"))
        # Thousands of rows: no work for an event loop.
        return await asyncio.to_thread(self._ledger_reading, cutoff, progress)

    async def read_notices(self, cutoff: datetime) -> NoticeReading:
        """Ask for the notices apart from the rest: they stand in the log, which is the larger part."""
        reading = self._reading(self._sent, "takedown.notice.", (self._notices,), cutoff)
        async with reading as (connection, stale):
            for some in _slices(stale):
                rows = await connection.fetch(statement("notices"), *ranges_of(some), None, None)
                self._notices.replace(some, rows)
                self._sent.note(some, (), cutoff)
        channels = channel_counts(self._notices.rows())
        rows = list(self._labelled(self._notices.rows()))
        return NoticeReading(
            at=cutoff, providers=self.providers.named, notices=rows, channels=channels
        )

    @asynccontextmanager
    async def _reading(
        self, freshness: Freshness, types: str, sums: Iterable[Tally], cutoff: datetime
    ) -> AsyncIterator[tuple[Any, list[int]]]:
        """Open a snapshot, and name the buckets to read in it."""
        try:
            async with self._snapshot() as connection:
                identity = await connection.fetchrow(statement("identity"))
                if freshness.begin(identity):
                    for each in sums:
                        each.clear()
                arrivals = await connection.fetch(statement("arrivals"), freshness.since, types)
                stale = freshness.stale(arrivals, cutoff)
                if len(stale) > _AT_ONCE and identity["size"] < _SMALL_BYTES:
                    rows = await connection.fetch(statement("populated"))
                    empty = sorted({*stale} - {bucket_of(row["beginning"]) for row in rows})
                    freshness.note(empty, (), cutoff)
                    for each in sums:
                        each.replace(empty, ())
                    stale = sorted({*stale} - {*empty})
                yield connection, stale
        except BaseException:
            freshness.forget()
            raise

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[Any]:
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await connection.execute(statement("limit_statements"), self._timeout_ms)
            yield connection

    async def _read_figures(self, connection: Any, some: list[int], cutoff: datetime) -> None:
        ranges, judging, fetch = ranges_of(some), self._judging(cutoff), connection.fetch
        spells = await fetch(statement("spells"), *ranges, *judging)
        removals = await fetch(statement("removals"), *ranges, *judging, self._ends)
        outcomes = await fetch(statement("outcomes"), *ranges, cutoff)
        newest = await fetch(statement("newest_outcomes"), *ranges, cutoff)
        await asyncio.to_thread(self._keep, some, cutoff, (spells, removals, outcomes, newest))

    def _keep(self, some: list[int], cutoff: datetime, read: Sequence[Sequence[Row]]) -> None:
        spells, removals, outcomes, newest = read
        at = _microseconds(cutoff)
        # What an open stretch has grown to is told when the sums are read: they hold where it began.
        begun = [
            {**row, "exposure_upper": row["exposure_upper"] - row["growing"] * at} for row in spells
        ]
        self._spells.replace(some, begun)
        self._removals.replace(some, removals)
        self._outcomes.replace(some, outcomes)
        self._newest.replace(some, newest)
        self._figures.note(some, chain(spells, outcomes), cutoff)

    def _ledger_reading(self, cutoff: datetime, progress: Sequence[Row]) -> LedgerReading:
        spells = list(self._spells.rows())
        self._admit(self.providers, spells, "provider")
        self._admit(self.categories, spells, "category")
        waiting = _waiting(spells)
        return LedgerReading(
            at=cutoff,
            providers=self.providers.named,
            categories=self.categories.named,
            spells=[_grown(row, cutoff) for row in self._labelled(spells)],
            removals=[_removal(row) for row in self._labelled(self._removals.rows())],
            outcomes=list(self._labelled(self._outcomes.rows())),
            newest=newest_of_labels(self._labelled(self._newest.rows(cutoff))),
            progress=progress,
            watched=self._watched,
            waiting=waiting,
        )

    def _admit(self, labels: Labels, rows: Iterable[Row], kind: str) -> None:
        """Fill the places that are left with the largest."""
        if labels.free <= 0:
            return
        counts: Counter[str] = Counter()
        for row in rows:
            if row[kind] is not None:
                counts[row[kind]] += row["spells"]
        labels.admit(sorted(counts, key=lambda name: (-counts[name], name)))

    def _labelled(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Name providers and categories by their labels."""
        providers = set(self.providers.named)
        # A look may be read before its report: what is unknown is shown while it is, and has no place of its own.
        categories = {*self.categories.named, UNKNOWN_CATEGORY}
        for row in rows:
            provider = row["provider"]
            if provider not in providers:
                row["provider"] = "unknown" if provider is None else "other"
            if "category" in row and row["category"] not in categories:
                row["category"] = "other"
            yield row

    def _judging(self, cutoff: datetime) -> tuple[Any, ...]:
        method = self._methodology
        norms = {name: method.norm_for(name) for name in method.norms}
        default = timedelta(seconds=seconds(method.norm))
        return cutoff, list(method.exclude), list(norms), list(norms.values()), default


def _slices(stale: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(stale), _AT_ONCE):
        yield stale[start : start + _AT_ONCE]


def _waiting(spells: Iterable[Row]) -> Mapping[str, int]:
    waiting: Counter[str] = Counter()
    for row in spells:
        if row["waiting"] and row["provider"] is not None:
            waiting[row["provider"]] += row["waiting"]
    return waiting


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def _grown(row: dict[str, Any], cutoff: datetime) -> dict[str, Any]:
    grown = row["exposure_upper"] + row["growing"] * _microseconds(cutoff)
    row["exposure_lower_seconds"] = row["exposure_lower"] / 1e6
    row["exposure_upper_seconds"] = grown / 1e6
    return row


def _removal(row: dict[str, Any]) -> dict[str, Any]:
    row["bucket"], row["seconds"] = row["ends"], row["microseconds"] / 1e6
    return row
