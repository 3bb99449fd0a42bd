"""The roles: what each is built of, when it refuses to start, and how several run in one process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import asyncpg
import structlog

from consumers.brake import FloodBrake
from consumers.ledger import GROUP as LEDGER_GROUP
from consumers.ledger import NAME as LEDGER_LOOP
from consumers.ledger import LedgerConsumer
from consumers.relay import NAME as RELAY_LOOP
from consumers.relay import Relay
from consumers.session import LoopSettings
from schemas.errors import ConfigError
from services.exporter.collector import Exporter
from services.exporter.health import Health
from services.exporter.http import serve
from services.ledger import migrate
from services.ledger.pool import open_pool
from services.runtime.connections import database_connection, kafka_connection
from services.runtime.endpoints import connected
from services.runtime.kafka_check import KafkaCheck
from services.runtime.keys import load_keyring
from services.runtime.looking import open_prober
from services.runtime.methods import methodology
from services.runtime.process import run_process
from services.runtime.settings import Settings

__all__ = [
    "LEDGER_GROUP",
    "ROLES",
    "default_roles",
    "refusals",
    "refuse_to_start",
    "run_roles",
]

log = structlog.get_logger(__name__)

Clock = Callable[[], datetime]
# A batch, or an outbox read, that takes longer than this has stopped the loop.
_LOOP_LIMIT_SECONDS = 60.0


class Role(Protocol):
    """A long-running part of the program."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, drain, return; raises what it can't mend."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What every role is built from."""

    settings: Settings
    health: Health
    clock: Clock


Build = Callable[[Parts], AbstractAsyncContextManager[Role]]


@asynccontextmanager
async def _pool(parts: Parts, role: str) -> AsyncIterator[asyncpg.Pool]:
    """Open a pool on a database of this version's schema, and have /readyz ask it."""
    pool = await open_pool(database_connection(parts.settings, role))

    async def answers() -> str:
        await pool.fetchval("SELECT 1")
        return "answers"

    try:
        async with pool.acquire() as session:
            await migrate.require_current(session)
        parts.health.add_check("postgres", answers)
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def _ledger(parts: Parts) -> AsyncIterator[Role]:
    settings = parts.settings
    kafka = kafka_connection(settings, "takedown-ledger")
    asked = settings.ledger
    loop = LoopSettings(
        batch_records=asked.batch_records,
        fetch_bytes=asked.fetch_bytes,
        partition_fetch_bytes=asked.partition_fetch_bytes,
        stall_seconds=asked.stall_seconds,
        drain_seconds=settings.stop_seconds,
        accept_gaps=asked.accept_gaps,
    )
    brake = FloodBrake(
        ratio=asked.flood_ratio,
        window=asked.flood_window_records,
        consecutive=asked.flood_consecutive_records,
        enabled=asked.flood_brake,
    )
    parts.health.register(LEDGER_LOOP, _LOOP_LIMIT_SECONDS)
    async with _kafka(parts), _pool(parts, "takedown_ledger") as pool:
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
    parts.health.register(RELAY_LOOP, _LOOP_LIMIT_SECONDS)
    async with _kafka(parts), _pool(parts, "takedown_ledger") as pool:
        batch = parts.settings.ledger.relay_batch_records
        yield Relay(kafka, pool, parts.health, batch=batch)


@asynccontextmanager
async def _exporter(parts: Parts) -> AsyncIterator[Role]:
    asked = parts.settings.exporter
    async with _pool(parts, "takedown_exporter") as pool:
        yield Exporter(
            pool,
            methodology(parts.settings.methodology),
            parts.health,
            parts.clock,
            top_providers=asked.top_providers,
            watch_providers=asked.watch_providers,
            interval_seconds=asked.interval_seconds,
        )


