"""`takedown migrate`: bring the database to this version's schema."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
import click

from services.cli.support import (
    CHECK_FAILED,
    client_settings,
    json_option,
    print_json,
    print_rows,
    run_async,
)
from services.ledger import migrate
from services.ledger.pool import session_of
from services.runtime.connections import database_connection

T = TypeVar("T")


@click.group()
def command() -> None:
    """Migrate the database to the schema of this version."""


@command.command()
@json_option
def status(as_json: bool) -> int:
    """List the migrations and their state; exit status 5 if one is pending."""
    migrations = _on_database(migrate.status)
    rows = [{"name": m.name, "phase": m.phase, "state": m.state} for m in migrations]
    print_rows(rows, ("name", "phase", "state"), as_json=as_json)
    return CHECK_FAILED if any(m.state == "pending" for m in migrations) else 0


@command.command()
def plan() -> None:
    """Print the SQL that `up` would execute; execute nothing."""
    missing = _on_database(migrate.plan)
    if not missing:
        click.echo("-- nothing to apply")
    for migration in missing:
        click.echo(f"-- {migration.name}\n{migration.sql}")


@command.command()
@click.option(
    "--phase",
    type=click.Choice(("pre", "post")),
    help="`pre`: before new code is deployed; `post`: after old code has stopped. Default: both.",
)
@json_option
def up(phase: migrate.Phase | None, as_json: bool) -> None:
    """Apply the pending migrations, each file in a transaction."""
    done = _on_database(lambda session: migrate.up(session, phase=phase))
    if as_json:
        print_json(done)
        return
    click.echo("\n".join(f"applied {name}" for name in done) or "nothing to apply")


def _on_database(work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    connection = database_connection(client_settings(database=True))

    async def run() -> T:
        async with session_of(connection) as session:
            return await work(session)

    return run_async(run)
