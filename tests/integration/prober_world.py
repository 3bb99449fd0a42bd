"""What the prober's tests share: topics of their own, a watch list, a looker that needs no network."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import GroupLoadInProgressError

from consumers.client.connection import KafkaConnection
from consumers.client.topic_admin import create_topics
from consumers.prober.options import ProberSettings
from consumers.prober.prober_consumer import Prober
from consumers.prober.progress import read_progress
from schemas import codec, methodology
from schemas.events import Event, LookMade, LookMissed, WatchEntry
from schemas.sealing import Keyring
from schemas.topics import OBSERVATIONS, WATCHLIST, Topic
from schemas.urls import canonical
from services.exporter.health import Health
from services.probing.look.looker import Target
from services.probing.schedule.works import Progress
from tests.as_configured import kafka_at, prober_settings
from tests.servers import eventually

KEYS = Keyring(naming=b"n" * 32, sealing={"k1": b"s" * 32}, active="k1")
OTHER_KEYS = Keyring(naming=b"n" * 32, sealing={"k2": b"t" * 32}, active="k2")
# A look a second, spread by a quarter; 300 ms after a suspicion the confirming ones.
METHOD = methodology.parse(
    """
    id = "quick"
    version = 1
    title = "A look a second"
    [cadence]
    steps = [{every = "1s"}]
    confirm = ["0.3s"]
    confirm_every = "1h"
    tail = ["1h"]
    jitter = "0.25s"
    """,
    "quick",
)
SETTINGS = prober_settings(
    resolution=0.05,
    poll_seconds=0.05,
    commit_seconds=0.2,
    hand_over_seconds=0.5,
    drain_seconds=1.0,
    session_seconds=6.0,
)


def clock() -> datetime:
    """Read the real clock."""
    return datetime.now(UTC)


class ScriptedLooker:
    """Sees every URL online, after `seconds`; `gone` and `hang` hold case ids."""

    def __init__(self, vantage: str, seconds: float = 0.0) -> None:
        self.vantage = vantage
        self.seconds = seconds
        self.hang: set[str] = set()
        self.broken: set[str] = set()
        self.seen: list[Target] = []

    async def look(self, target: Target, tick: datetime) -> LookMade:
        """Look."""
        self.seen.append(target)
        started = clock()
        if target.case_id in self.broken:
            raise RuntimeError("a bug of the looker's")
        await asyncio.sleep(3600 if target.case_id in self.hang else self.seconds)
        return LookMade(
            vantage=self.vantage,
            tick=tick,
            started_at=started,
            finished_at=max(clock(), started),
            verdict="online",
            reason="ok",
        )


@dataclass
class World:
    """One vantage on topics of its own."""

    kafka: KafkaConnection
    producer: AIOKafkaProducer
    vantage: str
    watchlist: Topic
    observations: Topic
    listed: dict[str, datetime] = field(default_factory=dict)
    entries: dict[str, WatchEntry] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """The group of the vantage."""
        return f"takedown-prober.{self.vantage}"

    async def watch(self, number: int, keys: Keyring = KEYS, **fields: Any) -> str:
        """Put a case on the watch list, or its new entry; gives its id."""
        url = canonical(f"http://host.example/{number}")
        case_id = keys.case_id(url)
        basic = {"watch_from": clock(), "category": "csam", "methodology": "quick"}
        data = WatchEntry(sealed_url=keys.seal(url), **(basic | fields))
        event = Event(id=uuid4(), time=clock(), source="test", case_id=case_id, data=data)
        key, value, headers = codec.encode(event)
        sent = await self.producer.send_and_wait(
            self.watchlist.name, value, key=key, headers=headers
        )
        self.entries[case_id] = data
        self.listed.setdefault(case_id, datetime.fromtimestamp(sent.timestamp / 1000, UTC))
        return case_id

    async def end(self, case_id: str) -> None:
        """Put a tombstone."""
        await self.producer.send_and_wait(self.watchlist.name, None, key=case_id.encode())

    def prober(
        self,
        looker: ScriptedLooker | None = None,
        settings: ProberSettings = SETTINGS,
        **options: Any,
    ) -> Prober:
        """Make a prober of this vantage."""
        return Prober(
            self.kafka,
            looker or ScriptedLooker(self.vantage),
            KEYS,
            methodologies={METHOD.id: METHOD},
            vantage=self.vantage,
            health=Health(),
            clock=options.pop("clock", clock),
            settings=settings,
            role=options.pop("role", "first"),
            watchlist=self.watchlist,
            observations=self.observations,
            **options,
        )

    async def seen(self) -> list[LookMade | LookMissed]:
        """Read everything that was observed so far, in order per case."""
        return [event.data for event in await self.records()]  # type: ignore[misc]

    async def records(self) -> list[codec.Incoming]:
        """Read every observation with its envelope."""
        consumer = AIOKafkaConsumer(**self.kafka.consumer_options(), auto_offset_reset="earliest")
        await consumer.start()
        try:
            tps = [TopicPartition(self.observations.name, n) for n in range(3)]
            consumer.assign(tps)
            ends = await consumer.end_offsets(tps)
            found: list[codec.Incoming] = []
            for tp in tps:
                while await consumer.position(tp) < ends[tp]:
                    for records in (await consumer.getmany(tp, timeout_ms=200)).values():
                        found += [codec.decode(r.value, r.headers, OBSERVATIONS) for r in records]
            return found
        finally:
            await consumer.stop()

    async def progress(self) -> dict[int, Progress | None]:
        """Read what the vantage stored, as soon as a broker that was started anew knows it."""
        return await eventually("the group's offsets", self._stored)

    async def _stored(self) -> dict[int, Progress | None] | None:
        try:
            return dict(await read_progress(self.kafka, self.group, self.watchlist.name, range(3)))
        except GroupLoadInProgressError:
            return None

    async def done_until(self, instant: datetime) -> bool:
        """Tell whether every partition's watermark has reached an instant."""
        stored = await self.progress()
        return all(p is not None and p.watermark >= instant for p in stored.values())

    async def ticks_by_case(self) -> dict[str, tuple[Counter[datetime], Counter[datetime]]]:
        """Count made and missed looks per case and tick."""
        made: dict[str, tuple[Counter[datetime], Counter[datetime]]] = {
            case_id: (Counter(), Counter()) for case_id in self.entries
        }
        for record in await self.records():
            look = record.data
            assert isinstance(look, LookMade | LookMissed)
            assert record.subject is not None
            made[record.subject][isinstance(look, LookMissed)][look.tick] += 1
        return made


