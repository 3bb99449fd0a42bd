"""A shadow ledger's schema: made, filled by units, finished, listed, dropped."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import asyncpg
import msgspec
from msgspec import Struct

from schemas.errors import TakedownError
from schemas.methodology import Methodology
from schemas.sqlfiles import statements
from services.core.digest import Combining
from services.ledger.rows import TABLES
from services.ledger.table_columns import filled

COPIED = ("cases", "spells", "transitions", "outcomes", "ledger_methodology")
REPLAY, BEFORE = "replay_", "before_"
_FILES = ("shadow.sql", "exchange.sql")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")

Spans = dict[tuple[str, int], tuple[int, int]]
"""By topic and partition: the first offset, and the one after the last."""


class BadReplay(TakedownError):
    """A replay can't be made, found or used as asked."""

    exit_code = 2


class NoReplay(BadReplay):
    """There is no replay of that name."""

    exit_code = 1


class Identity(Struct, frozen=True, kw_only=True):
    """What a shadow is a fold of, beside its ranges: the same identity and ranges, the same digest.

    `source` is `kafka`, `archive:<digest>[,<digest>...]`, the same with `+kafka`, or, for a ledger that was
    replaced, `live`.
    Event times count from `event_from` on, up to and not with `event_to`.
    """

    methodology: Methodology
    source: str
    map_digest: str | None = None
    map_text: str | None = None
    event_from: datetime | None = None
    event_to: datetime | None = None
    with_events: bool = False

    @property
    def bounded(self) -> bool:
        """Tell whether event times limit what is folded."""
        return self.event_from is not None or self.event_to is not None


class Unit(Struct, frozen=True, kw_only=True):
    """What one transaction folds: the cases of a slice of a partition; `strays`: only those that have strays."""

    unit: int
    partition: int
    slice: int
    slices: int
    records: int
    strays: bool = False
    done: bool = False


class Entry(Struct, frozen=True, kw_only=True):
    """One shadow as it is listed."""

    schema: str
    name: str
    state: Literal["running", "complete", "before", "emptied"]
    identity: Identity
    digest: str | None
    created_at: datetime
    finished_at: datetime | None


class Totals(Struct, frozen=True, kw_only=True):
    """What a replay came to; `outside`: events beyond the asked times; `strays`: in a foreign partition."""

    records: int
    events: int
    duplicates: int
    outside: int
    cases: int
    refused: int
    strays: int


def statement(name: str, **identifiers: str) -> str:
    """Give a statement of this room with its schemas, tables and columns filled in."""
    text = filled(statements("services.ledger.shadow", *_FILES)[name], TABLES)
    for key, identifier in identifiers.items():
        text = text.replace("{" + key + "}", quoted(identifier))
    return text


def quoted(identifier: str) -> str:
    """Quote the name of a schema or a table."""
    return '"' + identifier.replace('"', '""') + '"'


def schema_of(name: str, prefix: str = REPLAY) -> str:
    """Name the schema of a replay; raises `BadReplay` for a name that can't be one."""
    if not _NAME.fullmatch(name) or name == "live":
        raise BadReplay(
            "a replay's name has 1 to 40 of a-z, 0-9, - and _, and is not `live`; choose another --name"
        )
    return prefix + name


async def live_schema(session: asyncpg.Connection) -> str:
    """Name the schema of the live ledger; raises `BadReplay` where there is none."""
    name = await session.fetchval(statement("live_schema"))
    if name is None:
        raise BadReplay("the database has no ledger yet; run `takedown migrate up`")
    return str(name)


async def create(
    session: asyncpg.Connection,
    name: str,
    identity: Identity,
    ranges: Spans,
    units: Sequence[Unit],
    prefix: str = REPLAY,
) -> str:
    """Make an empty shadow, without indexes: they are made after the load. Return its schema."""
    shadow, live = schema_of(name, prefix), await live_schema(session)
    async with session.transaction():
        await session.execute(statement("create_schema", shadow=shadow))
        await session.execute(statement("create_registry", shadow=shadow))
        for table in _tables(identity):
            await _copy_shape(session, live, shadow, table)
        await register(session, shadow, name, identity, ranges)
        await _note_methodology(session, shadow, identity.methodology)
        await _create_work(session, shadow, units)
    return shadow


def _tables(identity: Identity) -> tuple[str, ...]:
    return (*COPIED, "events") if identity.with_events else COPIED


async def _copy_shape(session: asyncpg.Connection, live: str, shadow: str, table: str) -> None:
    shape = await session.fetchval(statement("shape_of"), quoted(live), table, quoted(shadow))
    await session.execute(shape)


