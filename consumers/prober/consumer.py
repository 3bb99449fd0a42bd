"""The prober: Kafka in, Kafka out. Owns partitions of the watch list, makes looks, says what it saw and what it missed.

It has no database and no state of its own: its work list is the compacted topic, its progress the group's commit.
Per assignment: read the progress, read the partition from its first record to its end, then look and follow.

Rebalances are eager: every change of members takes all partitions from everybody. A partition that comes back
unchanged is gone on with; one that another member had meanwhile is read anew.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from consumers.client import heap
from consumers.client import retry as backoff
from consumers.client.connection import KafkaConnection
from consumers.client.watchdog import Stuck, Watchdog
from consumers.prober.flights import Flights, Looks
from consumers.prober.recorder import Recorder
from consumers.prober.watching import ProberSettings, Vantage, Watching
from schemas.methodology import Methodology
from schemas.sealing import Keyring
from schemas.topics import OBSERVATIONS, WATCHLIST, Topic
from services.exporter import metrics
from services.probing.schedule.works import VantageRole

log = structlog.get_logger(__name__)

LOOP = "prober"
_FETCHED_BYTES = 512 * 1024


class LoopHealth(Protocol):
    """Whoever wants to know that the loop turns (`services.exporter.health.Health`)."""

    def register(self, loop: str, limit_seconds: float) -> None:
        """Expect the loop to turn at least so often."""
        ...

    def turned(self, loop: str) -> None:
        """Note that it turned."""
        ...


class Prober:
    """One member of a vantage's consumer group.

    Args:
        looker: makes the looks.
        methodologies: by id; the first one's cadence serves entries that name another.
        role: a second vantage looks only where an entry asks for one.

    """

    def __init__(
        self,
        kafka: KafkaConnection,
        looker: Looks,
        keyring: Keyring,
        *,
        methodologies: Mapping[str, Methodology],
        vantage: str,
        health: LoopHealth,
        clock: Callable[[], datetime],
        role: VantageRole = "first",
        settings: ProberSettings | None = None,
        watchlist: Topic = WATCHLIST,
        observations: Topic = OBSERVATIONS,
    ) -> None:
        self._kafka = kafka
        self._vantage = Vantage(
            name=vantage, role=role, methodologies=methodologies, watchlist=watchlist
        )
        self._health = health
        self._clock = clock
        self._settings = settings or ProberSettings()
        self._recorder = Recorder(kafka, observations)
        self._watching: Watching | None = None
        self._flights = Flights(
            looker,
            keyring,
            self._recorder,
            vantage=vantage,
            clock=clock,
            limit_seconds=self._settings.look_limit_seconds,
            landed=self._landed,
        )

    def __repr__(self) -> str:
        return f"<Prober {self._vantage.name}: {self._watching!r}>"

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`, then drain; raises what waiting can't mend."""
        heap.settle()
        self._health.register(LOOP, self._settings.turn_limit_seconds)
        delays = backoff.delays()
        try:
            while not stop.is_set():
                self._health.turned(LOOP)
                try:
                    await self._watch(stop)
                except Stuck:
                    metrics.CONSUMER_REBUILDS.labels(LOOP).inc()
                    delays = backoff.delays()
                except Exception as error:
                    if not backoff.is_transient(error):
                        raise
                    seconds = next(delays)
                    log.warning("prober.waits", error=type(error).__name__, seconds=seconds)
                    await backoff.pause(stop, seconds)
        finally:
            await self._recorder.stop()

    def _landed(self) -> None:
        if self._watching is not None:
            self._watching.launch()

    # -- one client --------------------------------------------------------------------------

    async def _watch(self, stop: asyncio.Event) -> None:
        """Work with one client until `stop` or until it has to be built anew."""
        consumer = self._client()
        watching = Watching(
            consumer,
            self._kafka,
            self._vantage,
            self._flights,
            settings=self._settings,
            clock=self._clock,
            turned=lambda: self._health.turned(LOOP),
        )
        try:
            await consumer.start()
            consumer.subscribe([self._vantage.watchlist.name], listener=watching)
            self._watching = watching
            await self._guarded(watching, consumer, stop)
        finally:
            await watching.let_go("shutdown" if stop.is_set() else "assignment_lost")
            self._watching = None
            await self._discard(consumer)

    async def _guarded(
        self, watching: Watching, consumer: AIOKafkaConsumer, stop: asyncio.Event
    ) -> None:
        """Watch the watcher; whichever ends first ends the other."""
        watchdog = Watchdog(
            consumer,
            watching.positions,
            lambda: False,
            _say_nothing,
            stall_seconds=self._settings.stall_seconds,
        )
        tasks = {asyncio.create_task(watching.run(stop)), asyncio.create_task(watchdog.run())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _client(self) -> AIOKafkaConsumer:
        session = self._settings.session_seconds
        return AIOKafkaConsumer(
            **self._kafka.consumer_options(),
            group_id=self._vantage.group,
            auto_offset_reset="earliest",
            # What is fetched ahead counts in the memory of a million cases; one partition is read at a time.
            fetch_max_bytes=_FETCHED_BYTES,
            max_partition_fetch_bytes=_FETCHED_BYTES,
            session_timeout_ms=int(session * 1000),
            heartbeat_interval_ms=int(session * 300),
        )

    async def _discard(self, consumer: AIOKafkaConsumer) -> None:
        """Stop a client, but wait for it no longer than settled: a stuck one is abandoned."""
        stopping = asyncio.ensure_future(consumer.stop())
        _, late = await asyncio.wait({stopping}, timeout=self._settings.drain_seconds)
        if late:
            log.error("prober.client_abandoned")
            stopping.cancel()
        elif (error := stopping.exception()) is not None:
            log.warning("prober.client_stop_failed", error=type(error).__name__)


async def _say_nothing(positions: Mapping[TopicPartition, int]) -> None:
    """Commit nothing: the prober's commits carry its progress."""
