"""The ledger consumer: evidence from Kafka into Postgres."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter

import asyncpg
import structlog
from aiokafka import TopicPartition
from msgspec import Struct

from consumers.client.connection import KafkaConnection, Record
from consumers.client.groups import LEDGER_GROUP
from consumers.client.heap import rare_collections
from consumers.client.loop_health import LoopHealth
from consumers.ledger.batch_loop import BatchLoop
from consumers.ledger.brake import FloodBrake
from consumers.ledger.session import Claims, LoopSettings, Offsets
from consumers.record.admission import Admission
from consumers.record.deadletter import DeadLetterSender
from consumers.record.refusal import (
    id_conflict,
    is_fault_of_event,
    notice_conflict,
    unfoldable,
)
from schemas import topics
from schemas.errors import UnusableEvent
from schemas.events import Event
from schemas.methodology import Methodology
from schemas.sealing import Keyring
from services.exporter import metrics
from services.ledger.store import Advance, BatchResult, LedgerStore

log = structlog.get_logger(__name__)

NAME = "ledger"

Letter = tuple[Record, UnusableEvent]
_partition: Callable[[Record], tuple[str, int]] = attrgetter("topic", "partition")
_time: Callable[[Event], datetime] = attrgetter("time")


# While one transaction waits for the server, the other's rows are made here: a core for each side.
_LANES = 2
# Between them the transactions of the batch before go on: else the server waits until a whole batch is decoded.
_DECODED_AT_ONCE = 250


class LedgerBatch(Struct):
    """Admitted records with their events, refused ones, and the offsets that both move.

    `lanes` are its parts that are still to be written, each of whole partitions; None before the first attempt.
    """

    records: list[Record]
    events: list[Event]
    refused: list[Letter]
    claims: Claims
    reached: Offsets
    lanes: "list[LedgerBatch] | None" = None

    def advances(self) -> list[Advance]:
        """Give how far this batch moves each partition."""
        newest: dict[TopicPartition, datetime] = {}
        for tp, run in _runs(self.records):
            last = max(map(_time, self.events[run]))
            newest[tp] = max(newest.get(tp, last), last)
        return [
            Advance(tp.topic, tp.partition, self.claims[tp].epoch, offset, newest.get(tp))
            for tp, offset in self.reached.items()
        ]

    def split(self, count: int) -> "list[LedgerBatch]":
        """Split by partitions into lanes of about equal length; every partition is whole in one of them."""
        sizes: dict[TopicPartition, int] = dict.fromkeys(self.reached, 0)
        runs = _runs(self.records)
        for tp, run in runs:
            sizes[tp] += run.stop - run.start
        lanes = [LedgerBatch([], [], [], self.claims, {}) for _ in range(count)]
        loads, lane_of = [0] * count, {}
        for tp, size in sorted(sizes.items(), key=lambda item: -item[1]):
            lightest = loads.index(min(loads))
            loads[lightest] += size
            lane_of[tp] = lanes[lightest]
            lanes[lightest].reached[tp] = self.reached[tp]
        for tp, run in runs:
            lane_of[tp].records += self.records[run]
            lane_of[tp].events += self.events[run]
        return [lane for lane in lanes if lane.reached]

    def halves(self) -> "tuple[LedgerBatch, LedgerBatch]":
        """Split where half of the admitted records are; every partition keeps its order."""
        middle = len(self.records) // 2
        early, late = self.records[:middle], self.records[middle:]
        return (
            LedgerBatch(early, self.events[:middle], self.refused, self.claims, _after(early)),
            LedgerBatch(late, self.events[middle:], [], self.claims, self.reached),
        )


class LedgerHandler:
    """Admits records, refuses what can't be used, and writes the rest."""

    def __init__(
        self,
        store: LedgerStore,
        admission: Admission,
        letters: DeadLetterSender,
        brake: FloodBrake,
    ) -> None:
        self._store = store
        self._admission = admission
        self._letters = letters
        self._brake = brake

    async def claim(self, partitions: Sequence[TopicPartition]) -> Claims:
        """Take the partitions over in the ledger."""
        await self._store.check_methodology()
        claims = await self._store.claim([(tp.topic, tp.partition) for tp in partitions])
        return {TopicPartition(*name): claim for name, claim in claims.items()}

    async def prepare(
        self, records: Sequence[Record], claims: Claims, reached: Offsets
    ) -> LedgerBatch:
        """Decode and name; raises `FloodOfUnusable`."""
        batch = LedgerBatch([], [], [], claims, reached)
        for start in range(0, len(records), _DECODED_AT_ONCE):
            self._admit(batch, records[start : start + _DECODED_AT_ONCE])
            await asyncio.sleep(0)
        return batch

    def join(self, batch: LedgerBatch, later: LedgerBatch) -> LedgerBatch:
        """Add what was admitted and refused later."""
        batch.records += later.records
        batch.events += later.events
        batch.refused += later.refused
        batch.reached |= later.reached
        return batch

    def _admit(self, batch: LedgerBatch, records: Sequence[Record]) -> None:
        usable = 0
        for record in records:
            try:
                batch.events.append(self._admission.admit(record))
                batch.records.append(record)
                usable += 1
            except UnusableEvent as error:
                self._brake.usable(usable)
                usable = 0
                self._refuse(batch.refused, record, error)
        self._brake.usable(usable)

    def _refuse(self, refused: list[Letter], record: Record, error: UnusableEvent) -> None:
        refused.append((record, error))
        self._brake.unusable(error.reason, _place(*refused[0]))

    async def write(self, batch: LedgerBatch) -> None:
        """Write a batch, its lanes side by side; an event that nothing can be made of is found by halving.

        Dead letters first: they may be there twice, but never be missing once the offsets have moved. A lane that was
        written stays so, whatever becomes of the other: a second attempt is about the rest.
        """
        await self._letters.send(batch.refused)
        batch.refused = []
        if batch.lanes is None:
            batch.lanes = batch.split(_LANES)
        writing = [asyncio.create_task(self._take(lane)) for lane in batch.lanes]
        await _ended(writing)
        done = [task.exception() is None for task in writing]
        batch.lanes = [lane for lane, ok in zip(batch.lanes, done, strict=True) if not ok]
        for task in writing:
            task.result()

    async def _take(self, lane: LedgerBatch) -> None:
        begun = time.perf_counter()
        try:
            await self._write(lane)
        except Exception as error:
            if not is_fault_of_event(error) or not lane.records:
                raise
            await self._isolate(lane, error)
        metrics.BATCH_SECONDS.observe(time.perf_counter() - begun)

    async def _isolate(self, batch: LedgerBatch, error: Exception) -> None:
        if len(batch.records) > 1:
            for half in batch.halves():
                await self._take(half)
            return
        log.error("ledger.unusable", case_id=batch.events[0].case_id, error=type(error).__name__)
        self._refuse(batch.refused, batch.records[0], unfoldable(error))
        await self._take(LedgerBatch([], [], batch.refused, batch.claims, batch.reached))

    async def _write(self, batch: LedgerBatch) -> None:
        await self._letters.send(batch.refused)
        batch.refused = []
        advances = batch.advances()
        written = await self._store.write(
            batch.events,
            advances,
            lambda indices: self._conflicts(batch, indices),
            lambda indices: self._notice_conflicts(batch, indices),
        )
        self._count(batch, advances, written)

    async def _conflicts(self, batch: LedgerBatch, indices: list[int]) -> None:
        refused: list[Letter] = []
        for index in indices:
            self._refuse(refused, batch.records[index], id_conflict())
        await self._letters.send(refused)

    async def _notice_conflicts(self, batch: LedgerBatch, indices: list[int]) -> None:
        """Show notices that are evidence like any other and start no clock; no flood of them stops the line."""
        await self._letters.send([(batch.records[index], notice_conflict()) for index in indices])

    def _count(self, batch: LedgerBatch, advances: Sequence[Advance], written: BatchResult) -> None:
        metrics.BATCHES.inc()
        metrics.REFOLDS.inc(written.refolds)
        per_topic: dict[str, int] = {}
        for tp, run in _runs(batch.records):
            per_topic[tp.topic] = per_topic.get(tp.topic, 0) + run.stop - run.start
        for topic, count in per_topic.items():
            metrics.EVENTS.labels(topic).inc(count)
        for advance in advances:
            if advance.event_time is not None:
                gauge = metrics.CONSUMER_EVENT_TIMESTAMP_SECONDS.labels(advance.topic)
                gauge.set(advance.event_time.timestamp())


