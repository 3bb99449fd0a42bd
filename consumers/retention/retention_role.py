"""The role `retention`: once an hour, what has been kept for long enough goes."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg
import structlog
from aiokafka.errors import KafkaError
from msgspec import Struct

from consumers.client import outages, retry
from consumers.client.connection import KafkaConnection
from consumers.client.groups import LEDGER_GROUP
from consumers.client.loop_health import LoopHealth
from consumers.client.producing import produce
from consumers.record.places import Offsets
from consumers.retention.erasure import ACTOR, erasures
from consumers.retention.mover import Mover
from consumers.retention.redactor import Redactor
from consumers.retention.round_lock import RetentionBusy, RoundLock
from schemas.errors import TakedownError
from schemas.events import Event
from schemas.methodology import Methodology
from schemas.sealing import Keyring
from services.exporter import metrics
from services.ledger import audit
from services.ledger.queries import query
from services.ledger.store import agrees

log = structlog.get_logger(__name__)

NAME = "retention"
# A server that was started a moment ago has other things to do.
_FIRST_SECONDS = 300.0
_SIGN_SECONDS = 10.0
_BATCH = 1000


class RoundCounts(Struct, frozen=True, kw_only=True):
    """What one round did: cases whose URL is to be destroyed, records moved, dead letters deleted."""

    erased: int
    moved: int
    forgotten: int

    @property
    def steps(self) -> int:
        """How many steps a round counts: each record is written, and read back before it is deleted."""
        return self.erased + 2 * self.moved


class RetentionRole:
    """Works in rounds until it is stopped; a round that fails is made again at the next."""

    def __init__(
        self,
        kafka: KafkaConnection,
        pool: asyncpg.Pool,
        folder: Path,
        keyring: Keyring,
        methodology: Methodology,
        health: LoopHealth,
        clock: Callable[[], datetime],
        *,
        period: timedelta,
        interval_seconds: float,
        first_seconds: float = _FIRST_SECONDS,
        count: Callable[[int], None] = lambda done: None,
    ) -> None:
        self._kafka = kafka
        self._pool = pool
        self._lock = RoundLock(pool)
        self._mover = Mover(
            kafka, pool, folder, Redactor(keyring), self._turned, self._lock.require
        )
        self._count = count
        self._methodology = methodology
        self._health = health
        self._clock = clock
        self._period = period
        self._interval_seconds = interval_seconds
        self._first_seconds = first_seconds
        self._announced: Offsets = {}

    def __repr__(self) -> str:
        return f"<Retention {self._period.days} days>"

    async def run(self, stop: asyncio.Event) -> None:
        """Make rounds until `stop`. Raises what waiting can't mend."""
        metrics.RETENTION_ROUND_TIMESTAMP_SECONDS.set(self._clock().timestamp())
        await self._wait(stop, self._first_seconds)
        while not stop.is_set():
            await self._attempt()
            await self._wait(stop, self._interval_seconds)

    async def _attempt(self) -> None:
        """Make a round; what fails is logged, and tried again at the next."""
        try:
            done = await self.round()
        except RetentionBusy:
            log.info("retention.busy")
        except (
            TakedownError,
            KafkaError,
            OSError,
            TimeoutError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
        ) as error:
            if outages.is_transient(error):
                log.warning("retention.waits", error=type(error).__name__)
            else:
                # A damaged archive or a right that is missing stays so until somebody comes; no other role of this
                # process is to stand still for that.
                detail = str(error) if isinstance(error, TakedownError) else None
                log.error("retention.failed", error=type(error).__name__, detail=detail)
        else:
            log.info("retention.done", erased=done.erased, moved=done.moved, dead=done.forgotten)

    def _turned(self, done: int) -> None:
        """Show that the loop lives, and how many erasures and records more are done."""
        self._health.turned(NAME)
        self._count(done)

    async def _wait(self, stop: asyncio.Event, seconds: float) -> None:
        """Wait, and show meanwhile that the loop lives."""
        while seconds > 0 and not stop.is_set():
            self._health.turned(NAME)
            await retry.pause(stop, min(seconds, _SIGN_SECONDS))
            seconds -= _SIGN_SECONDS
        self._health.turned(NAME)

    async def round(self) -> RoundCounts:
        """Announce which URLs are to be destroyed, then move and delete what is old on the broker.

        Raises `ConfigError` where the ledger was folded under another methodology: by that one a watch may go on, and
        `RetentionBusy` where another retention of the ledger is at work, on whichever machine.
        """
        async with self._lock.held():
            return await self._round()

    async def _round(self) -> RoundCounts:
        now = self._clock()
        await self._agrees()
        erased = await self._erase(now)
        before = now - self._period
        moved = await self._mover.move(now, before, await self._stored_offsets())
        # Not before: they prove what was refused.
        forgotten = await self._mover.delete_dead_letters(before)
        metrics.URLS_ERASED.inc(erased)
        metrics.RECORDS_MOVED.inc(moved)
        metrics.RETENTION_ROUND_TIMESTAMP_SECONDS.set(now.timestamp())
        return RoundCounts(erased=erased, moved=moved, forgotten=forgotten)

    async def due(self) -> RoundCounts:
        """Tell what a round would do now."""
        now = self._clock()
        await self._agrees()
        due = erasures(self._pool, self._methodology, now, self._period)
        before = now - self._period
        return RoundCounts(
            erased=sum([1 async for _ in due]),
            moved=await self._mover.due(before, await self._stored_offsets()),
            forgotten=await self._mover.dead_letters(before),
        )

    async def _agrees(self) -> None:
        async with self._pool.acquire() as session:
            await agrees(session, self._methodology)

    async def _erase(self, now: datetime) -> int:
        """Announce each erasure once: a ledger that has not read the last round's would make us repeat them."""
        read = await self._stored_offsets()
        if any(read.get(place, 0) < offset for place, offset in self._announced.items()):
            return 0
        batch: list[Event] = []
        erased = 0
        async for event in erasures(self._pool, self._methodology, now, self._period):
            batch.append(event)
            if len(batch) >= _BATCH:
                erased += await self._announce(batch)
                batch = []
        return erased + await self._announce(batch)

    async def _announce(self, batch: list[Event]) -> int:
        """Write to the audit log what is to be destroyed, then send it."""
        if batch:
            purpose = f"{len(batch)} cases, {self._period.days} days after the end of their watch"
            async with self._pool.acquire() as session:
                await audit.record(session, ACTOR, "erase", None, purpose)
            options = self._kafka.producer_options()
            self._announced |= await produce(options, batch, self._turned)
        return len(batch)

    async def _stored_offsets(self) -> Offsets:
        """Give how far the ledger has read."""
        rows = await self._pool.fetch(query("stored_offsets"), LEDGER_GROUP)
        return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
