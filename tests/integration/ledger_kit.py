"""A ledger under test: evidence with a known fold, producers, consumers as tasks, and what they left."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from consumers.client.connection import KafkaConnection
from consumers.client.topic_admin import create_topics
from consumers.ledger.brake import FloodBrake
from consumers.ledger.ledger_consumer import LedgerConsumer
from consumers.ledger.session import LoopSettings
from schemas import codec, ids, topics
from schemas import events as ev
from schemas.events import Event, Payload
from schemas.methodology import Methodology, shipped
from schemas.sealing import Keyring
from schemas.urls import canonical
from services.core.digest import fold_digest
from services.core.fold import fold
from services.core.outcomes import outcomes
from services.exporter.health import Health
from services.ledger import migrate
from services.ledger.ledger_digest import ledger_digest
from services.ledger.pool import open_pool
from tests.as_configured import database_at, flood_brake, kafka_at, loop_settings
from tests.servers import eventually

METHOD: Methodology = shipped()["nl-24h"]
KEYRING = Keyring(naming=b"n" * 32, sealing={"k1": b"s" * 32}, active="k1")
START = datetime(2026, 1, 1, tzinfo=UTC)
PARTITIONS = 4
QUICK = loop_settings(
    batch_records=100,
    poll_seconds=0.05,
    session_seconds=6.0,
    watch_seconds=0.5,
    pause_after_seconds=1.0,
)
BRAKE = flood_brake()
TOPIC_OF = {struct: topic for topic in topics.EVIDENCE for struct in topic.carries}


def clock() -> datetime:
    return datetime.now(UTC)


def url_of(number: int) -> str:
    return f"http://host{number}.example/material/{number}"


def case_of(number: int) -> str:
    return KEYRING.case_id(canonical(url_of(number)))


def event(case_id: str, time: datetime, data: Payload) -> Event:
    """Make an event whose id is a function of its content."""
    name = ids.content_id(ev.TYPE_OF[type(data)], case_id, time, codec.encode_data(data))
    return Event(id=name, time=time, source="test", case_id=case_id, data=data)


def report(number: int, at: datetime = START, **fields: Any) -> Event:
    sealed = KEYRING.seal(canonical(url_of(number)))
    data = ev.ReportFiled(
        **{"reporter": "hotline", "sealed_url": sealed, "provider": "giant"} | fields
    )
    return event(case_of(number), at, data)


def notice(number: int, at: datetime, provider: str = "giant") -> Event:
    return event(case_of(number), at, ev.NoticeSent(notice_id="n1", provider=provider))


def look(number: int, at: datetime, verdict: str, provider: str = "giant") -> Event:
    finished = at + timedelta(seconds=0.5)
    data = ev.LookMade(
        vantage="nl",
        tick=at,
        started_at=at,
        finished_at=finished,
        verdict=verdict,  # type: ignore[arg-type]
        reason="test",
        served=(
            ev.Served(
                address="192.0.2.1",
                provider=provider,
                online=verdict == "online",
                gone=verdict == "removed",
            ),
        ),
        canary_at=finished,
        providers_left_out=(),
    )
    name = ids.look_id(case_of(number), "nl", at, at)
    return Event(id=name, time=finished, source="test", case_id=case_of(number), data=data)


def story(number: int) -> list[Event]:
    """Give the evidence of one case: some removed in time, some breached, some back, some moved, some retracted."""
    case = case_of(number)
    told = [report(number), notice(number, START + timedelta(minutes=5))]
    gone_from = (3, 9, 30, 99)[number % 4]
    for hour in range(1, 36):
        back = number % 5 == 0 and hour > 20
        verdict = "removed" if hour >= gone_from and not back else "online"
        provider = "small" if number % 7 == 0 and hour > 6 else "giant"
        told.append(look(number, START + timedelta(hours=hour), verdict, provider))
    if number % 6 == 0:
        retraction = ev.ReportRetracted(actor="hotline", reason="not illegal")
        told.append(event(case, START + timedelta(hours=12), retraction))
    if number % 11 == 0:
        told.append(
            event(
                case, START + timedelta(hours=2), ev.NoticeFailed(notice_id="n1", reason="refused")
            )
        )
    return told


def stories(count: int, *, shuffled: int | None = None) -> list[Event]:
    """Give the evidence of many cases, in the order of time or, with a seed, in any order."""
    told = [event for number in range(count) for event in story(number)]
    if shuffled is None:
        return sorted(told, key=lambda event: (event.time, event.id))
    random.Random(shuffled).shuffle(told)
    return told


def pure_digest(events: Iterable[Event], method: Methodology = METHOD) -> str:
    """Give the digest that the ledger must come to."""
    return fold_digest(_by_case(events), method)


def pure_outcomes(events: Iterable[Event], method: Methodology = METHOD) -> list[Event]:
    """Give the outcomes that must hold in the ledger."""
    logs = _by_case(events).values()
    return [one for log in logs for one in outcomes(*fold(log, method), method)]


def _by_case(events: Iterable[Event]) -> dict[str, list[Event]]:
    groups: dict[str, list[Event]] = {}
    for one in events:
        groups.setdefault(one.case_id, []).append(one)
    return groups


async def migrated_pool(dsn: str, *, role: str | None = "takedown_ledger") -> asyncpg.Pool:
    """Migrate as the owner, then open a pool in the ledger's own role."""
    session = await asyncpg.connect(dsn)
    try:
        await migrate.up(session)
    finally:
        await session.close()
    return await open_pool(database_at(dsn, role=role, max_size=6))


