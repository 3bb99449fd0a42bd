"""Puts observations on Kafka and returns when the broker has them, however long that takes."""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from aiokafka.errors import KafkaError, ProducerClosed

from consumers.client.connection import KafkaConnection
from consumers.client.producing import start_producer
from consumers.client.retry import delays, is_transient
from consumers.client.stopping import stop_client
from schemas import codec
from schemas.events import Event
from schemas.topics import Topic

log = structlog.get_logger(__name__)


class Recorder:
    """An idempotent producer that is built anew when it breaks; a record that was sent twice has one id."""

    def __init__(self, kafka: KafkaConnection, topic: Topic) -> None:
        self._kafka = kafka
        self._topic = topic
        self._producer: Any = None
        self._broken: asyncio.Future[None]
        self._building = asyncio.Lock()

    async def record(self, events: Sequence[Event]) -> None:
        """Produce events of one case in order; raises only what waiting can't mend."""
        for seconds in delays():
            producer = self._producer
            try:
                producer = await self._ready()
                await self._send(producer, events)
            except (KafkaError, OSError, TimeoutError) as error:
                if not (is_transient(error) or isinstance(error, ProducerClosed)):
                    raise
                log.warning("recorder.record_retried", error=type(error).__name__, wait=seconds)
                await self._discard(producer)
            else:
                return
            await asyncio.sleep(seconds)

    async def stop(self) -> None:
        """Close the producer; what was not acknowledged is not recorded."""
        await self._discard(self._producer)

    async def _send(self, producer: Any, events: Sequence[Event]) -> None:
        sent = []
        for event in events:
            key, value, headers = codec.encode(event)
            sent.append(await producer.send(self._topic.name, value, key=key, headers=headers))
        acknowledged = sent[0] if len(sent) == 1 else asyncio.gather(*sent)
        # A producer that another record found broken is stopped, and never tells what became of this one.
        either: set[asyncio.Future[Any]] = {acknowledged, self._broken}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not acknowledged.done():
            acknowledged.cancel()
            raise ProducerClosed
        acknowledged.result()

    async def _ready(self) -> Any:
        async with self._building:
            if self._producer is None:
                self._producer = await start_producer(self._kafka.producer_options())
                self._broken = asyncio.get_running_loop().create_future()
            return self._producer

    async def _discard(self, producer: Any) -> None:
        async with self._building:
            if producer is None or producer is not self._producer:
                return
            self._producer = None
            self._broken.set_result(None)
            if await stop_client(producer) is not None:
                log.warning("recorder.producer_abandoned")