@asynccontextmanager
async def _prober(parts: Parts) -> AsyncIterator[Role]:
    refuse_to_start(parts.settings, "prober")
    async with (
        _kafka(parts),
        open_prober(parts.settings, parts.health, parts.clock) as prober,
    ):
        yield prober


@asynccontextmanager
async def _kafka(parts: Parts) -> AsyncIterator[None]:
    """Have /readyz ask Kafka."""
    check = KafkaCheck(kafka_connection(parts.settings, "takedown-readyz"))
    parts.health.add_check("kafka", check)
    try:
        yield
    finally:
        await check.close()


_BUILD: dict[str, Build] = {
    "ledger": _ledger,
    "relay": _relay,
    "prober": _prober,
    "exporter": _exporter,
}
ROLES = tuple(_BUILD)
_NEEDS_DATABASE = frozenset({"ledger", "relay", "exporter"})
_NEEDS_KAFKA = frozenset({"ledger", "relay", "prober"})


def refusals(settings: Settings) -> list[str]:
    """Say why the prober would not start under these settings; nothing where it would."""
    probe = settings.probe
    if probe.mode == "off":
        return [
            "looking is off (TAKEDOWN_PROBE_MODE=off): reports and looks of others are taken, no URL "
            "is asked; `public` needs TAKEDOWN_PROBE_OPERATOR, _CONTACT and _LEGAL_BASIS"
        ]
    if probe.canary_url is None and methodology(settings.methodology).canary_max_age is not None:
        return [
            f"methodology {settings.methodology} confirms no removal without a canary that was seen "
            "lately: set TAKEDOWN_CANARY_URL to a page of your own that is always online"
        ]
    return []


def refuse_to_start(settings: Settings, role: str) -> None:
    """Raise `ConfigError` where a role must not start under these settings."""
    if role == "prober" and (reasons := refusals(settings)):
        raise ConfigError(f"the prober does not start: {'; '.join(reasons)}")


def default_roles(settings: Settings) -> tuple[str, ...]:
    """Name the roles that `up` runs: all, but the prober only where looking is switched on."""
    return tuple(r for r in ROLES if r != "prober" or settings.probe.mode != "off")


def run_roles(
    settings: Settings, roles: Sequence[str], clock: Clock, *, with_parent: bool = False
) -> int:
    """Run roles in this process until a signal; return the exit status."""
    for role in roles:
        refuse_to_start(settings, role)
    settings = connected(
        settings,
        database=bool(_NEEDS_DATABASE.intersection(roles)),
        kafka=bool(_NEEDS_KAFKA.intersection(roles)),
    )
    return run_process(
        lambda stop: _work(Parts(settings, Health(), clock), roles, stop),
        stop_seconds=settings.stop_seconds,
        with_parent=with_parent,
    )


async def _work(parts: Parts, roles: Sequence[str], stop: asyncio.Event) -> None:
    """Serve /healthz from before the roles are built until after they have drained."""
    over = asyncio.Event()
    http = parts.settings.http
    serving = asyncio.create_task(
        serve(parts.health, http.host, http.port, over, ready=_said), name="http"
    )
    try:
        await together([_run(parts, role, stop) for role in roles], serving, stop)
    finally:
        over.set()
        await serving


def _said(port: int) -> None:
    log.info("http.listening", port=port)


async def _run(parts: Parts, role: str, stop: asyncio.Event) -> None:
    async with _BUILD[role](parts) as built:
        log.info("role.started", what=role)
        await built.run(stop)
    log.info("role.stopped", what=role)


async def together(
    works: Sequence[Coroutine[Any, Any, None]],
    serving: "asyncio.Task[None]",
    stop: asyncio.Event,
) -> None:
    """Run works until all are done; the first that ends stops the others, which drain.

    Raises the error of the first that failed.
    """
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait({*tasks, serving}, return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        await asyncio.wait(tasks)
    finally:
        for task in tasks:
            task.cancel()
    if serving.done():
        serving.result()
    for task in tasks:
        task.result()