async def no_topics(bootstrap: str) -> KafkaConnection:
    """Have a broker on which none of our topics is."""
    kafka = kafka_at(bootstrap)
    admin = AIOKafkaAdminClient(**kafka.client_options())
    await admin.start()
    try:
        ours = set(topics.all_names())

        async def absent() -> bool:
            return not ours & set(await admin.list_topics())

        if old := sorted(ours & set(await admin.list_topics())):
            await admin.delete_topics(old)
        await eventually("the old topics are gone", absent)
    finally:
        await admin.close()
    return kafka


async def fresh_topics(bootstrap: str) -> KafkaConnection:
    """Make all topics anew, empty."""
    kafka = await no_topics(bootstrap)
    await create_topics(kafka, partitions=PARTITIONS, replication=1)
    return kafka


@dataclass
class Lab:
    """One broker, one database, any number of consumers; `sent` counts records on the evidence topics."""

    kafka: KafkaConnection
    pool: asyncpg.Pool
    sent: int = 0
    newest: LedgerConsumer | None = None
    running: list[tuple[asyncio.Event, "asyncio.Task[None]"]] = field(default_factory=list)

    async def produce(self, events: Iterable[Event]) -> None:
        """Send events in binary mode to the topics where they belong."""
        records = []
        for one in events:
            key, value, headers = codec.encode(one)
            records.append((TOPIC_OF[type(one.data)].name, key, value, headers))
        await self.produce_raw(records)

    async def produce_raw(
        self, records: Sequence[tuple[str, bytes | None, bytes | None, list[tuple[str, bytes]]]]
    ) -> None:
        """Send records as they are."""
        producer = AIOKafkaProducer(**self.kafka.producer_options())
        await producer.start()
        try:
            sent = [
                await producer.send(topic, value, key=key, headers=headers)
                for topic, key, value, headers in records
            ]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()
        self.sent += len(records)

    def start(
        self, settings: LoopSettings = QUICK, brake: FloodBrake = BRAKE
    ) -> "asyncio.Task[None]":
        """Start a member of the group."""
        consumer = LedgerConsumer(
            self.kafka, self.pool, KEYRING, METHOD, Health(), clock, settings=settings, brake=brake
        )
        self.newest = consumer
        stop = asyncio.Event()
        task = asyncio.create_task(consumer.run(stop))
        self.running.append((stop, task))
        return task

    async def take(self, events: Iterable[Event] = ()) -> None:
        """Have a member take events, after what was sent already, and stop."""
        await self.produce(events)
        self.start()
        await self.drained()
        await self.stop()

    async def waits(self) -> bool:
        """Tell whether the newest member waits an outage out."""
        return self.newest is not None and self.newest._loop._retry.waiting

    async def stop(self) -> None:
        """Stop every member in order; raises what one of them raised."""
        running, self.running = self.running, []
        for stop, _ in running:
            stop.set()
        await asyncio.gather(*(task for _, task in running))

    async def stored(self) -> int:
        """Count the records that the ledger has taken."""
        total: int = await self.pool.fetchval(
            "SELECT coalesce(sum(next_offset), 0)::bigint FROM consumer_offsets"
        )
        return total

    async def committed(self) -> int:
        """Count the records that Kafka's own tooling takes for consumed."""
        admin = AIOKafkaAdminClient(**self.kafka.client_options())
        await admin.start()
        try:
            found = await admin.list_consumer_group_offsets("takedown-ledger")
        finally:
            await admin.close()
        return sum(place.offset for tp, place in found.items() if tp.topic in topics.BY_NAME)

    async def drained(self, seconds: float = 60.0) -> None:
        """Return when the ledger has taken everything that was sent."""

        async def all_taken() -> bool:
            for _, task in self.running:
                if task.done():
                    task.result()
            try:
                return await self.stored() >= self.sent
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                return False

        await eventually(f"{self.sent} records are in the ledger", all_taken, seconds)

    async def digest(self) -> str:
        return await ledger_digest(self.pool)

    async def recorded(self) -> list[Mapping[str, Any]]:
        """Give the recorded outcomes."""
        rows = await self.pool.fetch(
            "SELECT outcome_id, case_id, type, provider, voided_at FROM outcomes"
        )
        return [dict(row) for row in rows]

    async def read(self, topic: str) -> list[Any]:
        """Give every record of a topic."""
        consumer = AIOKafkaConsumer(**self.kafka.consumer_options(), auto_offset_reset="earliest")
        await consumer.start()
        try:
            parts = [TopicPartition(topic, number) for number in range(PARTITIONS)]
            consumer.assign(parts)
            total = sum((await consumer.end_offsets(parts)).values())
            found: list[Any] = []
            while len(found) < total:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
            return found
        finally:
            await consumer.stop()


@asynccontextmanager
async def lab(bootstrap: str, dsn: str) -> AsyncIterator[Lab]:
    """Hold a lab with empty topics and an empty, migrated database."""
    made = Lab(await fresh_topics(bootstrap), await migrated_pool(dsn))
    try:
        yield made
    finally:
        for stop, task in made.running:
            stop.set()
            await asyncio.wait({task}, timeout=20)
            task.cancel()
        made.pool.terminate()
