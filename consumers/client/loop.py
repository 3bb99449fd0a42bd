"""The batch loop: Kafka in, one handler, effects and offsets together.

Ownership comes from the consumer group; the right to write comes from the handler's claim (an epoch).
A client that stands still, or whose claim was taken, is thrown away and built anew.
"""

import asyncio
from collections.abc import Sequence
from typing import Generic, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from consumers.client import patience
from consumers.client import retry as backoff
from consumers.client.connection import KafkaConnection
from consumers.client.session import Handler, LoopSettings, Rebalances, Session, Turning
from consumers.client.watchdog import Stuck, Watchdog
from services.exporter.metrics import CONSUMER_REBUILDS
from services.ledger.store import Fenced

log = structlog.get_logger(__name__)

B = TypeVar("B")


class BatchLoop(Generic[B]):
    """Runs a handler over topics as a member of a consumer group, through outages and rebalances."""

    def __init__(
        self,
        name: str,
        kafka: KafkaConnection,
        handler: Handler[B],
        health: Turning,
        *,
        topics: Sequence[str],
        group: str,
        settings: LoopSettings | None = None,
    ) -> None:
        self._name = name
        self._kafka = kafka
        self._topics = topics
        self._group = group
        self._handler = handler
        self._health = health
        self._settings = settings or LoopSettings()
        self._patience = patience.Patience(name)

    def __repr__(self) -> str:
        return f"<BatchLoop {self._name} group={self._group}>"

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then finish the batch at hand; raises what waiting can't mend."""
        delays = backoff.delays()
        while not stop.is_set():
            self._health.turned(self._name)
            begun = asyncio.get_running_loop().time()
            try:
                await self._consume(stop)
                return
            except Exception as error:
                self._judge(error)
            if asyncio.get_running_loop().time() - begun > self._settings.session_seconds:
                delays = backoff.delays()
            await backoff.pause(stop, next(delays))

    def _judge(self, error: Exception) -> None:
        """Note what a new client may mend; raise everything else."""
        if isinstance(error, Stuck):
            CONSUMER_REBUILDS.labels(self._name).inc()
        elif not isinstance(error, Fenced) and not patience.is_transient(error):
            raise error
        log.warning("consumer.rebuilt", consumer=self._name, reason=type(error).__name__)

    async def _consume(self, stop: asyncio.Event) -> None:
        rebalances, consumer = Rebalances(), self._client()
        try:
            await consumer.start()
            consumer.subscribe(self._topics, listener=rebalances)
            session = Session(
                self._name,
                consumer,
                self._handler,
                self._health,
                rebalances=rebalances,
                settings=self._settings,
                patience=self._patience,
            )
            await self._guarded(session, consumer, stop)
        finally:
            await self._discard(consumer)

    def _client(self) -> AIOKafkaConsumer:
        asked = self._settings
        return AIOKafkaConsumer(
            **self._kafka.consumer_options(),
            group_id=self._group,
            group_instance_id=asked.group_instance_id,
            # Range gives the same partition of every topic to one member: a case has one owner.
            partition_assignment_strategy=(RangePartitionAssignor,),
            auto_offset_reset="earliest",
            fetch_max_bytes=asked.fetch_bytes,
            max_partition_fetch_bytes=asked.partition_fetch_bytes,
            session_timeout_ms=int(asked.session_seconds * 1000),
            heartbeat_interval_ms=int(asked.session_seconds * 300),
        )

    async def _guarded(
        self, session: Session[B], consumer: AIOKafkaConsumer, stop: asyncio.Event
    ) -> None:
        """Run a session with its watchdog; whichever ends first ends the other."""
        watchdog = Watchdog(
            consumer,
            lambda: session.positions,
            lambda: self._patience.waiting,
            session.commit,
            stall_seconds=self._settings.stall_seconds,
            every_seconds=self._settings.watch_seconds,
        )
        tasks = {asyncio.create_task(session.run(stop)), asyncio.create_task(watchdog.run())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            await session.commit(session.positions)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=self._settings.stop_seconds)
            for task in tasks:
                if task.done() and not task.cancelled():
                    task.exception()  # one of them was raised; asyncio need not complain of the other

    async def _discard(self, consumer: AIOKafkaConsumer) -> None:
        """Stop a client, but wait no longer than settled: a stuck one is abandoned."""
        stopping = asyncio.ensure_future(consumer.stop())
        _, late = await asyncio.wait({stopping}, timeout=self._settings.stop_seconds)
        if late:
            log.error("consumer.abandoned", consumer=self._name)
            stopping.cancel()
        elif stopping.exception() is not None:
            log.warning("consumer.stop_failed", error=type(stopping.exception()).__name__)
