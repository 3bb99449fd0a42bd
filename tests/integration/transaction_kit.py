"""Evidence that is written in transactions: committed, aborted, or left open; and where a partition stands."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from consumers.client.connection import KafkaConnection
from schemas import codec
from schemas.events import Event
from schemas.topics import EVIDENCE
from tests.integration.ledger_kit import PARTITIONS, TOPIC_OF, Lab
from tests.servers import eventually

PLACES = [TopicPartition(topic.name, number) for topic in EVIDENCE for number in range(PARTITIONS)]


class Writer:
    """A transactional producer of events."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.producer = producer

    async def send(self, events: Iterable[Event], **place: Any) -> None:
        for one in events:
            key, value, headers = codec.encode(one)
            topic = TOPIC_OF[type(one.data)].name
            await self.producer.send_and_wait(topic, value, key=key, headers=headers, **place)

    async def commit(self, events: Iterable[Event], **place: Any) -> None:
        """Write events in a transaction that counts."""
        await self.producer.begin_transaction()
        await self.send(events, **place)
        await self.producer.commit_transaction()

    async def abort(self, events: Iterable[Event], **place: Any) -> None:
        """Write events in a transaction that is taken back."""
        await self.producer.begin_transaction()
        await self.send(events, **place)
        await self.producer.abort_transaction()


@asynccontextmanager
async def writer(kafka: KafkaConnection) -> AsyncIterator[Writer]:
    """Hold a transactional producer; a transaction that is open at the end is aborted."""
    name = f"test-{uuid4().hex}"
    producer = AIOKafkaProducer(**kafka.producer_options(), transactional_id=name)
    try:
        await producer.start()
        yield Writer(producer)
    finally:
        await producer.stop()


async def offsets_of(
    kafka: KafkaConnection, isolation_level: str, places: Sequence[TopicPartition] = PLACES
) -> dict[TopicPartition, int]:
    """Give the ends of partitions: last stable offsets (read_committed) or high watermarks (read_uncommitted)."""
    options = kafka.consumer_options() | {"isolation_level": isolation_level}
    async with AIOKafkaConsumer(**options) as consumer:
        found: dict[TopicPartition, int] = await consumer.end_offsets(places)
        return found


async def raw_count(kafka: KafkaConnection, place: TopicPartition) -> int:
    """Count the records of a partition that the broker still has, aborted ones included."""
    options = kafka.consumer_options() | {"isolation_level": "read_uncommitted"}
    async with AIOKafkaConsumer(**options, auto_offset_reset="earliest") as consumer:
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        await consumer.seek_to_beginning(place)
        count = 0
        while await consumer.position(place) < end:
            fetched = await consumer.getmany(timeout_ms=100)
            count += sum(len(records) for records in fetched.values())
        return count


async def caught_up(ledger: Lab) -> None:
    """Return when the ledger's stored offsets are the ends of all partitions, markers included."""

    async def level() -> bool:
        for _, task in ledger.running:
            if task.done():
                task.result()
        rows = await ledger.pool.fetch("SELECT topic, partition, next_offset FROM consumer_offsets")
        stored = {
            TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows
        }
        return stored == await offsets_of(ledger.kafka, "read_committed")

    await eventually("the ledger stands at every end", level)
