"""The role `attribution`: Kafka in, Kafka out. It has no database, no key and no URL.

Its progress is the group's commit. A client that stands still or breaks is thrown away and built anew, and reads from
the last commit on.
"""

import asyncio
from collections.abc import Mapping
from functools import partial

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition

from consumers.attribution.attribution_session import AttributionSession
from consumers.client.connection import KafkaConnection
from consumers.client.groups import ATTRIBUTION_GROUP
from consumers.client.loop_health import LoopRegister
from consumers.client.shell import ClientShell, group_consumer, keep_working
from consumers.client.stopping import stop_client
from consumers.client.watchdog import Watchdog
from schemas.topics import OBSERVATIONS
from services.attribution.address_statement import StatementWriter
from services.attribution.attributor import AddressAttributor
from services.attribution.fact_memory import FactMemory

log = structlog.get_logger(__name__)

NAME = "attribution"
_LOOP_LIMIT_SECONDS = 60.0
_SESSION_SECONDS = 30.0
_STOP_SECONDS = 10.0
_FETCHED_BYTES = 4 * 1024 * 1024


class AttributionConsumer:
    """The role: states who answers for what served, until it is stopped; several share the partitions."""

    def __init__(
        self,
        kafka: KafkaConnection,
        attributor: AddressAttributor,
        health: LoopRegister,
        *,
        askers: int = 8,
        group: str = ATTRIBUTION_GROUP,
        stall_seconds: float = 120.0,
    ) -> None:
        self._kafka = kafka
        self._attributor = attributor
        self._health = health
        self._askers = askers
        self._group = group
        self._stall_seconds = stall_seconds
        self._writer = StatementWriter(FactMemory())

    def __repr__(self) -> str:
        return f"<AttributionConsumer {self._group} {self._attributor!r}>"

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then commit; raises what waiting can't mend."""
        self._health.register(NAME, _LOOP_LIMIT_SECONDS)
        await keep_working(NAME, partial(self._work, stop), stop, self._health, _log_wait)

    async def _work(self, stop: asyncio.Event) -> None:
        """Work with one pair of clients until `stop` or until they have to be built anew."""
        consumer = group_consumer(
            self._kafka,
            self._group,
            session_seconds=_SESSION_SECONDS,
            fetch_max_bytes=_FETCHED_BYTES,
        )
        producer = AIOKafkaProducer(**self._kafka.producer_options())
        session = AttributionSession(
            consumer,
            producer,
            self._attributor,
            self._writer,
            askers=self._askers,
            turned=lambda: self._health.turned(NAME),
        )
        shell = ClientShell(NAME, consumer, stop_seconds=_STOP_SECONDS)
        watchdog = Watchdog(
            consumer,
            lambda: session.positions,
            lambda: False,
            _note_nothing,
            stall_seconds=self._stall_seconds,
        )
        try:
            await producer.start()
            await shell.start([OBSERVATIONS.name], session)
            await shell.guard(session.run(stop), watchdog)
        except BaseException:
            # What it said may not have arrived, so that it is said again.
            self._writer = StatementWriter(FactMemory())
            raise
        finally:
            await shell.discard()
            await stop_client(producer)


async def _note_nothing(positions: Mapping[TopicPartition, int]) -> None:
    """Commit nothing: the session does."""


def _log_wait(error: str, seconds: float) -> None:
    log.warning("attribution.waits", error=error, seconds=seconds)
