"""Reports: beside the build before, from the prompt to the table and its page, and what bounds the rest.

The article's year and the real cases, both builds by turns on one server: seconds of the wall, CPU-seconds and memory
of all processes of a report, then what no report can do without: its rows read, its libraries loaded, its words drawn.
After that, in this process: how fast the evidence of cases of 20 looks is folded anew, and in how much memory.

    python -m tests.benchmarks report

TAKEDOWN_BENCH_YEAR_CASES says how much of the year (all of it: 185,000), TAKEDOWN_BENCH_PAIRS how many pairs (1).
"""

import asyncio
import os
import resource
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import asyncpg

from schemas.events import Event
from schemas.methodology import shipped
from schemas.sealing import Keyring
from services.cli.report_command import count
from services.core.estimate import turnbull
from services.core.fold import fold
from services.core.intervals import outward
from services.core.removal import removal_time
from services.core.resample import REPLICATES, words
from services.ledger import migrate, rows
from services.reports import urlhaus
from services.runtime.embedded import EmbeddedPostgres
from tests.as_configured import database_at
from tests.benchmarks.before import (
    CUTOFFS,
    REAL_CUTOFFS,
    ROOT,
    Measured,
    Reports,
    databases,
    pairs,
    tree_of,
    watched,
)
from tests.benchmarks.bench_fold import LOOKS, history
from tests.benchmarks.figures import Figure, figure
from tests.strategies import START

FORMER = "5aa4257"
YEAR_CASES = os.environ.get("TAKEDOWN_BENCH_YEAR_CASES", "185000")
PAIRS = int(os.environ.get("TAKEDOWN_BENCH_PAIRS", "1"))
# Times the build before, by the seconds of the wall.
TIMES = {"report in mid-year": 5, "report after the year": 5, "report as of now": 2}
MOST_SECONDS = {"real cases": 1, "real cases as of now": 1}
MOST_MEMORY = 500
LIBRARIES = "import asyncpg, click, msgspec, numpy, structlog, uvloop"
REAL_PROVIDERS = 6957
CASES = int(os.environ.get("TAKEDOWN_BENCH_CASES", "10000"))
METHOD = shipped()["nl-24h"]
CUTOFF = START + timedelta(days=30)
DUMP = Path(__file__).parents[1] / "data" / "urlhaus-2026-03-09T0928.csv.gz"


def estimate_seconds() -> float:
    """Time Turnbull's estimate on the real data: 17,769 intervals at a minute's resolution."""
    keys = Keyring(naming=b"n" * 32, sealing={"k1": b"s" * 32}, active="k1")
    method = shipped()["urlhaus-report-clock"]
    logs: defaultdict[str, list[Event]] = defaultdict(list)
    for event in urlhaus.events(DUMP, keys):
        logs[event.case_id].append(event)
    spells = [spell for log in logs.values() for spell in fold(log, method)[0].spells]
    times = [removal_time(spell, method, timedelta(hours=24)) for spell in spells]
    intervals = [outward(found, 60.0) for found in times if found is not None]
    started = time.perf_counter()
    turnbull(intervals)
    return time.perf_counter() - started


async def fill(dsn: str) -> None:
    """Write events and folded cases as the ledger would, but by COPY."""
    session = await asyncpg.connect(dsn)
    await migrate.up(session)
    lives = [history(number) for number in range(CASES)]
    # In the order of their times, as they arrive: a case's events lie far apart, which is the harder way to read.
    arrived = sorted((event for life in lives for event in life), key=lambda event: event.time)
    events = [rows.event_row(event) for event in arrived]
    await session.copy_records_to_table("events", records=events, columns=rows.EVENTS.names)
    folded = [rows.case_row(fold(life, METHOD)[0], 0) for life in lives]
    await session.copy_records_to_table("cases", records=folded)
    await session.execute("ANALYZE")
    await session.close()


