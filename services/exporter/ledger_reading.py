"""Readings of the ledger: bounded named queries in a read-only transaction, so that figures agree."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from schemas.methodology import Methodology, seconds
from schemas.sqlfiles import statements

Row = Mapping[str, Any]

# Multiples of the norm: for 24 h these are 1, 2, 4, 8, 12, 18, 24, 36, 48, 72 h, 7, 14 and 30 days.
_MULTIPLES = (1 / 24, 1 / 12, 1 / 6, 1 / 3, 1 / 2, 3 / 4, 1.0, 3 / 2, 2.0, 3.0, 7.0, 14.0, 30.0)
# Labels with a meaning of their own; a provider of that name counts as `other`.
PROVIDER_WORDS = ("all", "other", "unknown")
CATEGORY_WORDS = ("other",)


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
    """What the queries about spells gave, at one cut-off."""

    at: datetime
    providers: Sequence[str]
    categories: Sequence[str]
    spells: Sequence[Row]
    removals: Sequence[Row]
    outcomes: Sequence[Row]
    progress: Sequence[Row]
    watched: Sequence[str] = ()
    newest: Sequence[Row] = ()


@dataclass(frozen=True, slots=True)
class NoticeReading:
    """What the query about notices gave."""

    at: datetime
    providers: Sequence[str]
    notices: Sequence[Row]


class Reader:
    """Reads the ledger under a methodology; keeps which providers and categories are named.

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

    async def read(self, cutoff: datetime) -> LedgerReading:
        """Ask what spells, outcomes and offsets say, in one snapshot of the database.

        Raises what the driver raises.
        """
        async with self._snapshot() as connection:
            await self._fill(connection)
            return await self._ask(connection, cutoff)

    async def read_notices(self, cutoff: datetime) -> NoticeReading:
        """Ask for the notices apart from the rest: they stand in the log, which is the larger part."""
        providers = self.providers.named
        async with self._snapshot() as connection:
            rows = await connection.fetch(statement("notices"), providers)
        return NoticeReading(at=cutoff, providers=providers, notices=rows)

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[Any]:
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await connection.execute(statement("limit_statements"), self._timeout_ms)
            yield connection

    async def _fill(self, connection: Any) -> None:
        for labels, name in (
            (self.providers, "largest_providers"),
            (self.categories, "largest_categories"),
        ):
            if labels.free > 0:
                taken = [*labels.named, *labels.reserved]
                rows = await connection.fetch(statement(name), taken, labels.free)
                labels.admit(row[0] for row in rows)

    async def _ask(self, connection: Any, cutoff: datetime) -> LedgerReading:
        providers, categories = self.providers.named, self.categories.named
        judging = self._judging(cutoff)
        fetch = connection.fetch
        return LedgerReading(
            at=cutoff,
            providers=providers,
            categories=categories,
            spells=await fetch(statement("spells"), *judging),
            removals=await fetch(statement("removals"), *judging, self._ends),
            outcomes=await fetch(statement("outcomes"), providers, categories),
            newest=await fetch(statement("newest_outcomes"), providers, categories, cutoff),
            progress=await fetch(statement("progress")),
            watched=self._watched,
        )

    def _judging(self, cutoff: datetime) -> tuple[Any, ...]:
        method = self._methodology
        norms = {name: method.norm_for(name) for name in method.norms}
        default = timedelta(seconds=seconds(method.norm))
        return (
            cutoff,
            self.providers.named,
            self.categories.named,
            list(method.exclude),
            list(norms),
            list(norms.values()),
            default,
        )
