"""The exporter's loop: read the ledger every so often, and expose the last reading.

A scrape never waits for Postgres: it gets the last snapshot, and
`takedown_snapshot_timestamp_seconds` tells its age.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from time import monotonic

import asyncpg
import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from schemas.errors import TakedownError
from schemas.methodology import Methodology
from services.exporter import metrics
from services.exporter.exposition import Exposition, SettledMetric, exposition_of
from services.exporter.health import Health
from services.exporter.ledger_reading import Reader
from services.exporter.metric_families import (
    empty_families,
    families,
    notice_families,
    refusing_family,
)
from services.exporter.status_board import StatusBoard
from services.notices.channel_capacity import Capacity

log = structlog.get_logger(__name__)

# A reading may take a tenth of the time, however large the ledger: the rest is the ledger's own.
_REST_FACTOR = 9
# A reading is at most so many statements, each with the statement time-out.
_STATEMENTS = 8


class NoFigures(TakedownError):
    """The ledger was not read yet, or not lately; look for `exporter.reading_failed` in the log."""


class Snapshot(Collector):
    """What the registry exposes of the ledger: the families of the last reading of each part."""

    def __init__(self, exposition: Exposition | None = None) -> None:
        self._exposition = exposition or Exposition()
        self._parts: dict[str, list[Metric]] = {}
        self._families: list[Metric] = []

    def __repr__(self) -> str:
        return f"<Snapshot of {', '.join(self._parts) or 'nothing yet'}>"

    def publish(self, part: str, families: list[Metric]) -> None:
        """Replace what is exposed of one part, once it is written: no work for an event loop."""
        parts = self._parts | {part: families}
        whole = _merged(parts)
        self._exposition.prepare(whole)
        self._parts, self._families = parts, whole

    def collect(self) -> Iterable[Metric]:
        """Give the families of the last readings; the same objects until the next one."""
        return self._families

    def describe(self) -> Iterable[Metric]:
        """Name the families, so that the registry can refuse a second one of a name."""
        return empty_families()


def _merged(parts: dict[str, list[Metric]]) -> list[Metric]:
    """Join parts; what is in several of them is one family."""
    merged: dict[str, Metric] = {}
    for family in chain.from_iterable(parts.values()):
        whole = merged.setdefault(family.name, _like(family))
        whole.samples.extend(family.samples)
    return list(merged.values())


def _like(family: Metric) -> Metric:
    return SettledMetric(family.name, family.documentation, family.type)


class Exporter:
    """Keeps the ledger's figures fresh until it is stopped.

    Args:
        clock: Gives the cut-off of each reading, UTC.
        top_providers: How many of the largest providers are labels of their own.
        watch_providers: Providers that always are.
        interval_seconds: From the end of a reading to the next; longer while readings are slow.
        public_status: Suppress small counts on the status page.
        time_zone: Whose times people read there; the methodology's unless given.
        capacities: What channels of providers can carry.

    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        methodology: Methodology,
        health: Health,
        clock: Callable[[], datetime],
        *,
        top_providers: int,
        watch_providers: Iterable[str],
        interval_seconds: float,
        public_status: bool,
        statement_timeout_seconds: float = 15.0,
        time_zone: str | None = None,
        capacities: Sequence[Capacity] = (),
        registry: CollectorRegistry = metrics.REGISTRY,
    ) -> None:
        self._methodology = methodology
        self._health = health
        self._clock = clock
        self._interval = interval_seconds
        self._timeout = statement_timeout_seconds
        self._registry = registry
        self._snapshot = Snapshot(exposition_of(registry))
        self._publishing = asyncio.Lock()
        self.board = StatusBoard(
            methodology, clock, public=public_status, time_zone=time_zone, capacities=capacities
        )
        self._reader = Reader(
            pool, methodology, top_providers, watch_providers, statement_timeout_seconds
        )
        self._parts = {
            metrics.FIGURES: _Part(metrics.FIGURES, self._figures, interval_seconds),
            metrics.NOTICES_PART: _Part(metrics.NOTICES_PART, self._notices, interval_seconds),
        }

    def __repr__(self) -> str:
        return f"<Exporter of {self._methodology.id}, {self._snapshot!r}>"

    async def run(self, stop: asyncio.Event) -> None:
        """Read and expose until `stop` is set; a failed reading is counted and tried again."""
        self.show()
        try:
            async with asyncio.TaskGroup() as group:
                for part in self._parts.values():
                    group.create_task(self._refresh(part, stop))
        finally:
            self.board.withdraw(self._health)
            self._registry.unregister(self._snapshot)

    def show(self) -> None:
        """Expose what is read from now on, on /metrics and as pages."""
        self._registry.register(self._snapshot)
        self._health.add_check("ledger_figures", self._fresh)
        self.board.serve(self._health)

    async def read_once(self) -> None:
        """Read everything once; what `run` does again and again."""
        for part in self._parts.values():
            await self._read(part)

    async def _refresh(self, part: "_Part", stop: asyncio.Event) -> None:
        loop = f"exporter_{part.name}"
        self._health.register(loop, self._limit_seconds())
        while not stop.is_set():
            part.rest_seconds = max(self._interval, await self._read(part) * _REST_FACTOR)
            self._health.turned(loop)
            await _wait(stop, part.rest_seconds)
        self._health.unregister(loop)

    async def _read(self, part: "_Part") -> float:
        began, cutoff = monotonic(), self._clock()
        try:
            read = await part.read(cutoff)
            part.read_at = cutoff
            async with self._publishing:
                await asyncio.to_thread(self._snapshot.publish, part.name, read)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            metrics.COLLECTOR_FAILURES.labels(part.name).inc()
            # Only the kind: a driver's message may name a host.
            log.warning("exporter.reading_failed", part=part.name, error=type(error).__name__)
        took = monotonic() - began
        metrics.COLLECTOR_SECONDS.labels(part.name).set(took)
        return took

    async def _figures(self, cutoff: datetime) -> list[Metric]:
        reading = await self._reader.read(cutoff)
        await asyncio.to_thread(self.board.put, reading)
        return await asyncio.to_thread(families, reading, self._methodology)

    async def _notices(self, cutoff: datetime) -> list[Metric]:
        reading = await self._reader.read_notices(cutoff)
        await asyncio.to_thread(self.board.put_notices, reading)
        refusing = refusing_family(self.board.refusing, reading.providers)
        return [*notice_families(reading), refusing]

    def _limit_seconds(self) -> float:
        longest = _STATEMENTS * self._timeout
        return longest + max(self._interval, longest * _REST_FACTOR)

    async def _fresh(self) -> str:
        part = self._parts[metrics.FIGURES]
        if part.read_at is None:
            raise NoFigures("the ledger has not been read yet")
        age = (self._clock() - part.read_at).total_seconds()
        if age > 3 * part.rest_seconds + 2 * self._timeout:
            raise NoFigures(f"the last reading is {age:.0f} s old")
        return f"read {age:.0f} s ago"


@dataclass(slots=True)
class _Part:
    name: str
    read: Callable[[datetime], Awaitable[list[Metric]]]
    rest_seconds: float
    read_at: datetime | None = None


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
