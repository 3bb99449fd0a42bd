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
from consumers.record.chain import KAFKA, Chain, opened
from consumers.record.ranges import UNIT_RECORDS, Bounds, check_begins, cut, partitions_of, resolve
from consumers.replay.worker import Job, work
from schemas.errors import TakedownError
from schemas.methodology import Methodology
from schemas.sealing import Keyring
from services.ledger import migrate
from services.ledger.pool import DatabaseConnection, connect
from services.ledger.shadow import schema
from services.ledger.shadow.schema import BadReplay, Identity, Ranges, Totals, Unit

_LARGE = ("cases", "spells", "transitions", "outcomes", "events")


class ReplayStopped(TakedownError):
    """A worker ended before its work did; what was written stays, and the same command goes on from there."""


class Asked(Struct, frozen=True, kw_only=True):
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
        return f"<Asked {self.name}>"

    def source(self) -> Chain:
        """Open where the records come from."""
        if not self.archive and self.kafka is None:
            raise BadReplay("a replay reads from Kafka or from an archive; neither is given")
        return opened(self.archive, self.kafka)


class Result(Struct, frozen=True, kw_only=True):
    """What a replay came to."""

    name: str
    schema: str
    digest: str
    methodology: str
    totals: Totals
    resumed: bool


class Progress:
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


async def replay(asked: Asked, progress: Progress | None = None) -> Result:
    """Make a shadow ledger, or go on with one that was stopped; return what it came to.

    Reads without a group, publishes nothing, and touches no row of the live ledger.
    Raises `BadReplay` where another replay has the name, `ReplayStopped`, and what the source raises.
    """
    if asked.database.pooled:
        raise BadReplay(
            "a replay holds a lock for as long as it runs, which a pooler would lose: for this command set "
            "TAKEDOWN_DATABASE_URL to the server itself and TAKEDOWN_DATABASE_PGBOUNCER=0"
        )
    told = progress or Progress()
    session = await connect(asked.database)
    try:
        await migrate.require_current(session)
        async with _alone(session, asked.name):
            return await _replay(session, asked, told)
    finally:
        await session.close()


@asynccontextmanager
async def _alone(session: asyncpg.Connection, name: str) -> AsyncIterator[None]:
    """Hold the name for as long as the block lasts, so that two runs of one replay don't meet."""
    key = f"takedown replay {name}"
    if not await session.fetchval(schema.statement("try_replay_lock"), key):
        raise BadReplay(f"replay {name} is running already; wait, or give another --name")
    try:
        yield
    finally:
        await session.execute(schema.statement("release_replay_lock"), key)


async def _replay(session: asyncpg.Connection, asked: Asked, told: Progress) -> Result:
    source = asked.source()
    try:
        wanted = structs.replace(asked.identity, source=source.name)
        shadow, resumed = await _have_shadow(session, asked, wanted, source)
    finally:
        await source.close()
    found = await schema.find(session, shadow)
    assert found is not None
    digest = found.digest
    if found.state != "complete" or digest is None:
        digest = await _fill(session, asked, wanted, shadow, told)
    return Result(
        name=asked.name,
        schema=shadow,
        digest=digest,
        methodology=wanted.methodology.id,
        totals=await schema.totals_of(session, shadow),
        resumed=resumed,
    )


async def _have_shadow(
    session: asyncpg.Connection, asked: Asked, wanted: Identity, source: Chain
) -> tuple[str, bool]:
    """Make the shadow, or find the one that a run before this began."""
    shadow = schema.schema_of(asked.name)
    known = await schema.find(session, shadow)
    if known is not None and known.state != "emptied":
        await _check_same(session, asked, wanted, known, source)
        return shadow, True
    ranges = await resolve(source, asked.bounds)
    if source.broker is not None:
        check_begins(ranges, asked.bounds, alone=not asked.archive)
    if known is not None:
        # The server crashed: the same ranges again, so that the digest is the same.
        ranges = await schema.ranges_of(session, shadow)
        await schema.drop(session, shadow)
    units = cut(ranges, asked.unit_records)
    return await schema.create(session, asked.name, wanted, ranges, units), False