async def register(
    session: asyncpg.Connection, shadow: str, name: str, identity: Identity, ranges: Spans
) -> None:
    """Write down what a shadow is."""
    body = msgspec.json.encode(identity).decode()
    await session.execute(
        statement("insert_registry", shadow=shadow), name, body, "running", None, None
    )
    rows = [(topic, number, *span) for (topic, number), span in sorted(ranges.items())]
    await session.executemany(statement("insert_range", shadow=shadow), rows)


async def _note_methodology(session: asyncpg.Connection, shadow: str, method: Methodology) -> None:
    text = statement("note_methodology", shadow=shadow)
    await session.execute(text, method.id, method.version, method.digest)


async def _create_work(session: asyncpg.Connection, shadow: str, units: Sequence[Unit]) -> None:
    await session.execute(statement("create_work", shadow=shadow))
    await add_units(session, shadow, units)


async def add_units(session: asyncpg.Connection, shadow: str, units: Iterable[Unit]) -> None:
    """Plan units."""
    rows = [(u.unit, u.partition, u.slice, u.slices, u.records, u.strays) for u in units]
    await session.executemany(statement("insert_unit", shadow=shadow), rows)


async def units_of(session: asyncpg.Connection, shadow: str) -> list[Unit]:
    """Give the units, in order; none where a crash of the server emptied the shadow."""
    rows = await session.fetch(statement("units", shadow=shadow))
    return [Unit(**dict(row)) for row in rows]


async def ranges_of(session: asyncpg.Connection, shadow: str) -> Spans:
    """Give the offsets that a shadow is a fold of."""
    rows = await session.fetch(statement("ranges", shadow=shadow))
    return {(row["topic"], row["partition"]): (row["begins"], row["until"]) for row in rows}


async def totals_of(session: asyncpg.Connection, shadow: str) -> Totals:
    """Add up what the units came to."""
    return Totals(**dict(await session.fetchrow(statement("totals", shadow=shadow))))


async def refused_of(
    session: asyncpg.Connection, shadow: str, limit: int
) -> list[Mapping[str, Any]]:
    """Give the records that would be dead letters, in the order of their places."""
    return list(await session.fetch(statement("refused", shadow=shadow), limit))


async def find(session: asyncpg.Connection, schema: str) -> Entry | None:
    """Give a shadow; None where there is none."""
    if not await session.fetchval(statement("has_schema"), schema):
        return None
    row = await session.fetchrow(statement("registry", shadow=schema))
    identity = msgspec.json.decode(row["identity"], type=Identity)
    state = row["state"]
    if state == "complete" and not await units_of(session, schema):
        state = "emptied"
    columns = dict(row) | {"state": state, "identity": identity}
    return Entry(schema=schema, **columns)


async def entries(session: asyncpg.Connection) -> list[Entry]:
    """List every shadow."""
    names = [row["nspname"] for row in await session.fetch(statement("schemas"))]
    return [entry for name in names if (entry := await find(session, name)) is not None]


async def drop(session: asyncpg.Connection, schema: str) -> None:
    """Drop a shadow with all that it holds."""
    await session.execute(statement("drop_schema", shadow=schema))


async def index(session: asyncpg.Connection, shadow: str, table: str) -> None:
    """Make the live table's keys and indexes on the shadow's, those that are missing."""
    live = await live_schema(session)
    text = statement("indexes_of")
    for row in await session.fetch(text, quoted(live), table, quoted(shadow)):
        if not await session.fetchval(statement("has_index"), shadow, row["name"]):
            await session.execute(row["statement"])
    await session.execute(statement("analyze", shadow=shadow, table=table))


async def index_digests(session: asyncpg.Connection, shadow: str) -> None:
    """Index the digests."""
    await session.execute(statement("index_digests", shadow=shadow))
    await session.execute(statement("analyze", shadow=shadow, table="case_digests"))


async def finish(session: asyncpg.Connection, shadow: str) -> str:
    """Digest all cases and mark the shadow complete; return the digest."""
    async with session.transaction():
        digest = await digest_of(session, shadow)
        await session.execute(statement("finish_registry", shadow=shadow), digest)
    return digest


async def digest_of(session: asyncpg.Connection, shadow: str) -> str:
    """Combine the digests of the cases, as `ledger_digest` does over a ledger; within a transaction."""
    total = Combining()
    async for row in session.cursor(statement("digests", shadow=shadow), prefetch=5000):
        total.add(row["case_id"], row["digest"])
    return total.digest
