"""Replay of the article's year from Kafka into Postgres, its memory and its digest.

Servers, replay and this process share the machine: the seconds are those of everything together.
The year is scaled by TAKEDOWN_BENCH_YEAR_CASES; the target of 60 s is scaled with it.

    python -m tests.benchmarks.bench_replay [CASES]
"""

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg

from consumers.client.connection import KafkaConnection
from consumers.ledger.ledger_consumer import LedgerConsumer
from consumers.replay.replay_run import (
    ReplayProgress,
    ReplayRequest,
    identity,
    replay,
    workers_here,
)
from schemas.methodology import shipped
from services.exporter.health import Health
from services.ledger import migrate
from services.ledger.ledger_digest import ledger_digest
from services.ledger.pool import open_pool
from services.runtime.embedded import EmbeddedKafka, EmbeddedPostgres
from tests.as_configured import database_at, kafka_at, ledger_options
from tests.benchmarks import article_year as year
from tests.benchmarks import ledger_steps
from tests.benchmarks.figures import Figure, figure
from tests.benchmarks.replay_limit import limits
from tests.benchmarks.server_cpu import cpu_below

CASES = int(os.environ.get("TAKEDOWN_BENCH_YEAR_CASES", str(year.CASES)))
METHOD = shipped()["nl-24h"]
TARGET_SECONDS = 60.0
TARGET_MEGABYTES = 600.0
MOST = "replay, the most of these on all cores"
_SAMPLE = 200
# Reading the memory of large processes costs what it measures.
_WATCH_SECONDS = 1.0


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
        yield kafka_at(kafka.bootstrap_servers), postgres.dsn
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
        peak = max(peak, sum(megabytes(pid) for pid in family(process.pid)))
        time.sleep(_WATCH_SECONDS)
    if process.returncode:
        raise RuntimeError("the replay failed; its message stands above")
    found: dict[str, Any] = json.loads(process.stdout.read().splitlines()[-1])
    return found | {"megabytes": peak}


def family(root: int) -> set[int]:
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


def megabytes(pid: int) -> float:
    """Give a process's share of memory: what it shares with others is counted once."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


class _Stages(ReplayProgress):
    def __init__(self) -> None:
        self.at: dict[str, float] = {}
        self._begun = time.perf_counter()

    def stage(self, name: str) -> None:
        self.at[name] = time.perf_counter() - self._begun


async def _replay(bootstrap: str, dsn: str, name: str) -> dict[str, Any]:
    asked = ReplayRequest(
        name=name,
        identity=identity(METHOD),
        database=database_at(dsn),
        kafka=kafka_at(bootstrap),
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
    """Replay the year, fold it live in the same place, and see that both digests are one."""
    async with servers(folder) as (kafka, dsn):
        events = await year.fill(kafka, cases)
        before = cpu_below(folder)
        found = await asyncio.to_thread(replay_apart, kafka, dsn, "year")
        serving = (cpu_below(folder) - before) / events * 1e6
        if found["events"] != events:
            raise RuntimeError(f"{found['events']} events were folded, {events} were sent")
        bare = await limits(kafka.bootstrap_servers)
        pool = await open_pool(database_at(dsn, role="takedown_ledger"))
        begun = time.perf_counter()
        await _live(kafka, pool, events)
        seconds = time.perf_counter() - begun
        same = float(await ledger_digest(pool) == found["digest"])
        await pool.close()
    target = TARGET_SECONDS * cases / year.CASES
    stories = islice(year.stories(), _SAMPLE)
    sample = [event for story in stories for _, event in year.events_of(story)]
    steps = ledger_steps.whole_cases(sample) | ledger_steps.admission(sample, year.KEYRING)
    least = bare["reading and decoding alone"][1] + sum(steps.values()) + serving
    return [
        figure(f"replay of {events:,} events", found["seconds"], "s", at_most=target),
        figure("replay events", events / found["seconds"], "events/s"),
        figure("replay processes' own time", found["cpu"], "core s"),
        *(figure(f"replay, {name}", rate, "events/s") for name, (rate, _) in bare.items()),
        *(figure(f"replay, {name}: CPU", cpu, "µs/event") for name, (_, cpu) in bare.items()),
        *(figure(f"replay, {name}: CPU", cpu, "µs/event") for name, cpu in steps.items()),
        figure("replay, servers: CPU", serving, "µs/event"),
        figure(MOST, workers_here() * 1e6 / least, "events/s"),
        *(figure(f"replay, until its {name}", at, "s") for name, at in found["stages"].items()),
        figure("replay peak memory", found["megabytes"], "MB PSS", at_most=TARGET_MEGABYTES),
        figure("the same events live", events / seconds, "events/s"),
        figure("replay equals live", same, "1 = equal", at_least=1.0),
    ]


async def _live(kafka: KafkaConnection, pool: asyncpg.Pool, events: int) -> None:
    consumer = LedgerConsumer(
        kafka, pool, year.KEYRING, METHOD, Health(), lambda: datetime.now(UTC), **ledger_options()
    )
    stop = asyncio.Event()
    role = asyncio.create_task(consumer.run(stop))
    text = "SELECT coalesce(sum(next_offset), 0) FROM consumer_offsets"
    while not role.done() and await pool.fetchval(text) < events:
        await asyncio.sleep(0.1)
    stop.set()
    await role


def run(cases: int = CASES) -> list[Figure]:
    """Measure once."""
    made: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="bench-replay-") as folder:
        made += asyncio.run(the_year(Path(folder) / "year", cases))
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