@asynccontextmanager
async def world(bootstrap: str) -> AsyncIterator[World]:
    """Make topics of three partitions for one test."""
    tag = uuid4().hex[:8]
    kafka = kafka_at(bootstrap)
    watchlist = replace(WATCHLIST, name=f"{WATCHLIST.name}.{tag}")
    observations = replace(OBSERVATIONS, name=f"{OBSERVATIONS.name}.{tag}")
    wanted = {topic.name: topic.config for topic in (watchlist, observations)}
    await create_topics(kafka, partitions=3, replication=1, contracts=wanted)
    producer = AIOKafkaProducer(**kafka.producer_options())
    await producer.start()
    try:
        yield World(kafka, producer, f"v-{tag}", watchlist, observations)
    finally:
        await producer.stop()


@asynccontextmanager
async def running(prober: Prober) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Run a prober for a block; yields what stops it."""
    stop = asyncio.Event()
    task = asyncio.create_task(prober.run(stop))

    async def finish() -> None:
        stop.set()
        await asyncio.wait_for(asyncio.shield(task), 30)

    try:
        yield finish
    finally:
        await finish()


async def child(
    bootstrap: str, vantage: str, watchlist: str, observations: str, pace: str = "1000"
) -> None:
    """Run a prober in this process until SIGTERM; the tests kill it, or stop it for a while."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    here = World(
        kafka_at(bootstrap),
        None,  # type: ignore[arg-type]
        vantage,
        replace(WATCHLIST, name=watchlist),
        replace(OBSERVATIONS, name=observations),
    )
    settings = msgspec.structs.replace(SETTINGS, looks_per_second=float(pace))
    await here.prober(ScriptedLooker(vantage, seconds=0.05), settings).run(stop)


if __name__ == "__main__":
    asyncio.run(child(*sys.argv[1:]))
