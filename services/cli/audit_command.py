"""`takedown audit`: who opened, erased, exported or promoted what, and that nobody changed the log of it."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg
import click

from services.cli.case_views import CaseId
from services.cli.support import (
    ROWS,
    client_settings,
    json_option,
    print_json,
    print_rows,
    run_async,
)
from services.ledger import audit
from services.ledger.audit import Head
from services.ledger.pool import session_of
from services.runtime.connections import database_connection
from services.runtime.methods import reading_zone

T = TypeVar("T")
_COLUMNS = ("seq", "at", "actor", "action", "case_id", "purpose")


class Anchor(click.ParamType[Head]):
    """A head that was noted before: `<seq>:<hash>`."""

    name = "seq:hash"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Head:
        """Read an anchor."""
        number, _, digest = str(value).partition(":")
        if not number.isdigit() or len(digest) != 64:
            self.fail("give the head that `takedown audit verify` printed", param, ctx)
        return Head(int(number), digest)


@click.group()
def command() -> None:
    """Show who opened, erased, exported or promoted what; verify that the log is unchanged."""


@command.command("list")
@click.option(
    "--action",
    help="Only entries of this action: reveal, raw, erase, evidence, provider_map, replay_promote.",
)
@click.option("--case", "case_id", type=CaseId(), help="Only entries on this case.")
@click.option("--limit", type=ROWS, default=50, show_default=True)
@json_option
def list_(action: str | None, case_id: str | None, limit: int, as_json: bool) -> None:
    """List the newest entries."""
    rows = run_async(lambda: _with(lambda s: audit.newest(s, action, case_id, limit)))
    columns = (*_COLUMNS, "hash") if as_json else _COLUMNS
    zone = reading_zone(client_settings(database=True))
    print_rows(rows, columns, as_json=as_json, zone=zone)


@command.command()
@click.option(
    "--anchor",
    type=Anchor(),
    help="Head of an earlier verification, which the log must still contain.",
)
@json_option
def verify(anchor: Head | None, as_json: bool) -> None:
    """Verify the chain of hashes and print its head; exit status 5 if it is broken.

    A chain cannot show that its end was cut off: store the head elsewhere, and pass it as --anchor later.
    """
    head = run_async(lambda: _with(lambda s: audit.verify(s, anchor)))
    if as_json:
        print_json({"entries": head.seq, "head": str(head)})
    else:
        click.echo(f"{head.seq} entries, unbroken; head {head}")


async def _with(work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    connection = database_connection(client_settings(database=True), "takedown_reader")
    async with session_of(connection) as session:
        return await work(session)
