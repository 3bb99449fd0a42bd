"""Looks that the role `attribution` reads, attributes and commits, beside a bare loop that reads and writes the same.

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
from typing import Any

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from consumers.attribution.attribution_consumer import AttributionConsumer
from consumers.client.connection import KafkaConnection
from consumers.client.topic_admin import create_topics
from consumers.record.source import KafkaSource
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


Said = list[tuple[bytes | None, bytes | None, Any]]


async def _said(kafka: KafkaConnection) -> Said:
    """Read what the role stated."""
    source, said = KafkaSource(kafka), Said()
    try:
        for place, (begins, ends) in (await source.extents([topics.REPORTS.name])).items():
            async for records in source.read(place, begins, ends):
                said += [(one.key, one.value, list(one.headers)) for one in records]
    finally:
        await source.close()
    return said


async def _bare(kafka: KafkaConnection, total: int, said: Said) -> tuple[float, float]:
    """Read and decode all records with a bare client, and write what the role stated, spread alike."""
    consumer = AIOKafkaConsumer(**kafka.consumer_options(), auto_offset_reset="earliest")
    producer = AIOKafkaProducer(**kafka.producer_options())
    await producer.start()
    await consumer.start()
    try:
        partitions = range(topics.DEFAULT_PARTITIONS)
        consumer.assign([TopicPartition(topics.OBSERVATIONS.name, n) for n in partitions])
        began, cpu, count, sent = perf_counter(), process_time(), 0, []
        while count < total:
            for records in (await consumer.getmany(timeout_ms=500, max_records=2_000)).values():
                for record in records:
                    codec.payload(record.value, record.headers, topics.OBSERVATIONS)
                count += len(records)
            for key, value, headers in said[len(sent) : len(said) * count // total]:
                name = topics.REPORTS.name
                sent.append(await producer.send(name, value, key=key, headers=headers))
        await asyncio.gather(*sent)
        return total / (perf_counter() - began), total / (process_time() - cpu)
    finally:
        await consumer.stop()
        await producer.stop()


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
        wall, cpu = await _role(kafka, total)
        bare, bare_cpu = await _bare(kafka, total, await _said(kafka))
    finally:
        await broker.stop()
    # On a machine with other work the wall says what share of it was ours; the ratio of the two does not depend on it.
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
