"""Two ledger processes beside one: events per second on the same machine, servers included, and what bounds them.

Looks of `bench_ledger`, in the order of time. The consumers begin on full topics, and no batch is written before the
group is whole; the clock runs from two fifths of the events to four fifths, so that the last, uneven batches do not
count. Kafka and PostgreSQL share the cores with them: one ledger is bound by its own core, two by all cores and by what
an event takes in all processes.

What bounds them is measured in the same run: the bare loop of `ledger_limit`, one and then two at once on one Kafka
and one PostgreSQL, each with all of the work and a database of its own, so that neither waits for the other's rows;
and CPU loops that share nothing, one and then two.

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
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError
from msgspec import Struct

from consumers.client.connection import KafkaConnection
from consumers.client.groups import LEDGER_GROUP
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
from tests.benchmarks.bench_ledger import ROUNDS, Found, Load, World, _fill, looks, opening
from tests.benchmarks.bench_replay import family
from tests.benchmarks.figures import Figure, figure, middle
from tests.benchmarks.ledger_side import KEYRING
from tests.benchmarks.server_cpu import TICK, cpu_seconds
from tests.benchmarks.side_by_side import plain_loops

CASES = int(os.environ.get("TAKEDOWN_BENCH_CASES", "5000"))
LOAD = Load("two ledgers", CASES, range(1, 21), spread=True)
METHOD = shipped()["nl-24h"]
TARGET = 1.6
_SQL = statements("tests.benchmarks", "pair.sql")
_LOOK_SECONDS = 0.05


class Pace(Struct):
    """What so many processes made of the evidence: events a second, and µs of CPU an event by who spent them.

    Of the whole run: events a commit, cases and spells updated and bytes of log an event.
    """

    rate: float
    ledgers: float
    kafka: float
    postgres: float
    other: float
    batch: float = 0.0
    updates: float = 0.0
    log: float = 0.0

    @property
    def price(self) -> float:
        """Give the µs of CPU an event of all processes that it passes through."""
        return self.ledgers + self.kafka + self.postgres


def busy_seconds() -> float:
    """Read how much CPU the whole machine has used."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return (sum(map(int, words[1:9])) - int(words[4]) - int(words[5])) / TICK


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
        before = await session.fetchrow(_SQL["shape"])
        with _ledgers(kafka.bootstrap_servers, postgres.dsn, count) as pids:
            await _form(session, broker, count)
            measured = await _watch(session, pids, total)
            await _reach(session, total)
        stored = await session.fetchval(_SQL["stored"])
        after = await session.fetchrow(_SQL["shape"])
        await session.close()
    if stored != total:
        raise RuntimeError(f"{stored} events are in the ledger, {total} were sent")
    measured.batch = total / (after["commits"] - before["commits"])
    measured.updates = float(after["updates"] - before["updates"]) / total
    measured.log = float(after["log"] - before["log"]) / total
    return measured


async def _form(session: asyncpg.Connection, kafka: KafkaConnection, members: int) -> None:
    """Hold every batch back until the group is whole: one ledger alone is no part of two, nor is a rebalance."""
    admin = AIOKafkaAdminClient(**kafka.client_options())
    await admin.start()
    try:
        async with session.transaction():
            await session.execute(_SQL["hold"])
            while not await _whole(admin, members):
                await asyncio.sleep(_LOOK_SECONDS)
    finally:
        await admin.close()


async def _whole(admin: AIOKafkaAdminClient, members: int) -> bool:
    try:
        described = await admin.describe_consumer_groups([LEDGER_GROUP])
    except GroupCoordinatorNotAvailableError:
        return False
    _, _, state, _, _, present, *_ = described[0].groups[0]
    return state == "Stable" and len(present) == members


