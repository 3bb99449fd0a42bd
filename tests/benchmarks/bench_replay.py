"""Replay of the article's year from Kafka into Postgres, its memory, its digest, and what a larger ledger costs.

Servers, replay and this process share the machine: the seconds are those of everything together.
The year is scaled by TAKEDOWN_BENCH_YEAR_CASES; the target of 60 s is scaled with it.

    python -m tests.benchmarks.bench_replay [CASES]
"""

import asyncio
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from consumers.connection import KafkaConnection
from consumers.ledger import LedgerConsumer
from consumers.replay.run import Asked, Progress, identity, replay, workers_here
from schemas.events import Event
from schemas.methodology import shipped
from services.core.fold import fold
from services.exporter.health import Health
from services.ledger import migrate, rows
from services.ledger.digest import ledger_digest
from services.ledger.pool import DatabaseConnection, open_pool
from services.ledger.store import Advance, LedgerStore
from services.runtime.embedded import EmbeddedKafka, EmbeddedPostgres
from tests.benchmarks import article_year as year
from tests.benchmarks.figures import Figure, figure

CASES = int(os.environ.get("TAKEDOWN_BENCH_YEAR_CASES", str(year.CASES)))
SAMPLE = 9_000
METHOD = shipped()["nl-24h"]
TARGET_SECONDS = 60.0
TARGET_MEGABYTES = 1000.0
TARGET_RATIO = 1.2
FEW, MANY = 10_000, 1_000_000
BATCH = 2000
WARM, ROUNDS = 10, 20
# Reading the memory of large processes costs what it measures.
_WATCH_SECONDS = 1.0
_START = datetime(2025, 6, 1, tzinfo=UTC)


@asynccontextmanager
async def servers(folder: Path) -> AsyncIterator[tuple[KafkaConnection, str]]:
    """Hold a broker and a migrated database."""
    kafka, postgres = (
        EmbeddedKafka(folder / "kafka", throughput=True),
        EmbeddedPostgres(folder / "pg"),
    )
    await kafka.start()
    await postgres.start()
    try:
        session = await asyncpg.connect(postgres.dsn)
        await migrate.up(session)
        await session.close()
        yield KafkaConnection(kafka.bootstrap_servers), postgres.dsn
    finally:
        await postgres.stop()
        await kafka.stop()


# -- the year ----------------------------------------------------------------------------------------


def replay_apart(kafka: KafkaConnection, dsn: str, name: str) -> dict[str, Any]:
    """Replay in a process of its own, and watch the memory of it and its workers."""
    settings = json.dumps({"bootstrap": kafka.bootstrap_servers, "dsn": dsn, "name": name})
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.bench_replay", "replay"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(settings)
    process.stdin.close()
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, sum(_megabytes(pid) for pid in _family(process.pid)))
        time.sleep(_WATCH_SECONDS)
    if process.returncode:
        raise RuntimeError("the replay failed; its message stands above")
    found: dict[str, Any] = json.loads(process.stdout.read().splitlines()[-1])
    return found | {"megabytes": peak}


def _family(root: int) -> set[int]:
    """Give a process and all below it."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _megabytes(pid: int) -> float:
    """Give a process's share of memory: what it shares with others is counted once."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


class _Stages(Progress):
    def __init__(self) -> None:
        self.at: dict[str, float] = {}
        self._begun = time.perf_counter()

    def stage(self, name: str) -> None:
        self.at[name] = time.perf_counter() - self._begun


async def _replay(bootstrap: str, dsn: str, name: str) -> dict[str, Any]:
    asked = Asked(
        name=name,
        identity=identity(METHOD),
        database=DatabaseConnection(dsn),
        kafka=KafkaConnection(bootstrap),
        keyring=year.KEYRING,
        workers=workers_here(),
    )
    stages, begun = _Stages(), time.perf_counter()
    found = await replay(asked, stages)
    seconds = time.perf_counter() - begun
    return {
        "seconds": seconds,
        "events": found.totals.events,
        "digest": found.digest,
        "stages": stages.at,
        "cpu": sum(_cpu_seconds(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)),
    }


