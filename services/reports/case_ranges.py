"""Count a ledger in several processes: each takes one range of case ids after the other, all read one snapshot."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Protocol

import asyncpg
import uvloop
from msgspec import Struct, structs

from services.ledger.pool import DatabaseConnection, session_of
from services.reports.counting import CaseCounts, Choice
from services.reports.reading import CaseRange, Selection, read_cases, statement

# What a process costs before it counts anything is about 0.4 s: so many cases, or events to be folded, take longer.
_CASES_WORTH_A_PROCESS = 50_000
_EVENTS_WORTH_A_PROCESS = 120_000
_RANGES_PER_PROCESS = 8
_DIGITS = 4


class CountJob(Struct, frozen=True, kw_only=True):
    """What a process counts; it has to be picklable."""

    connection: DatabaseConnection
    selection: Selection
    choice: Choice
    snapshot: str | None = None


class CountWatcher(Protocol):
    """Hears how far a count has got, in cases."""

    def planned(self, records: int) -> None:
        """Take the number of all, which is known about."""

    def read(self, records: int) -> None:
        """Take how many more are counted."""


class Unwatched:
    """Whoever waits for no count."""

    def planned(self, records: int) -> None:
        """Do nothing."""

    def read(self, records: int) -> None:
        """Do nothing."""


UNWATCHED = Unwatched()


async def count_ledger(
    job: CountJob, total: CaseCounts, workers: int, watcher: CountWatcher = UNWATCHED
) -> None:
    """Count every case of the ledger into `total`, in up to so many processes, this one among them."""
    async with _reading(job) as session:
        row = await session.fetchrow(statement("report_size"))
        cases, events = max(row["cases"], 0.0), max(row["events"], 0.0)
        watcher.planned(int(cases))
        work = await _work(session, job.selection, cases, events)
        processes = max(1, min(workers, 1 + int(work)))
        ranges = iter(ranges_of(processes, work))
        if processes == 1:
            await _count_ranges(session, job, ranges, total, watcher)
            return
        snapshot = await session.fetchval(statement("export_snapshot"))
        helped = structs.replace(job, snapshot=snapshot)
        await _count_shared(session, helped, ranges, total, processes - 1, watcher)


def ranges_of(processes: int, work: float) -> list[CaseRange]:
    """Split the case ids, which are evenly spread; more ranges than processes, so that all end at one time.

    `work` is in processes that it is worth: one process too takes much of it in ranges, so that its progress is even.
    """
    count = max(processes, int(work)) * _RANGES_PER_PROCESS if work >= 1 else 1
    edges = [f"{16**_DIGITS * n // count:0{_DIGITS}x}" for n in range(1, count)]
    return [CaseRange(*edge) for edge in zip(["", *edges], [*edges, "g"], strict=True)]


async def _work(
    session: asyncpg.Connection, selection: Selection, cases: float, events: float
) -> float:
    """Tell how many processes the work is worth."""
    folded = {"stored": 0.0, "evidence": 1.0}.get(selection.source)
    if folded is None:
        later = await session.fetchval(statement("report_later"), selection.cutoff)
        folded = min(later / cases, 1.0) if cases else 0.0
    return cases / _CASES_WORTH_A_PROCESS + folded * events / _EVENTS_WORTH_A_PROCESS


async def _count_shared(
    session: asyncpg.Connection,
    job: CountJob,
    ranges: Iterator[CaseRange],
    total: CaseCounts,
    helpers: int,
    watcher: CountWatcher,
) -> None:
    # Who counts in one process, as most do, is not to wait for what others need.
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415
    from multiprocessing import get_context  # noqa: PLC0415

    loop = asyncio.get_running_loop()

    async def count_elsewhere() -> None:
        for part in ranges:
            theirs = await loop.run_in_executor(pool, count_range, job, part)
            total.merge(theirs)
            watcher.read(theirs.cases)

    # A fork would take over this process's threads and its loop half. Cases hold no cycles to be collected.
    with ProcessPoolExecutor(
        helpers, mp_context=get_context("spawn"), initializer=gc.disable
    ) as pool:
        # Two ranges for each: while this process takes in one, the helper is at the next.
        elsewhere = [asyncio.create_task(count_elsewhere()) for _ in range(2 * helpers)]
        try:
            await asyncio.sleep(0)
            await _count_ranges(session, job, ranges, total, watcher)
            await asyncio.gather(*elsewhere)
        finally:
            for task in elsewhere:
                task.cancel()


def count_range(job: CountJob, part: CaseRange) -> CaseCounts:
    """Count the cases of one part, in a process of its own."""
    counts = CaseCounts(job.selection.methodologies[-1], job.selection.cutoff, job.choice)

    async def work() -> None:
        async with _reading(job) as session:
            await _count_ranges(session, job, iter([part]), counts, UNWATCHED)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())
    return counts


async def _count_ranges(
    session: asyncpg.Connection,
    job: CountJob,
    ranges: Iterator[CaseRange],
    counts: CaseCounts,
    watcher: CountWatcher,
) -> None:
    for ids in ranges:
        async for part in read_cases(session, job.selection, ids):
            before = counts.cases
            for cases in part:
                for number, case in enumerate(cases[:-1]):
                    counts.add_before(case, number)
                counts.add(cases[-1])
            watcher.read(counts.cases - before)


@asynccontextmanager
async def _reading(job: CountJob) -> AsyncIterator[asyncpg.Connection]:
    async with (
        session_of(job.connection) as session,
        session.transaction(isolation="repeatable_read", readonly=True),
    ):
        if job.snapshot is not None:
            take = statement("take_snapshot").replace("{snapshot}", job.snapshot)
            await session.execute(take)
        yield session
