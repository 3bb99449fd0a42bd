"""The batch loop: Kafka in, one handler, effects and offsets together.

A client that stands still, or whose claim was taken, is thrown away and built anew; `session` has the turns of one.
"""

import asyncio
from collections.abc import Sequence
from typing import Generic, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from consumers.client import outages, retry
from consumers.client.connection import KafkaConnection
from consumers.client.loop_health import LoopHealth
from consumers.client.shell import ClientShell, group_consumer
from consumers.client.watchdog import Stuck, Watchdog
from consumers.ledger.session import BatchHandler, LoopSettings, Rebalances, Session
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
        handler: BatchHandler[B],
        health: LoopHealth,
        *,
        topics: Sequence[str],
        group: str,
        settings: LoopSettings,
    ) -> None:
        self._name = name
        self._kafka = kafka
        self._topics = topics
        self._group = group
        self._handler = handler
        self._health = health
        self._settings = settings
        self._retry = outages.OutageRetry(name)

    def __repr__(self) -> str:
        return f"<BatchLoop {self._name} group={self._group}>"

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then finish the batch at hand; raises what waiting can't mend."""
        delays = retry.delays()
        while not stop.is_set():
            self._health.turned(self._name)
            begun = asyncio.get_running_loop().time()
            try:
                await self._consume(stop)
                return
            except Exception as error:
                self._judge(error)
            if asyncio.get_running_loop().time() - begun > self._settings.session_seconds:
                delays = retry.delays()
            await retry.pause(stop, next(delays))

    def _judge(self, error: Exception) -> None:
        """Note what a new client may mend; raise everything else."""
        if isinstance(error, Stuck):
            CONSUMER_REBUILDS.labels(self._name).inc()
        elif not isinstance(error, Fenced) and not outages.is_transient(error):
            raise error
        log.warning("consumer.rebuilt", consumer=self._name, reason=type(error).__name__)

    async def _consume(self, stop: asyncio.Event) -> None:
        """Work with one client until `stop` or until it has to be built anew."""
        rebalances, consumer = Rebalances(), self._client()
        shell = ClientShell(self._name, consumer, stop_seconds=self._settings.stop_seconds)
        try:
            await shell.start(self._topics, rebalances)
            session = Session(
                self._name,
                consumer,
                self._handler,
                self._health,
                rebalances=rebalances,
                settings=self._settings,
                retry=self._retry,
            )
            await shell.guard(_until_stored(session, stop), self._watchdog(consumer, session))
        finally:
            await shell.discard()

    def _client(self) -> AIOKafkaConsumer:
        settings = self._settings
        return group_consumer(
            self._kafka,
            self._group,
            session_seconds=settings.session_seconds,
            group_instance_id=settings.group_instance_id,
            # Range gives the same partition of every topic to one member: a case has one owner.
            partition_assignment_strategy=(RangePartitionAssignor,),
            fetch_max_bytes=settings.fetch_bytes,
            max_partition_fetch_bytes=settings.partition_fetch_bytes,
        )

    def _watchdog(self, consumer: AIOKafkaConsumer, session: Session[B]) -> Watchdog:
        return Watchdog(
            consumer,
            lambda: session.positions,
            lambda: self._retry.waiting,
            session.commit,
            stall_seconds=self._settings.stall_seconds,
            every_seconds=self._settings.watch_seconds,
        )


async def _until_stored(session: Session[B], stop: asyncio.Event) -> None:
    await session.run(stop)
    await session.commit(session.positions)
