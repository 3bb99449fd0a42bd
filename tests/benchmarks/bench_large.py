"""What an event costs in a ledger of ten million cases, against one of a million: as `bench_size`, on 25 GB of disk.

Held is what a later look reads and writes, at its full size: the cases with their states, the spells and their
indexes, and the key of the log of events, with two events a case (`bench_size` has four). Left out is what it does
not touch: the text of earlier events, transitions and outcomes. A look costs the same without them: it appends to the
log, neither a transition nor an outcome follows from it, and none of their pages would stand in memory for its sake.

Filling writes no log (`large.sql`) and takes about five minutes; looks are measured by a server started anew.

    python -m tests.benchmarks.bench_large fill FOLDER [SIZE ...]
    python -m tests.benchmarks.bench_large measure FOLDER [SIZE ...]
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import asyncpg

from schemas.sqlfiles import statements
from services.ledger import migrate
from services.runtime.embedded import EmbeddedPostgres
from tests.benchmarks import article_year as year
from tests.benchmarks.bench_size import _START, Cost, Filled, _look, figures
from tests.benchmarks.figures import Figure, figure

SIZES = (1_000_000, 10_000_000)
TARGET_RATIO = 1.3
EVENTS_EACH = 2
WARM_ROUNDS, ROUNDS = 15, 40
_SQL = statements("tests.benchmarks", "large.sql")
_TABLES = ("spells", "cases", "events")


class Large(Filled):
    """A ledger of so many cases that only what a later look touches is held."""

    async def fill(self) -> None:
        """Let the ledger write one case, and multiply what a later look of it touches."""
        await migrate.up(session := await asyncpg.connect(self._dsn))
        await session.close()
        await self.open()
        story = next(year.stories(1))
        await self._write([event for _, event in year.events_of(story)][:3])
        await self._write([_look(story.case_id, _START)])
        await self._session.execute(_SQL["prepare"])
        for table in _TABLES:
            await self._fill(table)
        await self.close()

    async def _fill(self, table: str) -> None:
        begun = time.monotonic()
        async with self._session.transaction():
            await self._session.execute(_SQL[f"clear_{table}"])
            more = [EVENTS_EACH] if table == "events" else []
            await self._session.execute(_SQL[f"fill_{table}"], self._cases, *more)
            await self._session.execute(_SQL[f"index_{table}"])
        await self._session.execute(f"VACUUM (ANALYZE) {table}")
        print(
            f"{self._cases:,} {table}: {time.monotonic() - begun:.0f} s",
            file=sys.stderr,
            flush=True,
        )

    async def warm(self) -> None:
        """Read all states once, page by page; what a look takes besides, the rounds before the first figure read."""
        async with self._pool.acquire() as session:
            self.backend = session.get_server_pid()
        await self._session.fetchval(_SQL["read_through"])

    async def sizes(self) -> list[Figure]:
        """Give the bytes of each table and index that a look touches, for a case."""
        rows = await self._session.fetch(_SQL["sizes"])
        return [
            figure(f"{self._cases:,} cases, {row['name']}", row["bytes"] / self._cases, "B/case")
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


async def measure(folder: Path, sizes: Sequence[int]) -> list[Figure]:
    """Measure looks in all of them, by turns."""
    postgres = EmbeddedPostgres(folder)
    await postgres.start()
    ledgers = [Large(postgres.dsn_of(_database(cases)), cases) for cases in sizes]
    try:
        for ledger in ledgers:
            await ledger.open()
            await ledger.warm()
        await rounds(ledgers, WARM_ROUNDS, spread=False)
        newest = await rounds(ledgers, ROUNDS // 2, spread=False)
        await rounds(ledgers, WARM_ROUNDS, spread=True)
        await ledgers[0].checkpoint()
        spread = await rounds(ledgers, ROUNDS, spread=True)
        held = await ledgers[-1].sizes()
        for ledger in ledgers:
            await ledger.close()
    finally:
        await postgres.stop()
    return [*held, *compared("under watch", sizes, newest), *compared("spread", sizes, spread)]


async def rounds(ledgers: Sequence[Large], count: int, *, spread: bool) -> list[Cost]:
    """Give the costs in each ledger; batches take turns, so that what else the machine does hits all."""
    costs = [Cost() for _ in ledgers]
    for _ in range(count):
        for ledger, cost in zip(ledgers, costs, strict=True):
            await ledger.batch(cost, spread=spread)
    return costs


def compared(form: str, sizes: Sequence[int], costs: Sequence[Cost]) -> list[Figure]:
    """Give the costs of each size beside those of the one before."""
    made: list[Figure] = []
    for (few, many), (before, after) in zip(pairwise(sizes), pairwise(costs), strict=True):
        made += figures(f"{form}, to {few:,}", many, (before, after), at_most=TARGET_RATIO)
    return made


def _database(cases: int) -> str:
    return f"cases_{cases}"


def main(arguments: Sequence[str]) -> int:
    """Fill or measure, and print."""
    step, folder = arguments[0], Path(arguments[1])
    sizes = [int(size) for size in arguments[2:]] or SIZES
    if step == "fill":
        asyncio.run(fill(folder, sizes))
    else:
        print(json.dumps(asyncio.run(measure(folder, sizes)), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
