"""Send events to Kafka, each on its topic, and learn where they stand."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from consumers.client.stopping import stop_client
from schemas.codec import encode
from schemas.events import Event
from schemas.topics import topic_of

# As many in flight as the producer's own batches can use; bounds what a large file takes of memory.
_IN_FLIGHT = 2_000

Places = dict[tuple[str, int], int]
"""The next offset by topic and partition: how far the ledger must have read."""


async def start_producer(options: Mapping[str, Any]) -> AIOKafkaProducer:
    """Start a producer; one that does not start is stopped, and the client's error raised."""
    producer = AIOKafkaProducer(**options)
    try:
        await producer.start()
    except BaseException:
        await stop_client(producer)
        raise
    return producer


@asynccontextmanager
async def open_producer(options: Mapping[str, Any]) -> AsyncIterator[AIOKafkaProducer]:
    """Hold a producer for as long as the block lasts."""
    producer = await start_producer(options)
    try:
        yield producer
    finally:
        await stop_client(producer)


async def produce(
    options: dict[str, object], events: Iterable[Event], count: Callable[[int], None]
) -> Places:
    """Send events in their order; return how far each partition has to be read to have them all."""
    places: Places = {}
    async with open_producer(options) as producer:
        batch: list[asyncio.Future[RecordMetadata]] = []
        for event in events:
            key, value, headers = encode(event)
            topic = topic_of(event.data).name
            batch.append(await producer.send(topic, value, key=key, headers=headers))
            if len(batch) >= _IN_FLIGHT:
                await _settle(batch, places, count)
        await _settle(batch, places, count)
    return places


async def _settle(
    batch: "list[asyncio.Future[RecordMetadata]]", places: Places, count: Callable[[int], None]
) -> None:
    for sent in await asyncio.gather(*batch):
        place = (sent.topic, sent.partition)
        places[place] = max(places.get(place, 0), sent.offset + 1)
    count(len(batch))
    batch.clear()
