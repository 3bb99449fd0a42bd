"""A replay from start to end: plan, workers, strays, indexes, digest. Started again, it goes on."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

import asyncpg
from msgspec import Struct, structs

from consumers.client.connection import KafkaConnection
from consumers.record.chain import KAFKA, Chain, open_chain
from consumers.record.places import Ranges
from consumers.record.ranges import Bounds, check_begins, partitions_of, resolve
from consumers.replay.planning import UNIT_RECORDS, plan_units
from consumers.replay.worker import ReplayJob, work
from schemas.errors import TakedownError
from schemas.methodology import Methodology
from schemas.sealing import Keyring
from services.ledger import migrate
from services.ledger.pool import DatabaseConnection, connect
from services.ledger.shadow import schema
from services.ledger.shadow.schema import BadReplay, Identity, Totals, Unit

_LARGE = ("cases", "spells", "transitions", "outcomes", "events")


class ReplayStopped(TakedownError):
    """A worker ended before its work did; what was written stays, and the same command goes on from there."""


class ReplayRequest(Struct, frozen=True, kw_only=True):
    """What to replay, from where, with what; `source` of `identity` is filled in here.

    Archives are read in their order, then Kafka; `kafka` is None where the archives are all that is read.
    """

    name: str
    identity: Identity
    bounds: Bounds = Bounds()
    database: DatabaseConnection
    kafka: KafkaConnection | None
    archive: tuple[str, ...] = ()
    keyring: Keyring
    workers: int = 2
    unit_records: int = UNIT_RECORDS

    def __repr__(self) -> str:
        return f"<ReplayRequest {self.name}>"

    def source(self) -> Chain:
        """Open where the records come from."""
        if not self.archive and self.kafka is None:
            raise BadReplay("a replay reads from Kafka or from an archive; neither is given")
        return open_chain(self.archive, self.kafka)


class ReplayResult(Struct, frozen=True, kw_only=True):
    """What a replay came to."""

    name: str
    schema: str
    digest: str
    methodology: str
    totals: Totals
    resumed: bool


class ReplayProgress:
    """What a replay tells while it runs; this one keeps it to itself."""

    def planned(self, records: int, done: int = 0) -> None:
        """Hear how many records there are to read, and how many an earlier run has read."""

    def read(self, records: int) -> None:
        """Hear that so many more were read."""

    def stage(self, name: str) -> None:
        """Hear what is done after the reading."""


def identity(methodology: Methodology, *, map_text: str | None = None, **others: Any) -> Identity:
    """Name a replay; a provider map becomes part of its name by its digest."""
    digest = None if map_text is None else hashlib.sha256(map_text.encode()).hexdigest()
    others.setdefault("source", KAFKA)
    return Identity(methodology=methodology, map_digest=digest, map_text=map_text, **others)


async def replay(request: ReplayRequest, progress: ReplayProgress | None = None) -> ReplayResult:
    """Make a shadow ledger, or go on with one that was stopped; return what it came to.

    Reads without a group, publishes nothing, and touches no row of the live ledger.
    Raises `BadReplay` where another replay has the name, `ReplayStopped`, and what the source raises.
    """
    if request.database.pooled:
        raise BadReplay(
            "a replay holds a lock for as long as it runs, which a pooler would lose: for this command set "
            "TAKEDOWN_DATABASE_URL to the server itself and TAKEDOWN_DATABASE_PGBOUNCER=0"
        )
    progress = progress or ReplayProgress()
    session = await connect(request.database)
    try:
        await migrate.require_current(session)
        async with _lock(session, request.name):
            return await _replay(session, request, progress)
    finally:
        await session.close()


@asynccontextmanager
async def _lock(session: asyncpg.Connection, name: str) -> AsyncIterator[None]:
    """Hold the name for as long as the block lasts, so that two runs of one replay don't meet."""
    key = f"takedown replay {name}"
    if not await session.fetchval(schema.statement("try_replay_lock"), key):
        raise BadReplay(f"replay {name} is running already; wait, or give another --name")
    try:
        yield
    finally:
        await session.execute(schema.statement("release_replay_lock"), key)


