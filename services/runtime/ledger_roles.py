"""Build the roles that have a database: the ledger, its relay, the exporter.

Apart from `services.runtime.roles`, so that a prober's process does not even hold the database's client.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import asyncpg
import structlog

from consumers.ledger.brake import FloodBrake
from consumers.ledger.ledger_consumer import NAME as LEDGER_LOOP
from consumers.ledger.ledger_consumer import LedgerConsumer
from consumers.ledger.relay import NAME as RELAY_LOOP
from consumers.ledger.relay import Relay
from consumers.ledger.session import LoopSettings
from consumers.retention.retention_role import NAME as RETENTION_LOOP
from consumers.retention.retention_role import RetentionRole
from services.exporter.collector import Exporter
from services.ledger import migrate
from services.ledger.pool import open_pool
from services.ledger.queries import query
from services.notices.channel_capacity import capacity
from services.runtime.attributing import watch_list
from services.runtime.connections import database_connection
from services.runtime.kafka_login import kafka_connection
from services.runtime.keyfile import load_keyring
from services.runtime.methods import methodology
from services.runtime.parts import Build, Parts, Role, answering_kafka
from services.runtime.patience import patiently

log = structlog.get_logger(__name__)

# A batch, or an outbox read, that takes longer than this has stopped the loop.
_LOOP_LIMIT_SECONDS = 60.0
# A month of reports is written, read back and deleted between two turns.
_ROUND_LIMIT_SECONDS = 1800.0


@asynccontextmanager
async def _pool(parts: Parts, role: str, least: int = 1) -> AsyncIterator[asyncpg.Pool]:
    """Open a pool on a database of this version's schema, and check it in /readyz; waits for a server that is away.

    It has `least` connections where the settings allow fewer.
    """
    connection = database_connection(parts.settings, role)
    pool = await open_pool(replace(connection, max_size=max(connection.max_size, least)))

    async def answers() -> str:
        # A pool of a role that writes raises here where the server takes no writes.
        writable = await pool.fetchval(query("takes_writes"))
        return "takes writes" if writable else "answers"

    async def current() -> None:
        async with pool.acquire() as session:
            await migrate.require_current(session)

    try:
        parts.health.add_check("postgres", answers)
        await patiently(current, _log_wait)
        yield pool
    finally:
        await pool.close()


def _log_wait(line: str) -> None:
    log.warning("role.waits", what=line)


@asynccontextmanager
async def _ledger(parts: Parts) -> AsyncIterator[Role]:
    settings = parts.settings
    kafka = kafka_connection(settings, "takedown-ledger")
    section = settings.ledger
    loop = LoopSettings(
        batch_records=section.batch_records,
        fetch_bytes=section.fetch_bytes,
        partition_fetch_bytes=section.partition_fetch_bytes,
        stall_seconds=section.stall_seconds,
        drain_seconds=settings.stop_seconds,
        accept_gaps=section.accept_gaps,
    )
    brake = FloodBrake(
        ratio=section.flood_ratio,
        window=section.flood_window_records,
        consecutive=section.flood_consecutive_records,
        enabled=section.flood_brake,
    )
    async with answering_kafka(parts), _pool(parts, "takedown_ledger") as pool:
        parts.health.register(LEDGER_LOOP, _LOOP_LIMIT_SECONDS)
        yield LedgerConsumer(
            kafka,
            pool,
            load_keyring(settings),
            methodology(settings.methodology),
            parts.health,
            parts.clock,
            settings=loop,
            brake=brake,
        )


@asynccontextmanager
async def _relay(parts: Parts) -> AsyncIterator[Role]:
    kafka = kafka_connection(parts.settings, "takedown-relay")
    async with answering_kafka(parts), _pool(parts, "takedown_ledger") as pool:
        parts.health.register(RELAY_LOOP, _LOOP_LIMIT_SECONDS)
        yield Relay(
            kafka,
            pool,
            parts.health,
            batch_records=parts.settings.ledger.relay_batch_records,
        )


@asynccontextmanager
async def _retention(parts: Parts) -> AsyncIterator[Role]:
    async with answering_kafka(parts), retention(parts) as role:
        parts.health.register(RETENTION_LOOP, _ROUND_LIMIT_SECONDS)
        yield role


@asynccontextmanager
async def retention(
    parts: Parts, count: Callable[[int], None] = lambda done: None
) -> AsyncIterator[RetentionRole]:
    """Build the retention, for the role and for `takedown retention`; `count` hears how many steps are done."""
    settings = parts.settings
    # One holds the lock of a round.
    async with _pool(parts, "takedown_ledger", least=2) as pool:
        yield RetentionRole(
            kafka_connection(settings, "takedown-retention"),
            pool,
            settings.archives_path,
            load_keyring(settings),
            methodology(settings.methodology),
            parts.health,
            parts.clock,
            period=timedelta(days=settings.retention.url_days),
            interval_seconds=settings.retention.interval_seconds,
            count=count,
        )


@asynccontextmanager
async def _exporter(parts: Parts) -> AsyncIterator[Role]:
    section = parts.settings.exporter
    async with _pool(parts, "takedown_exporter") as pool:
        yield Exporter(
            pool,
            methodology(parts.settings.methodology),
            parts.health,
            parts.clock,
            top_providers=section.top_providers,
            watch_providers=(*section.watch_providers, *watch_list(parts.settings, parts.clock())),
            interval_seconds=section.interval_seconds,
            public_status=section.public_status,
            time_zone=parts.settings.time_zone,
            capacities=[capacity(text) for text in parts.settings.notices.capacities],
        )


BUILD: dict[str, Build] = {
    "ledger": _ledger,
    "relay": _relay,
    "exporter": _exporter,
    "retention": _retention,
}
