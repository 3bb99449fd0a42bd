"""One client's hold on the watch list: take partitions over, read them, follow them, look, commit, let go.

`consumers.ledger.session` explains what a rebalance does. The prober meets it without a database, so it differs:

*Progress is the group's commit.* Offset, watermark and first start stand in the metadata of Kafka's commit, and are
read back at each take-over. The offset there is not where reading begins: the list is read from its first record,
because the schedule is in memory only. It tells whether another member was here meanwhile.

*Looks are let end before the partition goes.* `on_partitions_revoked` runs inside the client's own task and holds the
whole group up, so it waits `hand_over_seconds` for looks, has the rest recorded as missed, and commits. What could not
be recorded lies behind the watermark, so the next owner makes it again: a look twice, never a gap.

*Most rebalances change nothing for a partition.* All are taken from everybody and mostly come back. What was let go is
parked with the progress that was committed; where the group still has that progress at the take-over, nobody else
was here, and the schedule goes on as it was.

*One unread partition is fetched at a time*, the others are paused: looks of the first begin while the rest is read. A
partition is read when the client's position is at the end that it had at the take-over; the last record does not tell,
where compaction or an aborted transaction took it.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Literal

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from consumers.client import heap, retry
from consumers.client.connection import KafkaConnection
from consumers.prober.in_flight import InFlightLooks
from consumers.prober.options import ProberSettings, ProberVantage
from consumers.prober.pace import pace
from consumers.prober.partition import OwnedPartition
from consumers.prober.progress import read_progress, to_metadata
from services.exporter import metrics
from services.probing.schedule.scheduler import Schedule
from services.probing.schedule.works import Progress

log = structlog.get_logger(__name__)

_LOADING_POLL_MS = 10
_TAKE_OVER_SECONDS = 30.0
# Held looks are missed when the partition goes, so there may be no more of them than of those that talk.
_HELD_FACTOR = 2


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]
    """The partitions of one client, from assignment to revocation.

    The listener's part of a rebalance waits for nothing that the loop holds.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        kafka: KafkaConnection,
        vantage: ProberVantage,
        in_flight: InFlightLooks,
        *,
        settings: ProberSettings,
        clock: Callable[[], datetime],
        turned: Callable[[], None],
    ) -> None:
        self._consumer = consumer
        self._kafka = kafka
        self._vantage = vantage
        self._in_flight = in_flight
        self._settings = settings
        self._clock = clock
        self._turned = turned
        self._owned: dict[int, OwnedPartition] = {}
        self._parked: dict[int, tuple[OwnedPartition, Progress]] = {}
        self._assigned: list[TopicPartition] = []
        self._generation = 0
        self._pace = pace(settings.looks_per_second)
        self._commit_at = 0.0
        self._committing: asyncio.Task[bool] | None = None

    def __repr__(self) -> str:
        return f"<Assignment {len(self._owned)} partitions, {len(self._in_flight)} under way>"

    def positions(self) -> dict[TopicPartition, int]:
        """Say how far the client has read each partition."""
        return {owned.tp: owned.position for owned in self._owned.values()}

    async def run(self, stop: asyncio.Event) -> None:
        """Turn until `stop`; raises what ends the client."""
        while not stop.is_set():
            self._turned()
            if self._in_flight.failure is not None:
                raise self._in_flight.failure
            if self._assigned:
                await self._take_over()
            await self._turn()

    async def _turn(self) -> None:
        busy = not all(owned.at_work for owned in self._owned.values())
        poll = _LOADING_POLL_MS if busy else int(self._settings.poll_seconds * 1000)
        fetched = await self._consumer.getmany(
            timeout_ms=poll, max_records=self._settings.batch_records
        )
        now = self._clock()
        for tp, records in fetched.items():
            # A partition that was revoked, or is not taken over yet, is in nobody's hands.
            owned = self._owned.get(tp.partition)
            for record in records if owned is not None else ():
                owned.take(record, self._vantage.watchlist, now)  # type: ignore[union-attr]
        for owned in list(self._owned.values()):
            await self._move(owned, now)
        self.launch()
        self._commit_in_time()
        self._report_metrics()

    async def _move(self, owned: OwnedPartition, now: datetime) -> None:
        """Let one partition's time go on; the position tells the end also where compaction took the last records."""
        try:
            owned.position = await self._consumer.position(owned.tp)
        except IllegalStateError:
            return  # revoked
        if not owned.loaded and owned.position >= owned.end:
            owned.loaded = True
            self._read_one()
        if not owned.at_work and owned.loaded and owned.schedule.start(now):
            self._note_start()
        if owned.at_work:
            owned.schedule.advance(now)

    def _note_start(self) -> None:
        if all(owned.at_work for owned in self._owned.values()):
            heap.trim()
            log.info("prober.at_work", cases=sum(len(o.schedule) for o in self._owned.values()))

    def launch(self) -> None:
        """Begin the most urgent works, as many as there is room for."""
        now, at = self._clock(), asyncio.get_running_loop().time()
        while self._room() and self._pace.wait(at) <= 0:
            schedule = self._most_urgent()
            work = None if schedule is None else schedule.take(now)
            if schedule is None or work is None:
                return
            self._pace.charge(at)
            self._in_flight.start(schedule, work)

    def _room(self) -> bool:
        """Tell whether one more may begin; whom politeness holds takes nobody's place, up to a bound."""
        most = self._settings.concurrency
        return self._in_flight.busy < most and len(self._in_flight) < _HELD_FACTOR * most

    def _most_urgent(self) -> Schedule | None:
        best, first = None, None
        for owned in self._owned.values():
            at = owned.schedule.peek() if owned.at_work else None
            if at is not None and (first is None or at < first):
                best, first = owned.schedule, at
        return best

    # -- ownership ---------------------------------------------------------------------------

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Note what was assigned; the loop takes it over."""
        self._assigned = sorted(assigned)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Let go, within bounds, before anybody else may take over."""
        await self.let_go("assignment_lost")

    async def _take_over(self) -> None:
        assigned, generation = self._assigned, self._generation
        try:
            async with asyncio.timeout(_TAKE_OVER_SECONDS):
                numbers = [tp.partition for tp in assigned]
                stored = await read_progress(
                    self._kafka, self._vantage.group, self._vantage.watchlist.name, numbers
                )
                ends = await self._consumer.end_offsets(assigned)
        except Exception as error:
            if not retry.is_transient(error):
                raise
            log.warning("prober.take_over_retried", error=type(error).__name__)
            await asyncio.sleep(self._settings.poll_seconds)
            return
        if generation != self._generation:
            return
        self._assigned = []
        for tp in assigned:
            self._adopt(tp, stored[tp.partition], ends[tp])
        self._parked = {}
        self._read_one()
        log.info("prober.took_over", partitions=len(assigned), vantage=self._vantage.name)

    def _adopt(self, tp: TopicPartition, stored: Progress | None, end: int) -> None:
        owned, left = self._parked.get(tp.partition, (None, None))
        if owned is None or left != stored:
            # Somebody else was here meanwhile, or we never were.
            schedule = Schedule(
                self._vantage.methodologies,
                now=self._clock(),
                progress=stored,
                role=self._vantage.role,
                resolution=self._settings.resolution,
            )
            owned = OwnedPartition(tp, schedule)
        owned.end = end
        self._consumer.seek(tp, owned.next_offset)
        self._owned[tp.partition] = owned

    def _read_one(self) -> None:
        """Have one unread partition fetched at a time: its looks begin while the others are still read."""
        unread = [owned.tp for owned in self._owned.values() if not owned.loaded]
        with suppress(IllegalStateError):  # revoked
            self._consumer.pause(*unread[1:])
            self._consumer.resume(*unread[:1])

    async def let_go(self, reason: Literal["assignment_lost", "shutdown"]) -> None:
        """Take nothing on, let looks end or be missed, store the progress; keep the lists in case they come back."""
        working = {n: owned for n, owned in self._owned.items() if owned.at_work}
        self._owned, self._assigned = {}, []
        self._generation += 1
        settings = self._settings
        drain = settings.drain_seconds if reason == "shutdown" else settings.hand_over_seconds
        schedules = [owned.schedule for owned in working.values()]
        if not await self._in_flight.drain(schedules, reason, drain, settings.record_seconds):
            log.warning("prober.looks_unrecorded", consequence="the next owner makes them again")
        if self._committing is not None:
            await asyncio.wait({self._committing}, timeout=settings.record_seconds)
        left = {n: owned.progress for n, owned in working.items()}
        stored = await self._commit({o.tp: left[n] for n, o in working.items()})
        self._parked = {n: (owned, left[n]) for n, owned in working.items()} if stored else {}

    # -- progress ----------------------------------------------------------------------------

    def _commit_in_time(self) -> None:
        """Store the progress now and then, without waiting: a broker that is away stops no look."""
        now = asyncio.get_running_loop().time()
        busy = self._committing is not None and not self._committing.done()
        if busy or now < self._commit_at:
            return
        self._commit_at = now + self._settings.commit_seconds
        progress = {o.tp: o.progress for o in self._owned.values() if o.at_work}
        self._committing = asyncio.create_task(self._commit(progress))

    async def _commit(self, progress: Mapping[TopicPartition, Progress]) -> bool:
        if not progress:
            return True
        try:
            async with asyncio.timeout(self._settings.record_seconds):
                await self._consumer.commit(
                    {tp: to_metadata(reached) for tp, reached in progress.items()}
                )
        except (KafkaError, TimeoutError) as error:
            log.info("prober.progress_not_stored", error=type(error).__name__)
            return False
        return True

    def _report_metrics(self) -> None:
        name = self._vantage.name
        working = [owned for owned in self._owned.values() if owned.at_work]
        metrics.WATCHED_CASES.labels(name).set(sum(len(o.schedule) for o in self._owned.values()))
        metrics.LOOKS_IN_FLIGHT.labels(name).set(len(self._in_flight))
        put_off = sum(o.schedule.put_off_count for o in working)
        metrics.LOOKS_HELD.labels(name).set(self._in_flight.held + put_off)
        metrics.LOOKS_WAITING.labels(name).set(sum(o.schedule.waiting for o in working))
        if working:
            oldest = min(owned.progress.watermark for owned in working)
            metrics.PROBER_WATERMARK_TIMESTAMP_SECONDS.labels(name).set(oldest.timestamp())
