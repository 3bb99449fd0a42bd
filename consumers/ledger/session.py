"""The turns of one Kafka client: claim, fetch, prepare, write.

What has to hold: every record is written once, in the order of its partition, whoever writes. What is in the way:

*A rebalance.* The group's coordinator gives each partition to one member. Whenever a member comes, goes, or is not
heard of for `session_seconds`, it takes all partitions from everybody and hands them out anew. The client tells its
listener (revoked, then assigned) inside the task that also sends the heartbeats: a listener that waits for a slow
batch would lose the membership over it. So `Rebalances` only counts; the session compares its *generation* with
that count after everything that it has waited for. Of what was fetched under an older generation nothing is
written: it is fetched again, by whoever owns the partition then.

*A member that does not know yet.* The group decides who should write, but can't stop one who was handed out of it
while his process hung. The ledger can: to *claim* a partition raises its *epoch* in Postgres, and a batch moves
the stored offsets only where its epochs are still the highest; else all of it is rolled back (`Fenced`). Two
members may read one record. One of them writes it.

*Two truths about the offset.* The offset that counts stands in Postgres, moved in the transaction that holds the
rows. Kafka's own commit comes later or never and is for tooling. So after a claim the client seeks to the stored
offsets, whatever position it had; a stored offset that the broker no longer has, or does not have yet, means that
records were lost or the topic was made anew, and stops the ledger (`EvidenceGone`) unless the operator accepts it.

*A slow batch.* The client leaves the group where nobody calls `getmany` for too long. While a batch waits for Postgres,
all partitions are *paused*: `getmany` then gives no records and the membership stays. The client keeps a partition
paused over a rebalance that brings it back, so what came back has to be resumed even then.

*Offsets without a record.* Transactions leave markers (control records) and aborted records behind, compaction leaves
gaps. The client passes over all of them in silence, so the last record does not tell how far a partition has been
read; the client's *position* does. It is what is stored, also where it moved without a record: else a partition that
ends in a marker would lag for ever, and a replay of it would for ever be ahead of the ledger. A position may also have
moved because the broker deleted what came next. So where it moved by more offsets than records came, the broker is
asked where the partition begins now: after the last position is a loss.

While a batch is written, the next one is fetched and decoded; never more than these two are held. After a batch that
was given up no later one may be written, for it would move the offsets past it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from msgspec import Struct

from consumers.client.connection import Record
from consumers.client.loop_health import LoopHealth
from consumers.client.outages import OutageRetry
from consumers.record.source import EvidenceGone
from services.ledger.store import Claim, Fenced

log = structlog.get_logger(__name__)

B = TypeVar("B")
T = TypeVar("T")
Claims = dict[TopicPartition, Claim]
Offsets = dict[TopicPartition, int]
# The client unpacks records in one go, and until then no answer of the server is read.
_FETCHED_AT_ONCE = 1_000


class BatchHandler(Protocol[B]):
    """What is done with records; `prepare` waits for nothing but lets others work, the rest may wait."""

    async def claim(self, partitions: Sequence[TopicPartition]) -> Claims:
        """Take the partitions over; raises what the store raises."""
        ...

    async def prepare(self, records: Sequence[Record], claims: Claims, reached: Offsets) -> B:
        """Decode a batch; `reached` has the next offset of each partition that it moves, also without a record."""
        ...

    def join(self, batch: B, later: B) -> B:
        """Put two batches of one claim together that are not written yet."""
        ...

    async def write(self, batch: B) -> None:
        """Perform a batch and store its offsets, all or nothing; raises `Fenced`."""
        ...


class LoopSettings(Struct, frozen=True, kw_only=True):
    """How a loop fetches and waits; seconds and bytes.

    `accept_gaps` goes on where the broker has lost records that the ledger never saw.
    `group_instance_id` is Kafka's static membership: a quick restart moves no partitions.
    """

    batch_records: int
    poll_seconds: float = 0.25
    fetch_bytes: int
    partition_fetch_bytes: int
    session_seconds: float = 10.0
    pause_after_seconds: float = 5.0
    stall_seconds: float
    watch_seconds: float = 5.0
    drain_seconds: float
    stop_seconds: float = 10.0
    group_instance_id: str | None = None
    accept_gaps: bool


class Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]
    """Counts rebalances; runs inside the coordinator's task, so it waits for nothing."""

    def __init__(self) -> None:
        self.generation = 0

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Note that what is fetched may be somebody else's."""
        self.generation += 1

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Note that partitions are to be claimed."""
        self.generation += 1


class Fetch(NamedTuple):
    """What one poll gave, and how far each claimed partition has been read by then; nothing where it was cut short."""

    records: Mapping[TopicPartition, list[Record]] = {}
    positions: Mapping[TopicPartition, int] = {}


class Session(Generic[B]):
    """One client's turns until `stop`; `positions` is what is stored, per owned partition."""

    def __init__(
        self,
        name: str,
        consumer: AIOKafkaConsumer,
        handler: BatchHandler[B],
        health: LoopHealth,
        *,
        rebalances: Rebalances,
        settings: LoopSettings,
        retry: OutageRetry,
    ) -> None:
        self._name = name
        self._consumer = consumer
        self._rebalances = rebalances
        self._handler = handler
        self._health = health
        self._settings = settings
        self._retry = retry
        self._claims: Claims = {}
        self._fetched: Offsets = {}
        self._writing: asyncio.Task[bool] | None = None
        self._stopping: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._writing_since = -1
        self.positions: Offsets = {}

    def __repr__(self) -> str:
        return f"<Session {self._name} partitions={len(self._claims)}>"

    async def run(self, stop: asyncio.Event) -> None:
        """Turn until `stop`, then finish the batch at hand."""
        self._stopping = stopping = asyncio.create_task(stop.wait())
        generation = -1
        try:
            while not stop.is_set():
                self._health.turned(self._name)
                if generation != self._rebalances.generation:
                    generation = await self._take_over()
                await self._turn(generation)
            await self._await_write()
        finally:
            stopping.cancel()
            if self._writing is not None:
                self._writing.cancel()

    async def _turn(self, generation: int) -> None:
        batch = await self._gather(generation)
        if generation != self._rebalances.generation:
            return  # whatever came is fetched again from the stored offsets
        if batch is None:
            if self._writing is not None and self._writing.done():
                await self._await_write()
            return
        written = await self._await_write()
        # After a batch that was given up, a later one must not move the offsets past it.
        if written and generation == self._rebalances.generation:
            self._writing_since = generation
            self._writing = asyncio.create_task(self._write(batch, dict(self._fetched), generation))

    async def _gather(self, generation: int) -> B | None:
        """Fetch and prepare by turns until a batch is full or the client has no more; None where nothing moved."""
        batch, room = None, self._settings.batch_records
        while room > 0:
            most = min(room, _FETCHED_AT_ONCE)
            fetched = await self._fetch(generation, most, wait=batch is None)
            if generation != self._rebalances.generation:
                return None
            records = [r for tp, part in fetched.records.items() for r in self._fresh(tp, part)]
            if not (reached := self._advance(fetched.positions)):
                break
            part = await self._prepare(records, reached)
            batch = part if batch is None else self._handler.join(batch, part)
            room = room - most if sum(map(len, fetched.records.values())) == most else 0
        return batch

    async def _prepare(self, records: list[Record], reached: Offsets) -> B:
        try:
            return await self._handler.prepare(records, self._claims, reached)
        except Exception:
            await self._await_write()
            raise

    async def _fetch(self, generation: int, most: int, *, wait: bool) -> Fetch:
        """Fetch, but no longer than until a rebalance or the stop: the client may wait without limit."""
        fetching = asyncio.ensure_future(self._poll(generation, most, wait=wait))
        try:
            while not (fetching.done() or self._stopping.done()):
                if generation != self._rebalances.generation:
                    return Fetch()
                self._health.turned(self._name)
                await asyncio.wait(
                    {fetching, self._stopping}, timeout=0.5, return_when=asyncio.FIRST_COMPLETED
                )
            return fetching.result() if fetching.done() else Fetch()
        finally:
            fetching.cancel()

    async def _poll(self, generation: int, most: int, *, wait: bool) -> Fetch:
        timeout_ms = int(self._settings.poll_seconds * 1000) if wait else 0
        records = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=most)
        try:
            positions = {tp: await self._consumer.position(tp) for tp in self._claims}
            await self._check_gaps(records, positions)
        except IllegalStateError:
            if generation == self._rebalances.generation:
                raise
            return Fetch()  # revoked meanwhile
        return Fetch(records, positions)

    async def _check_gaps(
        self,
        records: Mapping[TopicPartition, list[Record]],
        positions: Mapping[TopicPartition, int],
    ) -> None:
        """Raise `EvidenceGone` where offsets were passed over because the broker no longer has them."""
        passed = {tp: position - self._fetched[tp] for tp, position in positions.items()}
        gaps = [tp for tp, count in passed.items() if count > len(records.get(tp, ()))]
        if gaps:
            first = await self._consumer.beginning_offsets(gaps)
            for tp in gaps:
                self._start(tp, self._fetched[tp], first[tp], positions[tp])

    def _fresh(self, tp: TopicPartition, records: list[Record]) -> list[Record]:
        """Drop what lies before the stored offset, and what belongs to nobody here."""
        if tp not in self._claims:
            return []
        return [record for record in records if record.offset >= self._fetched[tp]]

    def _advance(self, positions: Mapping[TopicPartition, int]) -> Offsets:
        """Note how far the client has read; give the partitions that moved."""
        moved = {tp: position for tp, position in positions.items() if position > self._fetched[tp]}
        self._fetched |= moved
        return moved

    # -- writing -----------------------------------------------------------------------------

    async def _write(self, batch: B, reached: dict[TopicPartition, int], generation: int) -> bool:
        """Write a batch through outages; False where it was given up: the partitions may be somebody else's."""
        done = await self._retry.run(
            lambda: self._handler.write(batch),
            lambda: generation == self._rebalances.generation,
        )
        if done:
            self.positions.update(reached)
        return done

    async def _await_write(self) -> bool:
        """Wait for the batch that is being written; False where it was given up, raises what writing raised."""
        if self._writing is None:
            return True
        writing, self._writing = self._writing, None
        return await self._await_slow(writing, self._writing_since) or False

    async def _await_slow(self, work: "asyncio.Future[T]", generation: int) -> T | None:
        """Wait for work; when it takes long, pause and go on polling, so that the group keeps this member.

        None where a rebalance or the stop came first: slow work is dropped then, because the next owner
        waits for its rows.
        """
        try:
            _, slow = await asyncio.wait({work}, timeout=self._settings.pause_after_seconds)
            if not slow:
                return work.result()
            return work.result() if await self._await_paused(work, generation) else None
        finally:
            work.cancel()

    async def _await_paused(self, work: "asyncio.Future[Any]", generation: int) -> bool:
        """Wait for work with everything paused; False where a rebalance or the stop came first."""
        if generation != self._rebalances.generation:
            return False
        paused = tuple(self._consumer.assignment())
        self._consumer.pause(*paused)
        log.warning("consumer.paused", consumer=self._name, partitions=len(paused))
        try:
            return await self._poll_until(work, generation)
        finally:
            # Also after a rebalance: a partition that came back paused would stand still for ever.
            self._consumer.resume(*self._consumer.assignment().intersection(paused))
            log.info("consumer.resumed", consumer=self._name)

    async def _poll_until(self, work: "asyncio.Future[Any]", generation: int) -> bool:
        """Poll until work is done; False where a rebalance or the stop came first."""
        while not work.done():
            self._health.turned(self._name)
            if generation != self._rebalances.generation:
                return False
            if self._stopping.done():
                return await self._drain(work)
            polling = asyncio.ensure_future(self._consumer.getmany(timeout_ms=0))
            await asyncio.wait({work, polling}, timeout=1.0)
            if not polling.cancel() and not polling.cancelled():
                polling.result()  # what the client raises ends the session, as in any other turn
        return generation == self._rebalances.generation

    async def _drain(self, work: "asyncio.Future[Any]") -> bool:
        """Give work its last seconds; none where it waits for something that is away."""
        if not self._retry.waiting:
            await asyncio.wait({work}, timeout=self._settings.drain_seconds)
        return work.done()

    # -- ownership ---------------------------------------------------------------------------

    async def _take_over(self) -> int:
        """Claim what was assigned and seek to the stored offsets; return the generation this holds for."""
        await self._finish_write()
        generation = self._rebalances.generation
        self._claims, self._fetched, self.positions = {}, {}, {}
        assigned = sorted(self._consumer.assignment())
        if not assigned:
            return generation
        claiming = asyncio.ensure_future(self._claim(assigned, generation))
        claims = await self._await_slow(claiming, generation)
        if claims is None or generation != self._rebalances.generation:
            return -1
        starts = await self._starts(claims)
        try:
            for tp, start in starts.items():
                self._consumer.seek(tp, start)
        except IllegalStateError:
            return -1  # revoked meanwhile
        self._claims, self._fetched, self.positions = claims, dict(starts), dict(starts)
        log.info("consumer.claimed", consumer=self._name, partitions=len(starts))
        return generation

    async def _finish_write(self) -> None:
        """Let the batch at hand end, or drop it: the next owner waits for the rows that it holds."""
        writing, self._writing = self._writing, None
        if writing is None:
            return
        _, slow = await asyncio.wait({writing}, timeout=self._settings.pause_after_seconds)
        if slow:
            log.warning("consumer.dropped_batch", consumer=self._name)
            writing.cancel()
            await asyncio.wait({writing}, timeout=self._settings.stop_seconds)
        else:
            with suppress(Fenced):
                writing.result()

    async def _claim(self, assigned: list[TopicPartition], generation: int) -> Claims | None:
        claims: Claims = {}

        async def attempt() -> None:
            claims.update(await self._handler.claim(assigned))

        ours = await self._retry.run(attempt, lambda: generation == self._rebalances.generation)
        return claims if ours else None

    async def _starts(self, claims: Claims) -> dict[TopicPartition, int]:
        """Compare the stored offsets with the broker's: a gap is lost evidence and never passes silently."""
        tps = list(claims)
        first = await self._consumer.beginning_offsets(tps)
        last = await self._consumer.end_offsets(tps)
        return {tp: self._start(tp, claims[tp].next_offset, first[tp], last[tp]) for tp in tps}

    def _start(self, tp: TopicPartition, stored: int, first: int, last: int) -> int:
        if first <= stored <= last:
            return stored
        if not self._settings.accept_gaps:
            raise EvidenceGone(
                f"{tp.topic} partition {tp.partition}: the next record has offset {stored}, but the broker "
                f"has {first} to {last}. Records were deleted, or the topic was made anew. Restore the topic; "
                "or give the ledger an empty database; or accept the gap in the settings"
            )
        log.error("consumer.gap_accepted", topic=tp.topic, partition=tp.partition)
        return min(max(stored, first), last)

    async def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Tell Kafka's own tooling how far we are; nothing here depends on it."""
        if positions:
            with suppress(KafkaError, IllegalStateError, TimeoutError):
                async with asyncio.timeout(5.0):
                    await self._consumer.commit(dict(positions))
