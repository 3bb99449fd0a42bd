"""What an event costs in a ledger of a million cases, against one of ten thousand: both in one server, in turns.

Every event is one more look at a case that is seen online after its deadline, so that it does the same work in both.
`under watch` looks at the newest cases, as many in either ledger. `spread` looks at any of all, a quarter of a million
times: what 278 looks a second come to in the fifteen minutes from one checkpoint to the next, because the first
change of a page after a checkpoint goes to the log as a whole page, and at a million cases every other look is one.
Before, what looks read is read once, as it is in a ledger that has run for a day.

What bounds the ratio is measured behind it, in the same ledgers: bare statements that write the same rows by their
keys, three for a batch, from a client that only waits.

The server is started anew between the filling and the looks: it takes memory by what its ledger holds at its start.
A million cases take 5.4 GB of disk and as much log while they are filled in.

    python -m tests.benchmarks.bench_size [FEW MANY]
"""

import asyncio
import hashlib
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from msgspec import Struct

from schemas.events import Event
from schemas.methodology import shipped
from schemas.sqlfiles import statements
from services.ledger import migrate
from services.ledger.ledger_digest import ledger_digest
from services.ledger.pool import open_pool
from services.ledger.rows import event_row
from services.ledger.store import Advance, Claim, LedgerStore
from services.runtime.embedded import EmbeddedPostgres
from tests.as_configured import database_at
from tests.benchmarks import article_year as year
from tests.benchmarks.figures import Figure, figure

METHOD = shipped()["nl-24h"]
FEW, MANY = 10_000, 1_000_000
TARGET_RATIO = 1.2
BATCH = 2000
WARM, NEWEST_ROUNDS, SPREAD_ROUNDS, BARE_ROUNDS = 10, 30, 125, 30
_PLACE = ("takedown.observations.v1", 0)
_START = datetime(2025, 6, 1, tzinfo=UTC)
_SQL = statements("tests.benchmarks", "size.sql")
_TICK = os.sysconf("SC_CLK_TCK")


class Cost(Struct):
    """What events cost: seconds by the clock and of both processes, and log written, of it whole pages."""

    events: int = 0
    seconds: float = 0.0
    client: float = 0.0
    server: float = 0.0
    log_bytes: float = 0.0
    log_pages: float = 0.0

    def each(self, field: str) -> float:
        """Give one of them per event, seconds as microseconds."""
        found: float = getattr(self, field) / self.events
        return found if field.startswith("log") else found * 1e6


class Filled:
    """A ledger of many cases, each with a report, a notice, and two looks that found it online."""

    _session: asyncpg.Connection
    _pool: asyncpg.Pool
    _store: LedgerStore
    _claim: Claim

    def __init__(self, dsn: str, cases: int) -> None:
        self._dsn = dsn
        self.cases = cases
        self._rng = random.Random(cases)
        self._batches = 0
        self.backend = 0

    async def fill(self) -> None:
        """Let the ledger write one case, and multiply it."""
        case_id = await self._write_one()
        await self._session.execute("SET synchronous_commit = off")
        for table in ("cases", "spells", "transitions", "outcomes", "events"):
            text = _SQL[f"multiply_{table}"]
            await self._session.execute(text, case_id, self.cases)
        await self._session.execute("VACUUM (ANALYZE)")
        await self.close()

    async def _write_one(self) -> str:
        """Open a new ledger, let it write one case, and give its id."""
        await migrate.up(session := await asyncpg.connect(self._dsn))
        await session.close()
        await self.open()
        story = next(year.stories(1))
        await self._write([event for _, event in year.events_of(story)][:3])
        await self._write([_look(story.case_id, _START)])
        return story.case_id

    async def open(self) -> None:
        """Take the ledger over, as a process does at its start."""
        self._session = await asyncpg.connect(self._dsn)
        one = database_at(self._dsn, role="takedown_ledger", max_size=1)
        self._pool = await open_pool(one)
        self._store = LedgerStore(self._pool, METHOD, lambda: _START, "bench")
        await self._store.check_methodology()
        self._claim = (await self._store.claim([_PLACE])).popitem()[1]

    async def warm(self) -> None:
        """Read in the session that writes what looks read, so that neither server nor system meets it anew."""
        async with self._pool.acquire() as session:
            self.backend = session.get_server_pid()
            await session.execute(_SQL["by_index"])
            for table in ("cases", "spells", "events"):
                await session.fetchval(_SQL[f"touch_{table}"], timeout=600)
            await session.execute(_SQL["as_before"])

    async def checkpoint(self) -> None:
        """Have every page's next change written to the log as a whole."""
        await self._session.execute("CHECKPOINT")

    async def batch(self, cost: Cost, *, spread: bool, bare: bool = False) -> None:
        """Write a batch of later looks, and add what it cost."""
        first = 1 if spread else self.cases - FEW + 1
        chosen = self._rng.sample(range(first, self.cases + 1), BATCH)
        at = _START + timedelta(hours=1 + self._batches)
        # Names made now, as if from Kafka: picked from a list of a million, they would be cold for the client too.
        events = [_look(_name(number), at) for number in chosen]
        before = await self._log()
        begun, client, server = time.perf_counter(), time.process_time(), self._server_seconds()
        await (self._write_bare if bare else self._write)(events)
        cost.seconds += time.perf_counter() - begun
        cost.client += time.process_time() - client
        cost.server += self._server_seconds() - server
        after = await self._log()
        cost.events += BATCH
        cost.log_bytes += after["bytes"] - before["bytes"]
        cost.log_pages += after["pages"] - before["pages"]

    async def _write(self, events: list[Event]) -> None:
        self._batches += 1
        newest, offset = max(event.time for event in events), self._batches * BATCH
        advance = Advance(*_PLACE, self._claim.epoch, offset, newest)
        written = await self._store.write(events, [advance], _none_refused)
        if (written.events, written.duplicates) != (len(events), 0):
            raise RuntimeError("the batch was not taken as it was meant")
        if len(events) == BATCH and written.outcomes:
            raise RuntimeError("looks that should change nothing had outcomes")

    async def _write_bare(self, events: list[Event]) -> None:
        """Write the rows of looks with nothing decided."""
        self._batches += 1
        names, at = [event.case_id for event in events], events[0].time
        body = event_row(events[0]).body
        async with self._pool.acquire() as session, session.transaction():
            await session.execute(_SQL["bare_cases"], names, at)
            await session.execute(_SQL["bare_spells"], names)
            await session.execute(_SQL["bare_events"], names, at, body)

    async def _log(self) -> asyncpg.Record:
        """Ask how much log there is; the writer's own part of it counts once it is flushed."""
        await self._pool.fetchval("SELECT pg_stat_force_next_flush()")
        return await self._session.fetchrow(_SQL["log_written"])

    def _server_seconds(self) -> float:
        text = Path(f"/proc/{self.backend}/stat").read_text() if self.backend else ") " + "0 " * 14
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    async def check(self) -> None:
        """Raise where the tables contradict each other: what was measured would be no ledger."""
        await ledger_digest(self._pool)

    async def close(self) -> None:
        """Let go of the server."""
        await self._pool.close()
        await self._session.close()


