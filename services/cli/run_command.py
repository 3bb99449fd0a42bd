"""`takedown run`: one or more roles in this process, for a supervisor of your own."""

import os

import click

from services.cli.support import now
from services.runtime import logging
from services.runtime.logcount import counted
from services.runtime.roles import ROLES, run_roles
from services.runtime.settings import load


@click.command()
@click.argument("roles", nargs=-1, required=True, type=click.Choice(ROLES))
@click.option(
    "--with-parent",
    is_flag=True,
    help="Stop when standard input ends, that is, with the parent process.",
)
@click.option("--vantage", help="Name of the prober's vantage, for example de-1.")
def command(roles: tuple[str, ...], with_parent: bool, vantage: str | None) -> int:
    """Run one or more roles in this process until SIGTERM.

    \b
    ledger     folds the evidence into Postgres
    relay      publishes the outbox of the ledger
    prober     looks at the cases of the watch list
    exporter   exposes the ledger as metrics
    retention  destroys URLs when their retention ends
    intake     takes reports and notices over HTTP

    On SIGTERM the roles finish the work in hand; exit status 1 if that takes longer than
    TAKEDOWN_STOP_SECONDS. SIGUSR1 writes the stack of every task to the log.
    """  # noqa: D301 - click takes the character, not its escape
    named = {} if vantage is None else {"TAKEDOWN_VANTAGE": vantage}
    settings = load(os.environ | named)
    logging.configure(settings.log, counted, role="+".join(roles))
    return run_roles(settings, roles, now, with_parent=with_parent)