class LedgerConsumer:
    """The role: a member of the group `takedown-ledger` until it is stopped.

    Args:
        clock: dates dead letters and voided outcomes; event times come from the events.

    """

    def __init__(
        self,
        kafka: KafkaConnection,
        pool: asyncpg.Pool,
        keyring: Keyring,
        methodology: Methodology,
        health: LoopHealth,
        clock: Callable[[], datetime],
        *,
        group: str = LEDGER_GROUP,
        settings: LoopSettings,
        brake: FloodBrake,
    ) -> None:
        self._letters = DeadLetterSender(kafka, clock)
        handler = LedgerHandler(
            LedgerStore(pool, methodology, clock, group),
            Admission(keyring),
            self._letters,
            brake,
        )
        names = [topic.name for topic in topics.EVIDENCE]
        self._loop = BatchLoop(
            NAME, kafka, handler, health, topics=names, group=group, settings=settings
        )

    def __repr__(self) -> str:
        return f"<LedgerConsumer {self._loop!r}>"

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; raises `FloodOfUnusable`, `EvidenceGone`, `ConfigError`."""
        try:
            with rare_collections():
                await self._loop.run(stop)
        finally:
            await self._letters.close()


async def _ended(tasks: "Sequence[asyncio.Task[None]]") -> None:
    """Wait until all have ended; where this is cancelled, so are they, and their transactions are over too."""
    try:
        await asyncio.wait(tasks)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        raise


def _place(record: Record, error: UnusableEvent) -> str:
    return (
        f"topic {record.topic}, partition {record.partition}, offset {record.offset}: {error.reason}, "
        f"{error}"
    )


def _runs(records: Sequence[Record]) -> list[tuple[TopicPartition, slice]]:
    """Give the stretches of records of one partition: the client gives one partition after the other."""
    runs, start = [], 0
    for place, run in groupby(map(_partition, records)):
        stop = start + len(tuple(run))
        runs.append((TopicPartition(*place), slice(start, stop)))
        start = stop
    return runs


def _after(records: Sequence[Record]) -> Offsets:
    """Give the offset after the last record of each partition."""
    return {TopicPartition(record.topic, record.partition): record.offset + 1 for record in records}
