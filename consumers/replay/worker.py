"""A worker process: takes units, reads, folds and writes them, one transaction each."""

import asyncio
import gc
import signal
from collections.abc import Callable, Iterator
from itertools import islice
from multiprocessing.connection import Connection
from typing import Any

import asyncpg
import uvloop
from msgspec import Struct

from consumers.client.connection import KafkaConnection
from consumers.client.heap import settle
from consumers.record.admission import RecordAdmission
from consumers.record.chain import Chain, PlacedAdmission, open_chain
from consumers.record.places import Ranges
from consumers.record.source import EVIDENCE, Source
from consumers.replay.unit_fold import Rules, UnitFold
from consumers.replay.unit_records import UnitRecords
from schemas.errors import TakedownError
from schemas.sealing import Keyring
from services.attribution.providermap import ProviderMap
from services.ledger.pool import DatabaseConnection, connect
from services.ledger.shadow.schema import Identity, Unit, statement
from services.ledger.shadow.writing import Folded, UnitWriter

# So many cases are folded at a time: the next ones use their memory again, which costs less than new one.
_CASES = 10
# So often their rows are copied: each table's is a statement.
_CHUNKS_A_COPY = 30


class ReplayJob(Struct, frozen=True, kw_only=True):
    """All that a worker needs; goes to it through a pipe, because it holds secrets.

    Archives are read in their order; `kafka` is None where they are all that is read.
    """

    database: DatabaseConnection
    kafka: KafkaConnection | None
    archive: tuple[str, ...]
    keyring: Keyring
    shadow: str
    identity: Identity
    ranges: Ranges
    partitions: int

    def __repr__(self) -> str:
        return f"<ReplayJob {self.shadow}>"

    def rules(self) -> Rules:
        """Give the rules of the fold."""
        identity = self.identity
        providers = None if identity.map_text is None else ProviderMap.parse(identity.map_text)
        return Rules(
            methodology=identity.methodology,
            partitions=self.partitions,
            providers=providers,
            event_from=identity.event_from,
            event_to=identity.event_to,
        )

    def source(self) -> Chain:
        """Open where the records come from."""
        return open_chain(self.archive, self.kafka)


def work(connection: Connection, job: ReplayJob) -> None:
    """Be a worker: the entry of the process. Ends when the other end of the pipe is closed."""
    # The parent says when to stop; a Ctrl-C reaches the whole group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Millions of small records without a cycle among them: looking for cycles costs a third of the time.
    gc.freeze()
    gc.disable()
    settle()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(connection, job))
    except (EOFError, BrokenPipeError):
        return
    except TakedownError as error:
        connection.send(("failed", str(error), error.exit_code))
    except Exception as error:
        # Only the kind: a driver's message may quote a value.
        connection.send(("failed", f"a worker failed: {type(error).__name__}", 1))
        raise


async def _serve(connection: Connection, job: ReplayJob) -> None:
    session = await connect(job.database, timeout=30)
    source = job.source()
    admission, rules = PlacedAdmission(job.keyring, source), job.rules()
    try:
        connection.send(("ready",))
        while (unit := await asyncio.to_thread(connection.recv)) is not None:
            work_on = _UnitJob(session, source, job, unit, admission, rules)
            await work_on.run(lambda count: connection.send(("read", count)))
            connection.send(("done", unit.unit))
            gc.collect()
    finally:
        await source.close()
        await session.close()


class _UnitJob:
    """One unit in one worker."""

    def __init__(
        self,
        session: asyncpg.Connection,
        source: Source,
        job: ReplayJob,
        unit: Unit,
        admission: RecordAdmission,
        rules: Rules,
    ) -> None:
        self._session = session
        self._source = source
        self._job = job
        self._unit = unit
        self._admission = admission
        self._rules = rules

    async def run(self, on_read: Callable[[int], None]) -> None:
        strays: list[Any] = []
        if self._unit.strays:
            text = statement("strays_of", shadow=self._job.shadow)
            strays = await self._session.fetch(text, self._unit.partition)
        only = frozenset(row["case_id"] for row in strays) if self._unit.strays else None
        unit_records = UnitRecords(self._unit, self._admission, self._rules.partitions, only)
        for topic in EVIDENCE:
            await self._gather(unit_records, topic, on_read)
            unit_records.add(row for row in strays if row["topic"] == topic)
        await self._write(unit_records)

    async def _gather(
        self, unit_records: UnitRecords, topic: str, on_read: Callable[[int], None]
    ) -> None:
        place = (topic, self._unit.partition)
        begins, until = self._job.ranges.get(place, (0, 0))
        reached = begins
        async for records in self._source.read(place, begins, until):
            unit_records.take(records)
            on_read(records[-1].offset + 1 - reached)
            reached = records[-1].offset + 1
        on_read(until - reached)

    async def _write(self, records: UnitRecords) -> None:
        fold = UnitFold(self._rules, self._admission)
        writer = UnitWriter(self._session, self._job.shadow, self._job.identity.with_events)
        async with self._session.transaction():
            if not await writer.claim(self._unit):
                return
            for number, folded in enumerate(_fold(records, fold), 1):
                if self._unit.strays:
                    await writer.forget([f.case.case_id for f in folded])
                writer.keep(folded)
                if number % _CHUNKS_A_COPY == 0:
                    await writer.write()
            refused = records.refused + fold.refused
            count = records.count if self._unit.slice == 0 else 0
            await writer.end(self._unit, count, fold.outside, refused, records.strays)


def _fold(records: UnitRecords, fold: UnitFold) -> Iterator[list[Folded]]:
    """Fold case by case, and give some cases at a time."""
    cases = (fold.fold(case_id, items) for case_id, items in records.cases())
    usable = (folded for folded in cases if folded is not None)
    while chunk := list(islice(usable, _CASES)):
        yield chunk