async def _check_same(
    session: asyncpg.Connection, asked: Asked, wanted: Identity, known: schema.Entry, source: Chain
) -> None:
    if known.identity != wanted:
        raise BadReplay(
            f"replay {asked.name} exists and is a fold of something else: "
            f"{_differences(known.identity, wanted)}; give another --name, or drop it "
            f"(`takedown replay drop {asked.name}`)"
        )
    if asked.bounds == Bounds():
        return
    stored = await schema.ranges_of(session, known.schema)
    if await resolve(source, asked.bounds) != stored:
        raise BadReplay(
            f"replay {asked.name} exists and has other offsets; give another --name, or drop it"
        )


def _differences(known: Identity, wanted: Identity) -> str:
    pairs = {
        "methodology": (known.methodology.digest[:12], wanted.methodology.digest[:12]),
        "source": (known.source, wanted.source),
        "provider map": (known.map_digest, wanted.map_digest),
        "event times": (
            (known.event_from, known.event_to),
            (wanted.event_from, wanted.event_to),
        ),
        "events kept": (known.with_events, wanted.with_events),
    }
    return ", ".join(name for name, (old, new) in pairs.items() if old != new)


async def _fill(
    session: asyncpg.Connection, asked: Asked, wanted: Identity, shadow: str, told: Progress
) -> str:
    ranges = await schema.ranges_of(session, shadow)
    job = Job(
        database=asked.database,
        kafka=asked.kafka,
        archive=asked.archive,
        keyring=asked.keyring,
        shadow=shadow,
        identity=wanted,
        ranges=ranges,
        partitions=partitions_of(ranges),
    )
    units = await schema.units_of(session, shadow)
    whole = [unit for unit in units if not unit.strays]
    told.planned(sum(u.records for u in whole), sum(u.records for u in whole if u.done))
    crew = _Crew(job, asked.workers)
    try:
        await crew.run([u for u in units if not u.done and not u.strays], told.read)
        told.stage("indexes")
        await _index(asked.database, shadow, wanted)
        strays = await _plan_strays(session, shadow, ranges, units, asked.unit_records)
        if strays:
            told.stage("strays")
            await crew.run(strays, lambda count: None)
            await session.execute(schema.statement("refuse_once", shadow=shadow))
    finally:
        crew.dismiss()
    told.stage("digest")
    return await schema.finish(session, shadow)


async def _index(database: DatabaseConnection, shadow: str, wanted: Identity) -> None:
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
    events = ("events",) if wanted.with_events else ()
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
        again = [unit for unit in cut(ranges, unit_records) if unit.partition in homes]
        planned = [
            structs.replace(unit, unit=len(units) + number, strays=True)
            for number, unit in enumerate(again)
        ]
        async with session.transaction():
            await schema.add_units(session, shadow, planned)
    return [unit for unit in planned if not unit.done]


class _Crew:
    """The worker processes."""

    def __init__(self, job: Job, size: int) -> None:
        self._job = job
        self._size = max(1, size)
        self._members: dict[Connection, SpawnProcess] = {}

    async def run(self, units: list[Unit], told: Callable[[int], None]) -> None:
        """Have units done, the largest first; raises `ReplayStopped` or what a worker said."""
        waiting = sorted(units, key=lambda unit: -unit.records)
        if not waiting:
            return
        self._hire(min(self._size, len(waiting)))
        idle = [c for c in self._members if self._set(c, waiting)]
        at_work = set(idle)
        while at_work:
            ready: list[Any] = await asyncio.to_thread(wait, list(at_work), 0.2)
            for connection in ready:
                message = self._hear(connection)
                if message[0] == "read":
                    told(message[1])
                elif message[0] == "done" and not self._set(connection, waiting):
                    at_work.discard(connection)

    def _hire(self, size: int) -> None:
        context = get_context("spawn")
        while len(self._members) < size:
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(theirs, self._job), daemon=True)
            process.start()
            theirs.close()
            self._members[ours] = process

    def _set(self, connection: Connection, waiting: list[Unit]) -> bool:
        """Give a worker its next unit; say whether there was one."""
        if not waiting:
            return False
        connection.send(waiting.pop(0))
        return True

    def _hear(self, connection: Connection) -> tuple[Any, ...]:
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

    def dismiss(self) -> None:
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