async def _replay(
    session: asyncpg.Connection, request: ReplayRequest, progress: ReplayProgress
) -> ReplayResult:
    source = request.source()
    try:
        identity = structs.replace(request.identity, source=source.name)
        shadow, resumed = await _open_shadow(session, request, identity, source)
    finally:
        await source.close()
    entry = await schema.find(session, shadow)
    assert entry is not None
    digest = entry.digest
    if entry.state != "complete" or digest is None:
        digest = await _fill(session, request, identity, shadow, progress)
    return ReplayResult(
        name=request.name,
        schema=shadow,
        digest=digest,
        methodology=identity.methodology.id,
        totals=await schema.totals_of(session, shadow),
        resumed=resumed,
    )


async def _open_shadow(
    session: asyncpg.Connection, request: ReplayRequest, identity: Identity, source: Chain
) -> tuple[str, bool]:
    """Make the shadow, or find the one that a run before this began."""
    shadow = schema.schema_of(request.name)
    entry = await schema.find(session, shadow)
    if entry is not None and entry.state != "emptied":
        await _check_same(session, request, identity, entry, source)
        return shadow, True
    ranges = await resolve(source, request.bounds)
    if source.broker is not None:
        check_begins(ranges, request.bounds, alone=not request.archive)
    if entry is not None:
        # The server crashed: the same ranges again, so that the digest is the same.
        ranges = await schema.ranges_of(session, shadow)
        await schema.drop(session, shadow)
    units = plan_units(ranges, request.unit_records)
    return await schema.create(session, request.name, identity, ranges, units), False


async def _check_same(
    session: asyncpg.Connection,
    request: ReplayRequest,
    identity: Identity,
    entry: schema.Entry,
    source: Chain,
) -> None:
    if entry.identity != identity:
        raise BadReplay(
            f"replay {request.name} exists and is a fold of something else: "
            f"{_differences(entry.identity, identity)}; give another --name, or drop it "
            f"(`takedown replay drop {request.name}`)"
        )
    if request.bounds == Bounds():
        return
    stored = await schema.ranges_of(session, entry.schema)
    if await resolve(source, request.bounds) != stored:
        raise BadReplay(
            f"replay {request.name} exists and has other offsets; give another --name, or drop it"
        )


def _differences(stored: Identity, identity: Identity) -> str:
    pairs = {
        "methodology": (stored.methodology.digest[:12], identity.methodology.digest[:12]),
        "source": (stored.source, identity.source),
        "provider map": (stored.map_digest, identity.map_digest),
        "event times": (
            (stored.event_from, stored.event_to),
            (identity.event_from, identity.event_to),
        ),
        "events kept": (stored.with_events, identity.with_events),
    }
    return ", ".join(name for name, (old, new) in pairs.items() if old != new)


async def _fill(
    session: asyncpg.Connection,
    request: ReplayRequest,
    identity: Identity,
    shadow: str,
    progress: ReplayProgress,
) -> str:
    ranges = await schema.ranges_of(session, shadow)
    job = ReplayJob(
        database=request.database,
        kafka=request.kafka,
        archive=request.archive,
        keyring=request.keyring,
        shadow=shadow,
        identity=identity,
        ranges=ranges,
        partitions=partitions_of(ranges),
    )
    units = await schema.units_of(session, shadow)
    whole = [unit for unit in units if not unit.strays]
    progress.planned(sum(u.records for u in whole), sum(u.records for u in whole if u.done))
    pool = _WorkerPool(job, request.workers)
    try:
        await pool.run([u for u in units if not u.done and not u.strays], progress.read)
        progress.stage("indexes")
        await _index(request.database, shadow, identity)
        strays = await _plan_strays(session, shadow, ranges, units, request.unit_records)
        if strays:
            progress.stage("strays")
            await pool.run(strays, lambda count: None)
            await session.execute(schema.statement("refuse_once", shadow=shadow))
    finally:
        pool.stop()
    progress.stage("digest")
    return await schema.finish(session, shadow)


