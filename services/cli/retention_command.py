"""`takedown retention`: destroy URLs whose retention has ended now, instead of within the hour."""

import sys
from collections.abc import Awaitable, Callable

import click

from consumers.retention.retention_role import RetentionRole, RoundCounts
from services.cli.gauge import progress
from services.cli.support import (
    agreed,
    client_settings,
    counted,
    json_option,
    now,
    print_json,
    run_async,
)
from services.exporter.health import Health
from services.runtime.ledger_roles import retention
from services.runtime.parts import Parts
from services.runtime.roles import refuse_to_start
from services.runtime.settings import Settings


@click.command()
@click.option("--dry-run", is_flag=True, help="Only print what is due.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option
def command(dry_run: bool, yes: bool, as_json: bool) -> None:
    """Destroy URLs of cases whose watch ended more than TAKEDOWN_RETENTION_URL_DAYS ago; timings stay.

    The role `retention` (part of `takedown up`) does the same regularly. Old records of the reports topic are moved to
    archives without URLs (TAKEDOWN_RETENTION_ARCHIVES) and deleted from the broker; old dead letters are deleted.
    A replay then reads `--archive DIR... --and-kafka`.
    """
    settings = client_settings(kafka=True, database=True)
    refuse_to_start(settings, "retention")
    steps = None
    # On a terminal somebody wants to know how long it takes; nobody else is to wait for the count of what is due.
    if dry_run or not yes or sys.stderr.isatty():
        due = run_async(lambda: _with(settings, RetentionRole.due))
        steps = due.steps
        if dry_run or not yes:
            _print(due, "due", as_json and dry_run, err=not dry_run)
    if dry_run:
        return
    if not yes:
        agreed("destroy and move these for good?")
    with progress("retention", steps) as count:
        done = run_async(lambda: _with(settings, RetentionRole.round, count))
    _print(done, "done", as_json)


async def _with(
    settings: Settings,
    work: Callable[[RetentionRole], Awaitable[RoundCounts]],
    count: Callable[[int], None] = lambda done: None,
) -> RoundCounts:
    async with retention(Parts(settings, Health(), now), count) as role:
        return await work(role)


def _print(done: RoundCounts, word: str, as_json: bool, *, err: bool = False) -> None:
    if as_json:
        print_json({"state": word, "kept": done})
        return
    lines = (
        f"URLs of {counted(done.erased, 'case')} to destroy",
        f"{counted(done.moved, 'record')} to archives without URLs",
        f"{counted(done.forgotten, 'dead letter')} to delete",
    )
    for line in lines:
        click.echo(f"{word}: {line}", err=err)
