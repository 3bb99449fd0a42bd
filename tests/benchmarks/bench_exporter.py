"""The exporter at a million cases and 500 providers: the first reading, each later one, and what a scrape waits for.

Between two readings so many cases change as arrive in the interval at the design load of a year, and the clock moves
on. The statement of before (one pass over all spells) is timed beside, in the same server.

    python -m tests.benchmarks.bench_exporter [CASES]
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import asyncpg

from schemas.methodology import shipped
from schemas.sqlfiles import statements
from services.exporter.collector import Exporter
from services.exporter.health import Health
from services.exporter.http import serve
from services.ledger.pool import open_pool
from services.runtime.embedded import EmbeddedPostgres
from tests.as_configured import database_at
from tests.benchmarks.exporter_world import PROVIDERS, Filling
from tests.benchmarks.figures import Figure, figure

CASES = 1_000_000
# A case of the article's year has some 30 looks: a million of them a year are one look a second.
CHANGED, INTERVAL, ROUNDS = 30, timedelta(seconds=30), 5
_SQL = statements("tests.benchmarks", "exporter.sql")


class Meter:
    """Adds up what a pool's statements take, from the call to the last row."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def listen(self, pool: asyncpg.Pool) -> None:
        """Hear of every statement of all its connections."""
        async with pool.acquire() as one, pool.acquire() as other:
            for connection in (one, other):
                connection.add_query_logger(self._add)

    def _add(self, query: Any) -> None:
        self.seconds += query.elapsed

    def take(self) -> float:
        """Give the sum since the last time."""
        taken, self.seconds = self.seconds, 0.0
        return taken


class Clock:
    """An instant that the benchmark moves."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """Give it."""
        return self.now


async def timed(call: Callable[[], Awaitable[Any]]) -> float:
    """Give the seconds that a call takes."""
    begun = time.perf_counter()
    await call()
    return time.perf_counter() - begun


async def _window(health: Health) -> tuple[str, asyncio.Event, "asyncio.Task[None]"]:
    stop = asyncio.Event()
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(health, "127.0.0.1", 0, stop, ready=port.set_result))
    return f"http://127.0.0.1:{await port}", stop, serving


async def _scrapes(base: str, path: str) -> float:
    """Give the median of some requests, each after what is kept of the one before has run out."""
    took = []
    # What comes packed stays so: unpacking is the work of who asks.
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        for _ in range(ROUNDS):
            await asyncio.sleep(1.1)
            took.append(await timed(lambda: _get(session, base + path)))
    return median(took)


async def _get(session: aiohttp.ClientSession, address: str) -> None:
    async with session.get(address) as answer:
        answer.raise_for_status()
        await answer.read()


async def _again_and_again(exporter: Exporter, change: Callable[[int], Awaitable[None]]) -> None:
    while True:
        await change(CHANGED)
        await exporter.read_once()


async def measure(dsn: str, now: datetime) -> list[Figure]:
    """Read a ledger again and again while it changes."""
    clock, health = Clock(now), Health()
    owner = await asyncpg.connect(dsn)
    pool = await open_pool(database_at(dsn, max_size=2, role="takedown_exporter"))
    options: dict[str, Any] = {
        "top_providers": PROVIDERS,
        "watch_providers": (),
        "interval_seconds": 30.0,
        "statement_timeout_seconds": 60.0,
    }
    exporter = Exporter(pool, shipped()["nl-24h"], health, clock, public_status=False, **options)

    async def change(cases: int) -> None:
        clock.now += INTERVAL
        await owner.execute(_SQL["change"], cases)

    meter = Meter()
    await meter.listen(pool)
    first = await timed(exporter.read_once)
    first_sql = meter.take()
    later, sql, before, busy = [], [], [], []
    for _ in range(ROUNDS):
        await change(CHANGED)
        later.append(await timed(exporter.read_once))
        sql.append(meter.take())
        before.append(await timed(lambda: owner.fetch(_SQL["one_pass"], clock.now)))
        await change(10 * CHANGED)
        busy.append(await timed(exporter.read_once))
        meter.take()
    base, stop, serving = await _window(health)
    exporter.show()
    scrape, page = await _scrapes(base, "/metrics"), await _scrapes(base, "/status")
    readings = asyncio.create_task(_again_and_again(exporter, change))
    meanwhile = await _scrapes(base, "/metrics")
    readings.cancel()
    stop.set()
    await serving
    await pool.close()
    await owner.close()
    return [
        figure("exporter, first reading", first, "s"),
        figure("exporter, statements of the first reading", first_sql, "s"),
        figure("exporter, a later reading", median(later), "s", at_most=1.0),
        figure(
            "exporter, statements of a later reading",
            median(sql),
            "s",
            baseline=median(before),
            at_most=1.0,
        ),
        figure("exporter, a later reading, ten times as many changed", median(busy), "s"),
        figure("exporter, /metrics", scrape * 1000, "ms", at_most=50.0),
        figure("exporter, /metrics while it reads", meanwhile * 1000, "ms"),
        figure("exporter, /status", page * 1000, "ms", at_most=50.0),
    ]


async def _on_a_server(cases: int) -> list[Figure]:
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="bench-exporter-") as folder:
        postgres = EmbeddedPostgres(Path(folder))
        await postgres.start()
        try:
            await Filling(cases, now).fill(postgres.dsn)
            return await measure(postgres.dsn, now)
        finally:
            await postgres.stop()


def run(cases: int = CASES) -> list[Figure]:
    """Measure once."""
    return asyncio.run(_on_a_server(cases))


if __name__ == "__main__":
    print(json.dumps(run(*map(int, sys.argv[1:])), indent=2))
