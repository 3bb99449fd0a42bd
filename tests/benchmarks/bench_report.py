"""Reports: how fast the evidence is folded anew from Postgres, in how much memory, and what the estimate costs.

Every case has a report, a notice and 20 looks. This process and the server share the machine.

    python -m tests.benchmarks.bench_report
"""

import asyncio
import os
import resource
import tempfile
import time
from collections import defaultdict
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
from services.ledger import migrate, rows
from services.reports import urlhaus
from services.runtime.embedded import EmbeddedPostgres
from tests.as_configured import database_at
from tests.benchmarks.bench_fold import LOOKS, history
from tests.benchmarks.figures import Figure, figure
from tests.strategies import START

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


def run() -> list[Figure]:
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
