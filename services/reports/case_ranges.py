"""Count a ledger in several processes: each takes one range of case ids after the other, all read one snapshot."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import asyncpg
import uvloop
from msgspec import Struct, structs

from services.ledger.pool import DatabaseConnection, session_of
from services.reports.count_helpers import HelperPipe, opened, receive, send
from services.reports.counting import CaseCounts, Choice
from services.reports.reading import CaseRange, Selection, read_cases, statement

# What a helper's session and counts cost is some 0.05 s: so many cases, or events to be folded, take longer.
_CASES_WORTH_A_PROCESS = 30_000
_EVENTS_WORTH_A_PROCESS = 30_000
_RANGES_PER_PROCESS = 8
# While this process takes in that one is done, the helper is at the next.
_RANGES_AHEAD = 2
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
    job: CountJob,
    total: CaseCounts,
    helpers: Sequence[socket.socket] = (),
    watcher: CountWatcher = UNWATCHED,
) -> None:
    """Count every case of the ledger into `total`, in this process and as many helpers as are worth their work."""
    async with _reading(job) as session:
        row = await session.fetchrow(statement("report_size"))
        cases, events = max(row["cases"], 0.0), max(row["events"], 0.0)
        watcher.planned(int(cases))
        work = await _work(session, job.selection, cases, events)
        called = helpers[: int(work)]
        ranges = iter(ranges_of(1 + len(called), work))
        if not called:
            await _count_ranges(session, job, ranges, total, watcher)
            return
        snapshot = await session.fetchval(statement("export_snapshot"))
        helped = structs.replace(job, snapshot=snapshot)
        await _count_shared(session, helped, ranges, total, called, watcher)


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
    helpers: Sequence[socket.socket],
    watcher: CountWatcher,
) -> None:
    elsewhere = [
        asyncio.create_task(_count_elsewhere(end, job, ranges, watcher)) for end in helpers
    ]
    try:
        await asyncio.sleep(0)
        await _count_ranges(session, job, ranges, total, watcher)
        for theirs in await asyncio.gather(*elsewhere):
            total.merge(theirs)
    finally:
        for task in elsewhere:
            task.cancel()


async def _count_elsewhere(
    end: socket.socket, job: CountJob, ranges: Iterator[CaseRange], watcher: CountWatcher
) -> CaseCounts:
    """Have a helper count ranges as long as there are any, and give its counts."""
    async with opened(end) as asked:
        send(asked, job)
        for _ in range(_RANGES_AHEAD):
            send(asked, next(ranges, None))
        while not isinstance(said := await receive(asked), CaseCounts):
            watcher.read(said)
            send(asked, next(ranges, None))
        return said


def count_asked(pipe: HelperPipe) -> None:
    """Count the ranges that the parent asks for, and give it the counts of all, or what went wrong."""
    try:
        job = pipe.receive()
    except EOFError:
        # As for most ledgers: the parent had no need of help.
        return
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            pipe.send(runner.run(_counted(job, pipe)))
    except Exception as error:
        # Whatever it is, the parent has to know.
        pipe.send(error)


async def _counted(job: CountJob, pipe: HelperPipe) -> CaseCounts:
    counts = CaseCounts(job.selection.methodologies[-1], job.selection.cutoff, job.choice)
    async with _reading(job) as session:
        while (part := pipe.receive()) is not None:
            before = counts.cases
            await _count_ranges(session, job, iter([part]), counts, UNWATCHED)
            pipe.send(counts.cases - before)
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