async def _watch(session: asyncpg.Connection, ledgers: list[int], total: int) -> Pace:
    first = await _reach(session, total * 2 // 5)
    # The sessions of the ledgers are there by now.
    kafka, postgres = _servers_now(ledgers)
    before, begun = _spent(ledgers, kafka, postgres), time.perf_counter()
    last = await _reach(session, total * 4 // 5)
    seconds, events = time.perf_counter() - begun, last - first
    now = _spent(ledgers, kafka, postgres)
    *prices, machine = (
        1e6 * (after - then) / events for after, then in zip(now, before, strict=True)
    )
    return Pace(events / seconds, *prices, machine - sum(prices))


def _servers_now(ledgers: list[int]) -> tuple[list[int], list[int]]:
    """Tell the processes of Kafka from those of PostgreSQL."""
    servers = [pid for pid in family(os.getpid()) if pid not in {*ledgers, os.getpid()}]
    kafka = [pid for pid in servers if Path(f"/proc/{pid}/comm").read_text() == "java\n"]
    return kafka, [pid for pid in servers if pid not in kafka]


def _spent(*groups: list[int]) -> tuple[float, ...]:
    return *map(cpu_seconds, groups), busy_seconds()


async def _reach(session: asyncpg.Connection, events: int) -> int:
    """Wait until so many records are dealt with; give how many are."""
    while (taken := await session.fetchval(_SQL["taken"])) < events:
        await asyncio.sleep(_LOOK_SECONDS)
    return int(taken)


def run() -> list[Figure]:
    """Measure one process, then two, each on servers of its own, by turns; the turn of the median ratio counts."""
    turns = [(_pace(1), _pace(2)) for _ in range(ROUNDS)]
    one, two = middle(turns, lambda turn: turn[1].rate / turn[0].rate)
    return figures(one, two) + limits(asyncio.run(_bare_loops()))


def _pace(count: int) -> Pace:
    with tempfile.TemporaryDirectory(prefix="bench-pair-") as folder:
        return asyncio.run(pace(Path(folder), count))


def figures(one: Pace, two: Pace) -> list[Figure]:
    """Judge two processes, and show where the price of an event rose."""
    rows = (
        ("CPU of the ledgers", "us/event", "ledgers"),
        ("CPU of Kafka", "us/event", "kafka"),
        ("CPU of PostgreSQL", "us/event", "postgres"),
        ("CPU of all else", "us/event", "other"),
        ("events a commit", "events", "batch"),
        ("rows updated", "rows/event", "updates"),
        ("log", "bytes/event", "log"),
    )
    return [
        figure("two ledgers, events", two.rate, "events/s", baseline=one.rate),
        figure("two ledgers to one", two.rate / one.rate, "ratio", at_least=TARGET),
        figure("two to one at most, at the price of one", _most(one.price, one.rate), "ratio"),
        figure("two to one at most, at the price of two", _most(two.price, one.rate), "ratio"),
        *(
            figure(f"{name}, two beside one", getattr(two, of), unit, baseline=getattr(one, of))
            for name, unit, of in rows
        ),
    ]


def _most(price: float, alone: float) -> float:
    """Give how many times the rate of one all cores make at so many µs an event, none of them ever idle."""
    return (os.cpu_count() or 1) * 1e6 / price / alone


async def _bare_loops() -> tuple[list[Found], list[Found]]:
    """Let one bare loop do what a ledger did, then two of them, each on a database of its own; by turns as well."""
    with tempfile.TemporaryDirectory(prefix="bench-pair-") as folder:
        async with World(Path(folder), LOAD) as world:
            await world.record()
            turns = [(await world.bare_loops(1), await world.bare_loops(2)) for _ in range(ROUNDS)]
    return middle(turns, lambda turn: _of_all(turn[1])[0] / _of_all(turn[0])[0])


def limits(loops: tuple[list[Found], list[Found]]) -> list[Figure]:
    """Show what the machine lets two of the barest programs do beside one."""
    (rate, cpu, servers), (rates, cpus, shared) = map(_of_all, loops)
    (alone, round_alone), (both, round_both) = plain_loops(1), plain_loops(2)
    return [
        figure("two bare loops, events", rates, "events/s", baseline=rate),
        figure("two bare loops beside one", rates / rate, "ratio"),
        figure("two bare loops at most", _most(cpu + servers, rate), "ratio"),
        figure("CPU of the bare loops, two beside one", cpus, "us/event", baseline=cpu),
        figure("CPU of their servers, two beside one", shared, "us/event", baseline=servers),
        figure("two plain CPU loops beside one", both / alone, "ratio"),
        figure("CPU of a round of theirs", 1e3 * round_both, "ns", baseline=1e3 * round_alone),
    ]


def _of_all(loops: list[Found]) -> tuple[float, float, float]:
    """Give events a second of all loops, and µs of CPU an event: the loops' and the servers'."""
    return (
        sum(one["rate"] for one in loops),
        sum(1e6 / one["per_cpu"] for one in loops) / len(loops),
        loops[0]["server"],
    )


def main(arguments: list[str]) -> int:
    """Measure and print; `consume` is one of the measured processes."""
    if arguments[:1] == ["consume"]:
        uvloop.run(_consume(*arguments[1:]))
    else:
        print(json.dumps(run(), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
