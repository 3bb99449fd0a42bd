"""The outbox relay: what the ledger decided to publish goes to Kafka, in order, at least once.

One relay works at a time: a lock is held for the transaction in which rows are read, sent and deleted, so that a
relay that dies leaves them to the next. The rows of one case have ids in the order of their commits, because
the ledger holds the case's row while it writes them; so order by id is order per key.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec
import structlog
from aiokafka import AIOKafkaProducer

from consumers.client import outages, retry
from consumers.client.connection import KafkaConnection
from consumers.client.loop_health import LoopHealth
from consumers.client.producing import start_producer
from consumers.client.stopping import stop_client
from services.exporter import metrics
from services.ledger.queries import query

log = structlog.get_logger(__name__)

NAME = "relay"
_LOCK = 0x7A4E_D0F1
_headers = msgspec.json.Decoder(list[tuple[str, str]])


class Relay:
    """The role: publishes until it is stopped; several may run, one of them works."""

    def __init__(
        self,
        kafka: KafkaConnection,
        pool: asyncpg.Pool,
        health: LoopHealth,
        *,
        batch_records: int,
        poll_seconds: float = 0.1,
        ack_seconds: float = 30.0,
    ) -> None:
        self._kafka = kafka
        self._pool = pool
        self._health = health
        self._batch = batch_records
        self._poll_seconds = poll_seconds
        self._ack_seconds = ack_seconds
        self._producer: AIOKafkaProducer | None = None

    def __repr__(self) -> str:
        return f"<Relay batch={self._batch} connected={self._producer is not None}>"

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop`; the batch at hand is finished. Raises what waiting can't mend."""
        delays = retry.delays()
        try:
            while not stop.is_set():
                self._health.turned(NAME)
                try:
                    published = await self.publish_once()
                    delays = retry.delays()
                    # A full batch: there is more.
                    if published < self._batch:
                        await retry.pause(stop, self._poll_seconds)
                except Exception as error:
                    if not outages.is_transient(error):
                        raise
                    await self._wait(stop, next(delays), error)
        finally:
            await self._close_producer()

    async def publish_once(self) -> int:
        """Publish one batch; return how many records the broker has now that it had not."""
        async with self._pool.acquire() as session:
            waiting = await session.fetch(query("read_outbox"), 1)
            metrics.OUTBOX_ROWS.set(await session.fetchval(query("count_outbox")) if waiting else 0)
            if not waiting:
                return 0
            producer = await self._open_producer()
            async with session.transaction():
                if not await session.fetchval(query("try_relay_lock"), _LOCK):
                    return 0
                records = await session.fetch(query("read_outbox"), self._batch)
                await self._send(producer, records)
                await session.execute(query("delete_outbox"), [row["id"] for row in records])
        for topic, count in Counter(row["topic"] for row in records).items():
            metrics.OUTBOX_PUBLISHED.labels(topic).inc(count)
        return len(records)

    async def _send(self, producer: AIOKafkaProducer, records: Sequence[Any]) -> None:
        async with asyncio.timeout(self._ack_seconds):
            sent = [
                await producer.send(
                    row["topic"],
                    key=row["key"].encode(),
                    value=row["value"],
                    headers=[
                        (name, text.encode()) for name, text in _headers.decode(row["headers"])
                    ],
                )
                for row in records
            ]
            await asyncio.gather(*sent)

    async def _open_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            self._producer = await start_producer(self._kafka.producer_options())
        return self._producer

    async def _wait(self, stop: asyncio.Event, seconds: float, error: Exception) -> None:
        """Wait out an outage; a producer that failed has lost its sequence and is made anew."""
        log.warning("relay.waits", error=type(error).__name__, seconds=seconds)
        await self._close_producer()
        await retry.pause(stop, seconds)

    async def _close_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_client(producer)
