"""Count a ledger in several processes: each takes one range of cases after the other, all read one snapshot."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import asyncpg
import uvloop
from msgspec import Struct, structs

from services.ledger.pool import DatabaseConnection, session_of
from services.reports.count_helpers import HelperPipe
from services.reports.counting import CaseCounts, Choice
from services.reports.reading import CaseRange, PageRange, Selection, read_cases, statement

# What a helper's session and counts cost is some 0.05 s: so many cases, or events to be folded, take longer.
_CASES_WORTH_A_PROCESS = 30_000
_EVENTS_WORTH_A_PROCESS = 30_000
_RANGES_PER_PROCESS = 8
# While this process takes in that one is done, the helper is at the next.
_RANGES_AHEAD = 2
_DIGITS = 4


Ranges = Iterator[CaseRange | PageRange]


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
    job: CountJob,
    total: CaseCounts,
    helpers: Sequence[HelperPipe] = (),
    watcher: CountWatcher = UNWATCHED,
) -> None:
    """Count every case of the ledger into `total`, in this process and as many helpers as are worth their work."""
    async with _reading(job) as session:
        row = await session.fetchrow(statement("report_size"))
        cases, events = max(row["cases"], 0.0), max(row["events"], 0.0)
        watcher.planned(int(cases))
        work = await _work(session, job.selection, cases, events)
        called = helpers[: int(work)]
        ranges = _ranges(job.selection, row["pages"], 1 + len(called), work)
        if not called:
            await _count_ranges(session, job, ranges, total, watcher)
            return
        snapshot = await session.fetchval(statement("export_snapshot"))
        helped = structs.replace(job, snapshot=snapshot)
        await _count_shared(session, helped, ranges, total, called, watcher)


def _ranges(selection: Selection, pages: int, processes: int, work: float) -> Ranges:
    """Split what is read; more ranges than processes, so that all end at one time.

    `work` is in processes that it is worth: one process too takes much of it in ranges, so that its progress is even.
    """
    number = max(processes, int(work)) * _RANGES_PER_PROCESS if work >= 1 else 1
    if selection.source == "evidence":
        return iter(ranges_of(number))
    return iter(pages_of(number, pages))


def ranges_of(number: int) -> list[CaseRange]:
    """Split the case ids, which are evenly spread."""
    edges = [f"{16**_DIGITS * n // number:0{_DIGITS}x}" for n in range(1, number)]
    return [CaseRange(*edge) for edge in zip(["", *edges], [*edges, "g"], strict=True)]


def pages_of(number: int, pages: int) -> list[PageRange]:
    """Split the pages of a table; the last range has no end, so that nothing rests on their number."""
    whole = PageRange()
    edges = [(pages * n // number, 0) for n in range(1, number)]
    return [
        PageRange(*edge) for edge in zip([whole.low, *edges], [*edges, whole.high], strict=True)
    ]


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
    ranges: Ranges,
    total: CaseCounts,
    helpers: Sequence[HelperPipe],
    watcher: CountWatcher,
) -> None:
    elsewhere = [
        asyncio.create_task(_count_elsewhere(pipe, job, ranges, watcher)) for pipe in helpers
    ]
    try:
        await asyncio.sleep(0)
        await _count_ranges(session, job, ranges, total, watcher)
        for theirs in await asyncio.gather(*elsewhere):
            total.merge(theirs)
    except BaseException:
        for pipe in helpers:
            # A thread waits for what would come.
            pipe.hang_up()
        raise


async def _count_elsewhere(
    pipe: HelperPipe, job: CountJob, ranges: Ranges, watcher: CountWatcher
) -> CaseCounts:
    """Have a helper count ranges as long as there are any, and give its counts."""
    pipe.send((count_asked, (job,)))
    for _ in range(_RANGES_AHEAD):
        pipe.send(next(ranges, None))
    while not isinstance(answer := await asyncio.to_thread(pipe.receive), CaseCounts):
        watcher.read(answer)
        pipe.send(next(ranges, None))
    return answer


def count_asked(pipe: HelperPipe, job: CountJob) -> CaseCounts:
    """Count the ranges that the parent sends, and tell it of each; what a helper does."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_counted(job, pipe))


async def _counted(job: CountJob, pipe: HelperPipe) -> CaseCounts:
    counts = CaseCounts(job.selection.methodologies[-1], job.selection.cutoff, job.choice)
    async with _reading(job) as session:
        while (part := pipe.receive()) is not None:
            before = counts.cases
            await _count_ranges(session, job, iter([part]), counts, UNWATCHED)
            pipe.send(counts.cases - before)
    for _ in range(_RANGES_AHEAD - 1):
        # Each range was sent ahead by so many, and so was the end.
        pipe.receive()
    return counts


async def _count_ranges(
    session: asyncpg.Connection,
    job: CountJob,
    ranges: Ranges,
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