def _name(number: int) -> str:
    return hashlib.md5(b"%d" % number, usedforsecurity=False).hexdigest()


def _look(case_id: str, at: datetime) -> Event:
    story = year.Story(case_id, "", "giant", "192.0.2.1", at, 1e6)
    return year._look(story, at)


async def _none_refused(indices: list[int]) -> None:
    raise RuntimeError(f"{len(indices)} events were refused")


Pair = tuple[Filled, Filled]


async def turns(pair: Pair, rounds: int, *, spread: bool, bare: bool = False) -> tuple[Cost, Cost]:
    """Give the costs in both ledgers; batches take turns, so that what else the machine does hits both."""
    costs = Cost(), Cost()
    for _ in range(rounds):
        for ledger, cost in zip(pair, costs, strict=True):
            await ledger.batch(cost, spread=spread, bare=bare)
    return costs


def figures(
    form: str, many: int, costs: tuple[Cost, Cost], *, at_most: float | None = TARGET_RATIO
) -> list[Figure]:
    """Give the cost of an event, its parts, and the ratio, of which the last is judged."""
    few, large = costs
    parts = (
        ("seconds", "", "us/event"),
        ("client", ", client's CPU", "us/event"),
        ("server", ", server's CPU", "us/event"),
        ("log_bytes", ", log", "B/event"),
        ("log_pages", ", whole pages in the log", "pages/event"),
    )
    shown = [
        figure(f"{many:,} cases, {form}{name}", large.each(part), unit, baseline=few.each(part))
        for part, name, unit in parts
    ]
    own = (large.client + large.server) / (few.client + few.server)
    return [
        *shown,
        figure(f"many to few, {form}, CPU", own, "ratio"),
        figure(f"many to few, {form}", large.seconds / few.seconds, "ratio", at_most=at_most),
    ]


async def both(pair: Pair, call: Callable[[Filled], Awaitable[None]]) -> None:
    """Do something to one ledger, then to the other."""
    for ledger in pair:
        await call(ledger)


async def by_size(folder: Path, few: int, many: int) -> list[Figure]:
    """Measure the ledger's cost per event with few and with many cases."""
    postgres = EmbeddedPostgres(folder)
    await postgres.start()
    try:
        pair = await _pair(postgres, few, many)
        await both(pair, Filled.fill)
        await postgres.stop()
        await postgres.start()
        await both(pair, Filled.open)
        await both(pair, Filled.warm)
        await turns(pair, WARM, spread=False)
        newest = await turns(pair, NEWEST_ROUNDS, spread=False)
        await pair[0].checkpoint()
        spread = await turns(pair, SPREAD_ROUNDS, spread=True)
        await pair[0].check()
        bare = [await turns(pair, BARE_ROUNDS, spread=far, bare=True) for far in (False, True)]
        await both(pair, Filled.close)
    finally:
        await postgres.stop()
    bounds = [
        *figures("bare statements under watch", many, bare[0], at_most=None),
        *figures("bare statements, spread", many, bare[1], at_most=None),
    ]
    return figures("under watch", many, newest) + figures("spread", many, spread) + bounds


async def _pair(postgres: EmbeddedPostgres, few: int, many: int) -> Pair:
    session = await asyncpg.connect(postgres.dsn)
    for name in ("few", "many"):
        await session.execute(f"CREATE DATABASE {name}")
    await session.close()
    return Filled(postgres.dsn_of("few"), few), Filled(postgres.dsn_of("many"), many)


def run(few: int = FEW, many: int = MANY) -> list[Figure]:
    """Measure once."""
    with tempfile.TemporaryDirectory(prefix="bench-size-") as folder:
        return asyncio.run(by_size(Path(folder), few, many))


def main(arguments: Iterable[str]) -> int:
    """Measure and print."""
    print(json.dumps(run(*map(int, arguments)), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