def _cpu_seconds(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


async def the_year(folder: Path, cases: int) -> list[Figure]:
    """Replay the year once."""
    async with servers(folder) as (kafka, dsn):
        events = await year.fill(kafka, cases)
        found = await asyncio.to_thread(replay_apart, kafka, dsn, "year")
    if found["events"] != events:
        raise RuntimeError(f"{found['events']} events were folded, {events} were sent")
    target = TARGET_SECONDS * cases / year.CASES
    return [
        figure(f"replay of {events:,} events", found["seconds"], "s", at_most=target),
        figure("replay events", events / found["seconds"], "events/s"),
        figure("replay processes' own time", found["cpu"], "core s"),
        figure("replay peak memory", found["megabytes"], "MB PSS", at_most=TARGET_MEGABYTES),
    ]


async def equal_to_live(folder: Path, cases: int) -> list[Figure]:
    """Fold a sample live and by replay; both digests must be one."""
    async with servers(folder) as (kafka, dsn):
        events = await year.fill(kafka, cases)
        pool = await open_pool(DatabaseConnection(dsn, role="takedown_ledger"))
        await _live(kafka, pool, events)
        live = await ledger_digest(pool)
        await pool.close()
        found = await asyncio.to_thread(replay_apart, kafka, dsn, "sample")
    same = float(found["digest"] == live)
    return [figure(f"replay equals live, {events:,} events", same, "1 = equal", at_least=1.0)]


async def _live(kafka: KafkaConnection, pool: asyncpg.Pool, events: int) -> None:
    consumer = LedgerConsumer(
        kafka, pool, year.KEYRING, METHOD, Health(), lambda: datetime.now(UTC)
    )
    stop = asyncio.Event()
    role = asyncio.create_task(consumer.run(stop))
    text = "SELECT coalesce(sum(next_offset), 0) FROM consumer_offsets"
    while not role.done() and await pool.fetchval(text) < events:
        await asyncio.sleep(0.1)
    stop.set()
    await role


# -- the size of the ledger --------------------------------------------------------------------------


class Filled:
    """A ledger that holds many cases, each with a report, a notice and a look."""

    def __init__(self, dsn: str, cases: int) -> None:
        self._dsn = dsn
        self.names = [f"{number:08x}" + "5a" * 12 for number in _scattered(cases)]
        self._rng = random.Random(cases)
        self._looks = 0

    async def fill(self) -> None:
        """Copy the cases in, as the ledger would have left them."""
        session = await asyncpg.connect(self._dsn)
        await migrate.up(session)
        story = next(year.stories(1))
        events = [event for _, event in year.events_of(story)][:3]
        case, moved = fold(events, METHOD)
        for start in range(0, len(self.names), 20_000):
            names = self.names[start : start + 20_000]
            await _copy(session, names, events, case, moved)
        await session.execute("ANALYZE")
        # The first write to a page after a checkpoint costs a page of log: let both ledgers begin alike.
        await session.execute("CHECKPOINT")
        await session.close()
        self._pool = await open_pool(DatabaseConnection(self._dsn, role="takedown_ledger"))
        self._store = LedgerStore(self._pool, METHOD, lambda: _START, "bench")
        await self._store.check_methodology()
        self._claim = (await self._store.claim([("takedown.observations.v1", 0)])).popitem()[1]

    async def batch(self, *, spread: bool = False) -> float:
        """Write a batch of later looks; give the seconds per event.

        The cases under watch are the newest ones, as many in either ledger; `spread` takes any of all.
        """
        self._looks += 1
        at = _START + timedelta(hours=self._looks)
        names = self._rng.sample(self.names if spread else self.names[-FEW:], BATCH)
        events = [_later(name, at) for name in names]
        advance = Advance("takedown.observations.v1", 0, self._claim.epoch, self._looks * BATCH, at)
        begun = time.perf_counter()
        written = await self._store.write(events, [advance], _none_refused)
        if written.events != BATCH or written.duplicates:
            raise RuntimeError("the batch was not taken as it was meant")
        return (time.perf_counter() - begun) / BATCH

    async def close(self) -> None:
        await self._pool.close()


def _scattered(cases: int) -> Iterator[int]:
    """Give distinct numbers in no order, as keyed names are."""
    return (number * 2_654_435_761 % 2**32 for number in range(cases))


async def _copy(
    session: asyncpg.Connection, names: list[str], events: list[Event], case: Any, moved: Any
) -> None:
    cases, spells, log, transitions = [], [], [], []
    bodies = [rows.event_row(event)[1:] for event in events]
    for name in names:
        case.case_id = name
        cases.append(rows.case_row(case, len(moved)))
        spells += [rows.spell_row(case, spell) for spell in case.spells]
        log += [(name, *body) for body in bodies]
        transitions += rows.transition_rows(name, 0, moved)
    columns = ["case_id", "event_id", "event_time", "type", "source", "body"]
    await session.copy_records_to_table("events", records=log, columns=columns)
    await session.copy_records_to_table("cases", records=cases)
    await session.copy_records_to_table("spells", records=spells)
    await session.copy_records_to_table("transitions", records=transitions)


def _later(case_id: str, at: datetime) -> Event:
    story = year.Story(case_id, "", "giant", "192.0.2.1", at, 1e6)
    look = year._look(story, at)
    return msgspec.structs.replace(look, time=look.time)


async def _none_refused(indices: list[int]) -> None:
    raise RuntimeError(f"{len(indices)} events were refused")


async def by_size(folder: Path, few: int, many: int) -> list[Figure]:
    """Measure the ledger's cost per event with few and with many cases, in turns.

    The same number of cases is under watch in both. The last figure spreads the looks over all cases instead: there
    nearly every look is the first to touch its pages since the last checkpoint, and costs whole pages of log.
    """
    postgres = EmbeddedPostgres(folder / "pg")
    await postgres.start()
    try:
        session = await asyncpg.connect(postgres.dsn)
        await session.execute("CREATE DATABASE few")
        await session.execute("CREATE DATABASE many")
        await session.close()
        small = Filled(postgres.dsn_of("few"), few)
        large = Filled(postgres.dsn_of("many"), many)
        await small.fill()
        await large.fill()
        await _turns(small, large, WARM)
        low, high = await _turns(small, large, ROUNDS)
        spread_low, spread_high = await _turns(small, large, ROUNDS // 2, spread=True)
        await small.close()
        await large.close()
    finally:
        await postgres.stop()
    ratio = figure("ledger cost, many cases to few", high / low, "ratio", at_most=TARGET_RATIO)
    return [
        figure(f"ledger cost at {many:,} cases", high, "us/event", baseline=low),
        ratio,
        figure("the same, looks spread over all", spread_high, "us/event", baseline=spread_low),
    ]


async def _turns(
    small: Filled, large: Filled, rounds: int, *, spread: bool = False
) -> tuple[float, float]:
    """Give the median cost of both, in microseconds per event; taken in turns, so that noise hits both."""
    costs = [
        (await small.batch(spread=spread), await large.batch(spread=spread)) for _ in range(rounds)
    ]
    return (
        statistics.median(cost for cost, _ in costs) * 1e6,
        statistics.median(cost for _, cost in costs) * 1e6,
    )


def run(cases: int = CASES) -> list[Figure]:
    """Measure once."""
    made: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="bench-replay-") as folder:
        made += asyncio.run(the_year(Path(folder) / "year", cases))
        made += asyncio.run(equal_to_live(Path(folder) / "sample", min(SAMPLE, cases)))
        made += asyncio.run(by_size(Path(folder) / "size", FEW, MANY))
    return made


def main(arguments: list[str]) -> int:
    """Measure and print; `replay` is the measured process itself."""
    if arguments == ["replay"]:
        print(json.dumps(asyncio.run(_replay(**json.load(sys.stdin)))))
        return 0
    print(json.dumps(run(int(arguments[0]) if arguments else CASES), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
