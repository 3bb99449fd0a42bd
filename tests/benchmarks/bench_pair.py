"""Two ledger processes beside one: events per second on the same machine, servers included, and what bounds them.

Looks of `bench_ledger`, in the order of time. The consumers begin on full topics; the clock runs from a fifth of the
events to four fifths, so that neither the group's forming nor the last, uneven batches count. Kafka and PostgreSQL
share the cores with them: one ledger is bound by its own core, two by all cores and by what an event takes in all
processes.

    python -m tests.benchmarks.bench_pair
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import asyncpg
import uvloop
from msgspec import Struct

from consumers.client.topic_admin import create_topics
from consumers.ledger.ledger_consumer import LedgerConsumer
from schemas import topics
from schemas.methodology import shipped
from schemas.sqlfiles import statements
from services.exporter.health import Health
from services.ledger import migrate
from services.ledger.pool import open_pool
from services.runtime.embedded import EmbeddedKafka, EmbeddedPostgres
from tests.as_configured import database_at, kafka_at, ledger_options
from tests.benchmarks.bench_ledger import Load, _fill, looks, opening
from tests.benchmarks.bench_replay import family
from tests.benchmarks.figures import Figure, figure
from tests.benchmarks.ledger_side import KEYRING

CASES = int(os.environ.get("TAKEDOWN_BENCH_CASES", "3000"))
LOAD = Load("two ledgers", CASES, range(1, 21), spread=True)
METHOD = shipped()["nl-24h"]
TARGET = 1.6
_SQL = statements("tests.benchmarks", "pair.sql")
_TICK = os.sysconf("SC_CLK_TCK")
_LOOK_SECONDS = 0.05


class Pace(Struct):
    """What so many processes made of the evidence: events a second, and µs of CPU an event by who spent them."""

    rate: float
    ledgers: float
    servers: float
    other: float


def cpu_seconds(pids: list[int]) -> float:
    """Read how much CPU processes have used, with children of theirs that have ended."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, words[11:15]))
    return total / _TICK


def busy_seconds() -> float:
    """Read how much CPU the whole machine has used."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return (sum(map(int, words[1:9])) - int(words[4]) - int(words[5])) / _TICK


@contextlib.asynccontextmanager
async def _servers(folder: Path) -> AsyncIterator[tuple[EmbeddedKafka, EmbeddedPostgres]]:
    kafka = EmbeddedKafka(folder / "kafka", throughput=True)
    postgres = EmbeddedPostgres(folder / "postgres")
    await kafka.start()
    await postgres.start()
    try:
        yield kafka, postgres
    finally:
        await postgres.stop()
        await kafka.stop()


@contextlib.contextmanager
def _ledgers(bootstrap: str, dsn: str, count: int) -> Iterator[list[int]]:
    command = [sys.executable, "-m", "tests.benchmarks.bench_pair", "consume", bootstrap, dsn]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(count)]
    try:
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            # The end of its input ends it.
            process.communicate()


async def _consume(bootstrap: str, dsn: str) -> None:
    pool = await open_pool(database_at(dsn, role="takedown_ledger"))
    consumer = LedgerConsumer(
        kafka_at(bootstrap),
        pool,
        KEYRING,
        METHOD,
        Health(),
        lambda: datetime.now(UTC),
        **ledger_options(),
    )
    stop = asyncio.Event()
    role = asyncio.create_task(consumer.run(stop))
    await asyncio.to_thread(sys.stdin.read)
    stop.set()
    await role
    await pool.close()


async def pace(folder: Path, count: int) -> Pace:
    """Measure so many processes on servers of their own."""
    async with _servers(folder) as (kafka, postgres):
        broker = kafka_at(kafka.bootstrap_servers)
        await create_topics(broker, partitions=topics.DEFAULT_PARTITIONS, replication=1)
        session = await asyncpg.connect(postgres.dsn)
        await migrate.up(session)
        await _fill(broker, chain(opening(LOAD), looks(LOAD)))
        total = CASES * (3 + len(LOAD.looks))
        with _ledgers(kafka.bootstrap_servers, postgres.dsn, count) as pids:
            measured = await _watch(session, pids, total)
            await _reach(session, total)
        stored = await session.fetchval(_SQL["stored"])
        await session.close()
    if stored != total:
        raise RuntimeError(f"{stored} events are in the ledger, {total} were sent")
    return measured


async def _watch(session: asyncpg.Connection, ledgers: list[int], total: int) -> Pace:
    first = await _reach(session, total // 5)
    # The sessions of the ledgers are there by now.
    servers = [pid for pid in family(os.getpid()) if pid not in {*ledgers, os.getpid()}]
    before, begun = _spent(ledgers, servers), time.perf_counter()
    last = await _reach(session, total * 4 // 5)
    seconds, events = time.perf_counter() - begun, last - first
    spent = [now - then for now, then in zip(_spent(ledgers, servers), before, strict=True)]
    ledger, server, machine = (1e6 * one / events for one in spent)
    return Pace(events / seconds, ledger, server, machine - ledger - server)


def _spent(ledgers: list[int], servers: list[int]) -> tuple[float, float, float]:
    return cpu_seconds(ledgers), cpu_seconds(servers), busy_seconds()


async def _reach(session: asyncpg.Connection, events: int) -> int:
    """Wait until so many records are dealt with; give how many are."""
    while (taken := await session.fetchval(_SQL["taken"])) < events:
        await asyncio.sleep(_LOOK_SECONDS)
    return int(taken)


def run() -> list[Figure]:
    """Measure one process, then two, each on servers of its own."""
    paces = []
    for count in (1, 2):
        with tempfile.TemporaryDirectory(prefix="bench-pair-") as folder:
            paces.append(asyncio.run(pace(Path(folder), count)))
    one, two = paces
    # One is bound by its own core, two by all cores that they share with the servers.
    most = (os.cpu_count() or 1) * one.ledgers / (two.ledgers + two.servers)
    return [
        figure("two ledgers, events", two.rate, "events/s", baseline=one.rate),
        figure("two ledgers to one", two.rate / one.rate, "ratio", at_least=TARGET),
        figure("two to one, the limit by their CPU", most, "ratio"),
        figure("CPU of the ledgers, two beside one", two.ledgers, "us/event", baseline=one.ledgers),
        figure("CPU of the servers, two beside one", two.servers, "us/event", baseline=one.servers),
        figure("CPU of all else, two beside one", two.other, "us/event", baseline=one.other),
    ]


def main(arguments: list[str]) -> int:
    """Measure and print; `consume` is one of the measured processes."""
    if arguments[:1] == ["consume"]:
        uvloop.run(_consume(*arguments[1:]))
    else:
        print(json.dumps(run(), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
