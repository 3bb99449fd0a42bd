"""Looks that the role `attribution` reads, attributes and commits, beside a bare reading of the same records.

Five thousand cases have 20 looks each, at two addresses of the map; a statement is made for each address of a case.
The broker, the role and this process share the machine. The clock runs from the first read to the last commit.

    python -m tests.benchmarks statements
"""

import asyncio
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter, process_time

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from consumers.attribution.attribution_consumer import AttributionConsumer
from consumers.client.connection import KafkaConnection
from consumers.client.topic_admin import create_topics
from schemas import codec, ids, topics
from schemas.events import Event, LookMade, Served
from services.attribution.attributor import AddressAttributor
from services.attribution.provider_book import ProviderBook
from services.attribution.providermap import ProviderMap
from services.exporter import metrics
from services.exporter.health import Health
from services.runtime.embedded import EmbeddedKafka
from tests.as_configured import kafka_at
from tests.benchmarks.figures import Figure, figure

CASES, LOOKS = 5_000, 20
START = datetime(2026, 1, 1, tzinfo=UTC)
TARGET_RATE = 20_000
MAP = """
[[provider]]
id = "giant"
name = "Giant"
[[provider.prefix]]
cidr = "192.0.2.0/24"
[[provider.prefix]]
cidr = "2001:db8::/32"
"""


def looks() -> Iterator[Event]:
    """Give the looks in the order of their times."""
    for number in range(LOOKS):
        for case in range(CASES):
            name, at = f"{case:032x}", START + timedelta(hours=number, seconds=case % 3600)
            served = tuple(
                Served(address=address, online=True)
                for address in (f"192.0.2.{case % 250}", f"2001:db8::{case % 997:x}")
            )
            data = LookMade(
                vantage="nl",
                tick=at,
                started_at=at,
                finished_at=at,
                verdict="online",
                reason="http_200",
                served=served,
            )
            yield Event(
                id=ids.look_id(name, "nl", at, at), time=at, source="bench", case_id=name, data=data
            )


async def _fill(kafka: KafkaConnection) -> int:
    producer = AIOKafkaProducer(**kafka.producer_options(), max_batch_size=262_144)
    await producer.start()
    sent = []
    try:
        for event in looks():
            key, value, headers = codec.encode(event)
            sent.append(
                await producer.send(topics.OBSERVATIONS.name, value, key=key, headers=headers)
            )
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
    return len(sent)


async def _bare(kafka: KafkaConnection, total: int) -> tuple[float, float]:
    """Read and decode all records with a bare client."""
    consumer = AIOKafkaConsumer(**kafka.consumer_options(), auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = range(topics.DEFAULT_PARTITIONS)
        consumer.assign([TopicPartition(topics.OBSERVATIONS.name, n) for n in partitions])
        began, cpu, count = perf_counter(), process_time(), 0
        while count < total:
            for records in (await consumer.getmany(timeout_ms=500, max_records=2_000)).values():
                for record in records:
                    codec.payload(record.value, record.headers, topics.OBSERVATIONS)
                count += len(records)
        return total / (perf_counter() - began), total / (process_time() - cpu)
    finally:
        await consumer.stop()


async def _role(kafka: KafkaConnection, total: int) -> tuple[float, float]:
    """Run the role over all records; looks per second, and per CPU-second of this process."""
    book = ProviderBook(ProviderMap.parse(MAP))
    role = AttributionConsumer(
        kafka, AddressAttributor(book, clock=lambda: datetime.now(UTC)), Health()
    )
    stop = asyncio.Event()
    count = metrics.ATTRIBUTION_LOOKS._value.get
    task = asyncio.create_task(role.run(stop))
    while not count():
        await asyncio.sleep(0.005)
    began, cpu, first = perf_counter(), process_time(), count()
    while count() < total:
        await asyncio.sleep(0.005)
    stop.set()
    await task
    return (total - first) / (perf_counter() - began), (total - first) / (process_time() - cpu)


async def _measure(folder: Path) -> list[Figure]:
    broker = EmbeddedKafka(folder / "kafka", throughput=True)
    await broker.start()
    try:
        kafka = kafka_at(broker.bootstrap_servers)
        await create_topics(kafka, partitions=topics.DEFAULT_PARTITIONS, replication=1)
        total = await _fill(kafka)
        bare, bare_cpu = await _bare(kafka, total)
        wall, cpu = await _role(kafka, total)
    finally:
        await broker.stop()
    return [
        figure("looks attributed", wall, "looks/s", baseline=bare, at_least=TARGET_RATE),
        figure(
            "looks attributed per CPU", cpu, "looks/CPU-s", baseline=bare_cpu, at_least=TARGET_RATE
        ),
    ]


def run() -> list[Figure]:
    """Measure on a broker of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return uvloop.run(_measure(Path(folder)))
