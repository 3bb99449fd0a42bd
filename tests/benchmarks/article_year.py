"""The year of the article, as evidence in Kafka: 185,000 reports, 94 % at one provider, about 20 looks each.

Deterministic by seed: the same cases, events and order every time. Written partition by partition in batches
that are encoded here, because sending one record at a time takes ten times as long as all the rest.

    python -m tests.benchmarks.article_year HOST:PORT [CASES]
"""

import asyncio
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka import AIOKafkaProducer
from msgspec import Struct

from consumers.client.connection import KafkaConnection
from consumers.client.topic_admin import create_topics
from consumers.replay.unit_records import home_of
from schemas import codec, ids, topics
from schemas import events as ev
from schemas.events import Event, Payload
from schemas.sealing import Keyring
from schemas.urls import canonical
from tests.as_configured import kafka_at

CASES = 185_000
SEED = 2024
START = datetime(2024, 1, 1, tzinfo=UTC)
YEAR_SECONDS = 366 * 86_400
KEYRING = Keyring(naming=b"n" * 32, sealing={"k1": b"s" * 32}, active="k1")
GIANT_SHARE = 0.94
SMALL_PROVIDERS = 40
_STEPS = (0, 1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 22, 23, 23.75, 24.05, 24.25, 26, 48, 72)
_BATCH_BYTES = 900_000


class Story(Struct, frozen=True):
    """One case of the year: who hosts it, when it was reported, when it really went."""

    case_id: str
    sealed: str
    provider: str
    address: str
    reported: datetime
    gone_hours: float


def stories(cases: int = CASES, seed: int = SEED) -> Iterator[Story]:
    """Give the cases, in the order of their reports."""
    rng = random.Random(seed)
    step = YEAR_SECONDS / cases
    for number in range(cases):
        giant = rng.random() < GIANT_SHARE
        small = rng.randrange(SMALL_PROVIDERS)
        provider = "giant" if giant else f"small-{small:02d}"
        address = f"192.0.2.{1 + number % 200}" if giant else f"198.51.100.{small + 1}"
        url = canonical(f"http://{provider}.example/{number:x}")
        # Half is gone in eight hours, a tenth lasts for more than three days.
        gone = rng.weibullvariate(14.0, 0.7)
        reported = START + timedelta(seconds=number * step)
        yield Story(KEYRING.case_id(url), KEYRING.seal(url), provider, address, reported, gone)


def events_of(story: Story) -> Iterator[tuple[str, Event]]:
    """Give the events of one case with their topics: a report, a notice, nineteen looks."""
    report = ev.ReportFiled(reporter="hotline", sealed_url=story.sealed, provider=story.provider)
    yield topics.REPORTS.name, _stated(story, story.reported, report)
    sent_at = story.reported + timedelta(minutes=2)
    notice = ev.NoticeSent(notice_id=story.case_id[:12], provider=story.provider)
    yield topics.REPORTS.name, _stated(story, sent_at, notice)
    for hours in _STEPS:
        yield topics.OBSERVATIONS.name, _look(story, sent_at + timedelta(hours=hours, minutes=1))


def _stated(story: Story, time: datetime, data: Payload) -> Event:
    body = codec.encode_data(data)
    name = ids.content_id(ev.TYPE_OF[type(data)], story.case_id, time, body)
    return Event(id=name, time=time, source="hotline", case_id=story.case_id, data=data)


def _look(story: Story, tick: datetime) -> Event:
    gone = tick >= story.reported + timedelta(hours=story.gone_hours)
    finished = tick + timedelta(seconds=0.35)
    data = ev.LookMade(
        vantage="nl",
        tick=tick,
        started_at=tick,
        finished_at=finished,
        verdict="removed" if gone else "online",
        layer="content" if gone else None,
        reason="not_found" if gone else "served",
        served=(ev.Served(address=story.address, provider=story.provider, online=not gone),),
        fingerprint=ev.Fingerprint(
            status=404 if gone else 200, content_type="image/jpeg", content_length=183_204
        ),
        canary_at=finished,
        phases={"resolve": 0.0021, "connect": 0.0312, "tls": 0.0645, "first_byte": 0.1207},
    )
    name = ids.look_id(story.case_id, "nl", tick, tick)
    return Event(id=name, time=finished, source="prober:nl", case_id=story.case_id, data=data)


class _Filler:
    """Appends records to one producer's batches, one open batch per topic and partition."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._open: dict[tuple[str, int], Any] = {}
        self._sent: list[Any] = []
        self.records = 0

    async def add(self, topic: str, partition: int, event: Event) -> None:
        place = (topic, partition)
        key, value, headers = codec.encode(event)
        batch = self._open.get(place) or self._producer.create_batch()
        self._open[place] = batch
        if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
            await self._send(place)
            self._open[place] = batch = self._producer.create_batch()
            batch.append(key=key, value=value, timestamp=None, headers=headers)
        self.records += 1

    async def _send(self, place: tuple[str, int]) -> None:
        batch = self._open.pop(place)
        batch.close()
        future = await self._producer.send_batch(batch, place[0], partition=place[1])
        self._sent.append(future)
        if len(self._sent) > 64:
            await asyncio.gather(*self._sent)
            self._sent.clear()

    async def finish(self) -> None:
        for place in list(self._open):
            await self._send(place)
        await asyncio.gather(*self._sent)


async def fill(
    kafka: KafkaConnection,
    cases: int = CASES,
    partitions: int = topics.DEFAULT_PARTITIONS,
    seed: int = SEED,
) -> int:
    """Write the year; return how many events it has. The order within a partition is that of the cases."""
    await create_topics(kafka, partitions=partitions, replication=1)
    options = kafka.producer_options() | {"max_batch_size": _BATCH_BYTES, "linger_ms": 20}
    producer = AIOKafkaProducer(**options)
    await producer.start()
    try:
        filler = _Filler(producer)
        for story in stories(cases, seed):
            home = home_of(story.case_id, partitions)
            for topic, event in events_of(story):
                await filler.add(topic, home, event)
        await filler.finish()
    finally:
        await producer.stop()
    return filler.records


if __name__ == "__main__":
    asked = int(sys.argv[2]) if len(sys.argv) > 2 else CASES
    print(asyncio.run(fill(kafka_at(sys.argv[1]), asked)), "events")
