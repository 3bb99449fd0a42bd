"""The role `retention`: once an hour, what has been kept for long enough goes."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg
import structlog
from aiokafka.errors import KafkaError
from msgspec import Struct

from consumers.client import patience
from consumers.client import retry as backoff
from consumers.client.connection import KafkaConnection
from consumers.client.producing import produce
from consumers.client.session import Turning
from consumers.ledger.consumer import GROUP
from consumers.retention.cutting import Cutter
from consumers.retention.erasing import ACTOR, erasures
from consumers.retention.moving import Mover, Offsets, RetentionBusy
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


class Done(Struct, frozen=True, kw_only=True):
    """What one round did: cases whose URL is to be destroyed, records moved, dead letters deleted."""

    erased: int
    moved: int
    forgotten: int


class Retention:
    """Works in rounds until it is stopped; a round that fails is made again at the next."""

    def __init__(
        self,
        kafka: KafkaConnection,
        pool: asyncpg.Pool,
        folder: Path,
        keyring: Keyring,
        methodology: Methodology,
        health: Turning,
        clock: Callable[[], datetime],
        *,
        kept: timedelta,
        interval_seconds: float = 3600.0,
        first_seconds: float = _FIRST_SECONDS,
    ) -> None:
        self._kafka = kafka
        self._pool = pool
        self._mover = Mover(kafka, pool, folder, Cutter(keyring), lambda: health.turned(NAME))
        self._methodology = methodology
        self._health = health
        self._clock = clock
        self._kept = kept
        self._interval_seconds = interval_seconds
        self._first_seconds = first_seconds
        self._said: Offsets = {}

    def __repr__(self) -> str:
        return f"<Retention {self._kept.days} days>"

    async def run(self, stop: asyncio.Event) -> None:
        """Make rounds until `stop`. Raises what waiting can't mend."""
        metrics.RETENTION_ROUND_TIMESTAMP_SECONDS.set(self._clock().timestamp())
        await self._rest(stop, self._first_seconds)
        while not stop.is_set():
            await self._try()
            await self._rest(stop, self._interval_seconds)

    async def _try(self) -> None:
        """Make a round; what fails is said, and tried again at the next."""
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
            if patience.is_transient(error):
                log.warning("retention.waits", error=type(error).__name__)
            else:
                # A damaged archive or a right that is missing stays so until somebody comes; no other role of this
                # process is to stand still for that.
                told = str(error) if isinstance(error, TakedownError) else None
                log.error("retention.failed", error=type(error).__name__, told=told)
        else:
            log.info("retention.done", erased=done.erased, moved=done.moved, dead=done.forgotten)

    async def _rest(self, stop: asyncio.Event, seconds: float) -> None:
        """Wait, and show meanwhile that the loop lives."""
        while seconds > 0 and not stop.is_set():
            self._health.turned(NAME)
            await backoff.pause(stop, min(seconds, _SIGN_SECONDS))
            seconds -= _SIGN_SECONDS
        self._health.turned(NAME)

    async def round(self) -> Done:
        """Say which URLs are to be destroyed, then move and delete what is old on the broker.

        Raises `ConfigError` where the ledger was folded under another methodology: by that one a watch may go on.
        """
        now = self._clock()
        await self._agrees()
        erased = await self._erase(now)
        before = now - self._kept
        moved = await self._mover.move(now, before, await self._taken())
        # Not before: they prove what was refused.
        forgotten = await self._mover.forget_dead_letters(before)
        metrics.URLS_ERASED.inc(erased)
        metrics.RECORDS_MOVED.inc(moved)
        metrics.RETENTION_ROUND_TIMESTAMP_SECONDS.set(now.timestamp())
        return Done(erased=erased, moved=moved, forgotten=forgotten)

    async def due(self) -> Done:
        """Tell what a round would do now."""
        now = self._clock()
        await self._agrees()
        due = erasures(self._pool, self._methodology, now, self._kept)
        before = now - self._kept
        return Done(
            erased=sum([1 async for _ in due]),
            moved=await self._mover.due(before, await self._taken()),
            forgotten=await self._mover.dead_letters(before),
        )

    async def _agrees(self) -> None:
        async with self._pool.acquire() as session:
            await agrees(session, self._methodology)

    async def _erase(self, now: datetime) -> int:
        """Say it once: a ledger that has not read the last round's words would make us repeat them."""
        taken = await self._taken()
        if any(taken.get(place, 0) < offset for place, offset in self._said.items()):
            return 0
        said: list[Event] = []
        erased = 0
        async for event in erasures(self._pool, self._methodology, now, self._kept):
            said.append(event)
            if len(said) >= _BATCH:
                erased += await self._say(said)
                said = []
                self._health.turned(NAME)
        return erased + await self._say(said)

    async def _say(self, said: list[Event]) -> int:
        """Write to the audit log what is to be destroyed, then say it."""
        if said:
            purpose = f"{len(said)} cases, {self._kept.days} days after the end of their watch"
            async with self._pool.acquire() as session:
                await audit.record(session, ACTOR, "erase", None, purpose)
            options = self._kafka.producer_options()
            self._said |= await produce(options, said, lambda count: None)
        return len(said)

    async def _taken(self) -> Offsets:
        """Give how far the ledger has read."""
        found = await self._pool.fetch(query("stored_offsets"), GROUP)
        return {(row["topic"], row["partition"]): row["next_offset"] for row in found}
