"""What an event costs in a ledger of ten million cases, against one of a million: as `bench_size`, on 25 GB of disk.

Held is what a later look reads and writes, at its full size: the cases with their states, the spells and their
indexes, and the key of the log of events, with two events a case (`bench_size` has four). Left out is what it does
not touch: the text of earlier events, transitions and outcomes. A look costs the same without them: it appends to the
log, neither a transition nor an outcome follows from it, and none of their pages would stand in memory for its sake.

Filling writes no log (`large.sql`) and takes about five minutes; looks are measured by a server started anew.

    python -m tests.benchmarks.bench_large fill FOLDER [SIZE ...]
    python -m tests.benchmarks.bench_large measure FOLDER [SIZE ...] [--rounds N] [--set NAME=VALUE]
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import asyncpg

from schemas.sqlfiles import statements
from services.runtime.embedded import EmbeddedPostgres
from tests.benchmarks.bench_size import _START, Cost, Filled, figures
from tests.benchmarks.figures import Figure, figure

SIZES = (1_000_000, 10_000_000)
TARGET_RATIO = 1.3
EVENTS_EACH = 2
WARM_ROUNDS, NEWEST_ROUNDS, ROUNDS = 10, 20, 125
_SQL = statements("tests.benchmarks", "large.sql")
_TABLES = ("spells", "cases", "events")


class Large(Filled):
    """A ledger of so many cases that only what a later look touches is held."""

    async def fill(self) -> None:
        """Let the ledger write one case, and multiply what a later look of it touches."""
        await self._write_one()
        await self._session.execute(_SQL["prepare"])
        for table in _TABLES:
            await self._fill(table)
        await self.close()

    async def _fill(self, table: str) -> None:
        begun = time.monotonic()
        async with self._session.transaction():
            await self._session.execute(_SQL[f"clear_{table}"])
            more = [EVENTS_EACH] if table == "events" else []
            await self._session.execute(_SQL[f"fill_{table}"], self.cases, *more)
            await self._session.execute(_SQL[f"index_{table}"])
        await self._session.execute(f"VACUUM (ANALYZE) {table}")
        print(
            f"{self.cases:,} {table}: {time.monotonic() - begun:.0f} s",
            file=sys.stderr,
            flush=True,
        )

    async def warm(self) -> None:
        """Read all states once, page by page, and go on with looks later than those of any measure before.

        What a look takes besides, the rounds before the first figure read.
        """
        async with self._pool.acquire() as session:
            self.backend = session.get_server_pid()
        newest = await self._session.fetchval(_SQL["read_through"])
        self._batches = 1 + (newest - _START) // timedelta(hours=1)

    async def pages_read(self) -> float:
        """Say how many pages this ledger has asked of the system since its server began."""
        await self._pool.fetchval("SELECT pg_stat_force_next_flush()")
        found: float = await self._session.fetchval(_SQL["pages_read"])
        return found

    async def sizes(self) -> list[Figure]:
        """Give the bytes of each table and index that a look touches, for a case."""
        rows = await self._session.fetch(_SQL["sizes"])
        return [
            figure(f"{self.cases:,} cases, {row['name']}", row["bytes"] / self.cases, "B/case")
            for row in rows
        ]


async def fill(folder: Path, sizes: Sequence[int]) -> None:
    """Fill a ledger of each size, by a server that would lose them in a crash."""
    postgres = EmbeddedPostgres(folder, durable=False)
    await postgres.start()
    try:
        for cases in sizes:
            session = await asyncpg.connect(postgres.dsn)
            await session.execute(f"CREATE DATABASE {_database(cases)}")
            await session.close()
            await Large(postgres.dsn_of(_database(cases)), cases).fill()
    finally:
        await postgres.stop()


async def measure(
    folder: Path, sizes: Sequence[int], settings: Sequence[str] = (), count: int = ROUNDS
) -> list[Figure]:
    """Measure looks in all of them, by turns; `settings` of the server, `name=value`, are tried beside its own."""
    postgres = EmbeddedPostgres(folder)
    await restart(postgres, settings)
    ledgers = [Large(postgres.dsn_of(_database(cases)), cases) for cases in sizes]
    try:
        for ledger in ledgers:
            await ledger.open()
            await ledger.warm()
        made = [
            *await ledgers[-1].sizes(),
            *await figures_of("under watch", ledgers, WARM_ROUNDS, NEWEST_ROUNDS, spread=False),
            *await figures_of("spread", ledgers, WARM_ROUNDS, count, spread=True),
        ]
        for ledger in ledgers:
            await ledger.close()
    finally:
        await postgres.stop()
    return made


async def restart(postgres: EmbeddedPostgres, settings: Sequence[str]) -> None:
    """Start a server with settings of its own, and none that an earlier measure left."""
    await postgres.start()
    session = await asyncpg.connect(postgres.dsn)
    await session.execute("ALTER SYSTEM RESET ALL")
    for name, _, value in (setting.partition("=") for setting in settings):
        await session.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    await session.close()
    await postgres.stop()
    await postgres.start()


async def figures_of(
    form: str, ledgers: Sequence[Large], warm: int, count: int, *, spread: bool
) -> list[Figure]:
    """Warm up, measure so many batches in each, and put each size beside the one before."""
    await rounds(ledgers, warm, spread=spread)
    if spread:
        await ledgers[0].checkpoint()
    before = [await ledger.pages_read() for ledger in ledgers]
    costs = await rounds(ledgers, count, spread=spread)
    sizes = [ledger.cases for ledger in ledgers]
    made = [
        figure(f"{ledger.cases:,} cases, {form}, pages read", pages, "pages/event")
        for ledger, pages in [
            (ledger, (await ledger.pages_read() - begun) / cost.events)
            for ledger, begun, cost in zip(ledgers, before, costs, strict=True)
        ]
    ]
    for (few, many), pair in zip(pairwise(sizes), pairwise(costs), strict=True):
        made += figures(f"{form}, to {few:,}", many, pair, at_most=TARGET_RATIO)
    return made


async def rounds(ledgers: Sequence[Large], count: int, *, spread: bool) -> list[Cost]:
    """Give the costs in each ledger; batches take turns, so that what else the machine does hits all."""
    costs = [Cost() for _ in ledgers]
    for _ in range(count):
        for ledger, cost in zip(ledgers, costs, strict=True):
            await ledger.batch(cost, spread=spread)
    return costs


def _database(cases: int) -> str:
    return f"cases_{cases}"


def main() -> None:
    """Fill or measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("fill", "measure"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    asked = parser.parse_args()
    if asked.step == "fill":
        asyncio.run(fill(asked.folder, asked.sizes))
        return
    made = asyncio.run(measure(asked.folder, asked.sizes, asked.set, asked.rounds))
    print(json.dumps(made, indent=2))


if __name__ == "__main__":
    main()