async def _index(database: DatabaseConnection, shadow: str, identity: Identity) -> None:
    """Make the indexes, two tables at a time."""

    async def of(tables: Iterable[str]) -> None:
        session = await connect(database, command_timeout=None)
        try:
            await session.execute(schema.statement("lift_limits_to_index"))
            for table in tables:
                await schema.index(session, shadow, table)
            await schema.index_digests(session, shadow)
        finally:
            await session.close()

    await of(("ledger_methodology",))
    events = ("events",) if identity.with_events else ()
    await asyncio.gather(of(("transitions", *events)), of(("cases", "spells", "outcomes")))


async def _plan_strays(
    session: asyncpg.Connection,
    shadow: str,
    ranges: Ranges,
    units: list[Unit],
    unit_records: int,
) -> list[Unit]:
    """Plan the units that fold again the cases whose events stand in several partitions."""
    planned = [unit for unit in units if unit.strays]
    if not planned:
        rows = await session.fetch(schema.statement("stray_homes", shadow=shadow))
        homes = {row["home"] for row in rows}
        again = [unit for unit in plan_units(ranges, unit_records) if unit.partition in homes]
        planned = [
            structs.replace(unit, unit=len(units) + number, strays=True)
            for number, unit in enumerate(again)
        ]
        async with session.transaction():
            await schema.add_units(session, shadow, planned)
    return [unit for unit in planned if not unit.done]


class _WorkerPool:
    """The worker processes."""

    def __init__(self, job: ReplayJob, size: int) -> None:
        self._job = job
        self._size = max(1, size)
        self._members: dict[Connection, SpawnProcess] = {}

    async def run(self, units: list[Unit], on_read: Callable[[int], None]) -> None:
        """Have units done, the largest first; raises `ReplayStopped` or the error of a worker."""
        waiting = sorted(units, key=lambda unit: -unit.records)
        if not waiting:
            return
        self._start(min(self._size, len(waiting)))
        idle = [c for c in self._members if self._assign(c, waiting)]
        at_work = set(idle)
        while at_work:
            ready: list[Any] = await asyncio.to_thread(wait, list(at_work), 0.2)
            for connection in ready:
                message = self._receive(connection)
                if message[0] == "read":
                    on_read(message[1])
                elif message[0] == "done" and not self._assign(connection, waiting):
                    at_work.discard(connection)

    def _start(self, size: int) -> None:
        context = get_context("spawn")
        while len(self._members) < size:
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(theirs, self._job), daemon=True)
            process.start()
            theirs.close()
            self._members[ours] = process

    def _assign(self, connection: Connection, waiting: list[Unit]) -> bool:
        """Give a worker its next unit; say whether there was one."""
        if not waiting:
            return False
        connection.send(waiting.pop(0))
        return True

    def _receive(self, connection: Connection) -> tuple[Any, ...]:
        try:
            message: tuple[Any, ...] = connection.recv()
        except (EOFError, ConnectionError):
            raise ReplayStopped(
                "a worker of the replay was ended; give the same command again to go on"
            ) from None
        if message[0] == "failed":
            stopped = ReplayStopped(f"{message[1]}; give the same command again to go on")
            stopped.exit_code = message[2]
            raise stopped
        return message

    def stop(self) -> None:
        """End all workers; a unit that is not written yet is rolled back."""
        for connection, process in self._members.items():
            connection.close()
            process.terminate()
        for process in self._members.values():
            process.join(10)
        self._members.clear()


def workers_here() -> int:
    """Give how many workers this machine has cores for."""
    return max(1, min(len(os.sched_getaffinity(0)), 8))
