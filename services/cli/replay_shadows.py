"""`takedown replay list`, `refused` and `drop`: what is done with a replay once it is there."""

import asyncio
from typing import Any

import asyncpg
import click

from services.cli.support import (
    ROWS,
    client_settings,
    json_option,
    print_rows,
    run_async,
)
from services.ledger.pool import connect
from services.ledger.shadow import schema
from services.ledger.shadow.schema import NoReplay
from services.runtime.connections import database_connection
from services.runtime.methods import reading_zone
from services.runtime.settings import Settings

_REFUSED = ("topic", "partition", "record_offset", "reason", "message")
_LIST = ("name", "schema", "state", "methodology", "source", "digest", "created_at")


@click.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the replays, and the ledgers that they replaced."""
    entries = run_async(lambda: in_session(schema.entries))
    rows = [
        {
            "name": entry.name,
            "schema": entry.schema,
            "state": entry.state,
            "methodology": entry.identity.methodology.id,
            "source": entry.identity.source,
            "digest": entry.digest,
            "created_at": entry.created_at,
        }
        for entry in entries
    ]
    zone = reading_zone(client_settings(database=True))
    print_rows(rows, _LIST, as_json=as_json, zone=zone)


@click.command()
@click.argument("name")
@click.option("--limit", type=ROWS, default=1000, show_default=True)
@json_option
def refused(name: str, limit: int, as_json: bool) -> None:
    """List the records that the live ledger would dead-letter, with reasons."""
    shadow = schema.schema_of(name)

    async def work(session: asyncpg.Connection) -> list[Any]:
        await require_replay(shadow, session)
        return await schema.refused_of(session, shadow, limit)

    print_rows(run_async(lambda: in_session(work)), _REFUSED, as_json=as_json)


@click.command()
@click.argument("name")
@click.option(
    "--before",
    is_flag=True,
    help="Drop the ledger that the replay replaced; it can then not be restored.",
)
def drop(name: str, before: bool) -> None:
    """Drop a replay; the evidence and the live ledger stay as they are."""
    shadow = schema.schema_of(name, schema.BEFORE if before else schema.REPLAY)

    async def work(session: asyncpg.Connection) -> None:
        await require_replay(shadow, session)
        await schema.drop(session, shadow)

    run_async(lambda: in_session(work))
    click.echo(f"dropped {shadow}")


async def require_replay(name: str, session: asyncpg.Connection) -> None:
    """Refuse a missing replay before hours of folding, not after them."""
    if await schema.find(session, name) is None:
        raise NoReplay(f"{name} does not exist; see `takedown replay list`")


async def in_session(work: Any, settings: Settings | None = None) -> Any:
    """Run work in a session of the ledger's database."""
    database = database_connection(settings or client_settings(database=True))
    session = await connect(database)
    try:
        return await work(session)
    finally:
        async with asyncio.timeout(10):
            await session.close()


COMMANDS = (list_, refused, drop)