async def measure(dsn: str) -> tuple[float, float]:
    """Give events a second folded anew, and cases a second as they are stored, tables included, in one process."""
    connection = database_at(dsn=dsn)
    started = time.perf_counter()
    anew = await count(connection, METHOD, CUTOFF, source="evidence")
    refold = CASES * (LOOKS + 2) / (time.perf_counter() - started)
    started = time.perf_counter()
    assert await count(connection, METHOD, CUTOFF) == anew
    return refold, CASES / (time.perf_counter() - started)


def beside(former: Path, cases: str, cutoffs: Mapping[str, str]) -> Iterator[Figure]:
    """Measure both builds on one server, and this one's limits."""
    with tempfile.TemporaryDirectory() as folder, databases(Path(folder)) as (theirs, ours):
        before = Reports(former, theirs, cases, cutoffs)
        now = Reports(ROOT, ours, cases, cutoffs)
        measured = pairs(before.measure, now.measure, PAIRS)
        for name in cutoffs:
            yield from compared(name, measured)
        yield figure(f"bare reading, {cases} cases", asyncio.run(bare(ours)), "CPU-seconds")


def compared(name: str, measured: Sequence[tuple[Measured, Measured]]) -> Iterator[Figure]:
    """Give seconds, CPU-seconds and memory of one report beside those of the build before."""
    for rate, what in (("per second", "seconds"), ("per CPU-second", "CPU-seconds")):
        former, now = (
            statistics.median(1 / pair[side][f"{name}, {rate}"] for pair in measured)
            for side in (0, 1)
        )
        most = MOST_SECONDS.get(name) if what == "seconds" else None
        yield figure(name, now, what, baseline=former, at_most=most)
        least = TIMES.get(name) if what == "seconds" else None
        yield figure(f"{name}: {what}", former / now, "times less", at_least=least)
    memory = [[pair[side][f"{name}, MB"] for pair in measured] for side in (0, 1)]
    yield figure(name, max(memory[1]), "MB at most", baseline=max(memory[0]), at_most=MOST_MEMORY)


async def bare(dsn: str) -> float:
    """Give the CPU-seconds of reading every folded case with the same client, and of nothing else."""
    session = await asyncpg.connect(dsn)
    try:
        started = time.process_time()
        async with session.transaction():
            cursor = await session.cursor("SELECT state FROM cases")
            while await cursor.fetch(2000):
                pass
        return time.process_time() - started
    finally:
        await session.close()


def limits() -> list[Figure]:
    """Give what a report on the real cases spends before and beside its own work."""
    loading = watched([sys.executable, "-c", LIBRARIES], ROOT, {})[2]
    started = time.process_time()
    for replicate in range(REPLICATES):
        words("seed", replicate, REAL_PROVIDERS)
    drawing = time.process_time() - started
    return [
        figure("loading of the libraries", loading, "CPU-seconds"),
        figure("SHAKE-256 of the real cases' bootstrap", drawing, "CPU-seconds"),
    ]


def former_figures() -> list[Figure]:
    """Measure the year and the real cases beside the build before."""
    with tree_of(FORMER) as former:
        return [
            *beside(former, YEAR_CASES, CUTOFFS),
            *beside(former, "real", REAL_CUTOFFS),
            *limits(),
        ]


def run() -> list[Figure]:
    """Measure all."""
    return [*former_figures(), *refold_figures()]


def refold_figures() -> list[Figure]:
    """Fill from a child: that needs more memory than reading, which is what is measured here."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder), durable=False)
        asyncio.run(server.start())
        try:
            child = os.fork()
            if child == 0:
                asyncio.run(fill(server.dsn))
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            refold, stored = asyncio.run(measure(server.dsn))
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        finally:
            asyncio.run(server.stop())
    return [
        figure("report_refold", refold, "events/s"),
        figure("report_stored", stored, "cases/s"),
        figure("report_memory_growth", grown / 1024, "MB", at_most=50),
        # Last: it holds the whole dump, and would hide what reading grew to.
        figure("turnbull_17769_intervals", estimate_seconds(), "s", at_most=3),
    ]


if __name__ == "__main__":
    for made in run():
        print(made)
