"""`takedown import`: turn data of others into events and send them through Kafka."""

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from pathlib import Path

import click
from msgspec import Struct

from schemas.events import Event
from services.cli.gauge import progress
from services.cli.import_dsa import dsa
from services.cli.import_scart import scart
from services.cli.import_sending import send_events
from services.cli.import_tco import tco
from services.cli.import_xarf import xarf
from services.cli.support import (
    REFUSED,
    client_settings,
    counted,
    json_option,
    now,
    print_json,
    run_async,
)
from services.reports import urlhaus as dump
from services.runtime.keyfile import load_keyring

_SHOWN = 20
_MOST_REFUSALS = 1_000


class Readable(Struct):
    """What a first pass over a dump counted; of the refusals the first are kept."""

    rows: int = 0
    events: int = 0
    refused: int = 0
    refusals: list[dump.RefusedRow] = []


@click.group()
def command() -> None:
    """Turn data of others into events and send them through Kafka."""


for _form in (scart, xarf, dsa, tco):
    command.add_command(_form)


@command.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--wait", is_flag=True, help="Return once the ledger has them.")
@click.option("--wait-seconds", type=click.FloatRange(min=0.1), default=600.0, show_default=True)
@click.option("--dry-run", is_flag=True, help="Read every row and send nothing.")
@json_option
def urlhaus(file: Path, wait: bool, wait_seconds: float, dry_run: bool, as_json: bool) -> int:
    """Import a URLhaus dump as published: reports, notices and what its own checks saw.

    FILE is the CSV or the JSON (all, recent or online URLs), plain, gzip or zip, as downloaded.
    Later dumps add what they say anew; the same one again adds nothing, and the order does not matter.
    A row that can't be used is refused alone: its line and the reason are shown, with --json listed,
    the others are sent, and the exit status is 4.
    Nothing that it names is ever contacted. Its cut-off, for `report --cutoff`, is printed.
    """
    settings = client_settings(kafka=not dry_run, database=wait and not dry_run)
    keyring, at = load_keyring(settings), now()
    cutoff = dump.dated(file, at)
    readable = count_rows(dump.rows(file, keyring, now=at, dumped=cutoff))
    if not dry_run:
        with progress("sending", readable.events) as count:
            again = partial(dump.events, file, keyring, now=at, dumped=cutoff)
            run_async(lambda: send_events(settings, again, count, wait_seconds if wait else None))
    sent, in_ledger = not dry_run, wait and not dry_run
    if as_json:
        print_json({**_as_json(readable), "cutoff": cutoff, "sent": sent, "in_ledger": in_ledger})
    else:
        _print(readable, cutoff, "checked" if dry_run else "in the ledger" if wait else "sent")
    return REFUSED if readable.refused else 0


def count_rows(rows: Iterable[list[Event] | dump.RefusedRow]) -> Readable:
    """Count what can be used, and keep the first refusals."""
    readable = Readable()
    for row in rows:
        readable.rows += 1
        if not isinstance(row, dump.RefusedRow):
            readable.events += len(row)
            continue
        readable.refused += 1
        if len(readable.refusals) < _MOST_REFUSALS:
            readable.refusals.append(row)
    return readable


def _as_json(readable: Readable) -> dict[str, object]:
    return {
        "rows": readable.rows,
        "events": readable.events,
        "refused": readable.refused,
        "refusals": readable.refusals,
    }


def _print(readable: Readable, cutoff: datetime | None, did: str) -> None:
    click.echo(f"{readable.events} events {did}")
    if cutoff is not None:
        click.echo(f"cut-off of the dump: {cutoff.isoformat()}")
    for row in readable.refusals[:_SHOWN]:
        click.echo(f"line {row.line}: {row.message} ({row.reason})", err=True)
    if readable.refused:
        hidden = (
            f" ({readable.refused - _SHOWN} more not shown)" if readable.refused > _SHOWN else ""
        )
        rows = counted(readable.rows, "row")
        click.echo(f"{readable.refused} of {rows} refused{hidden}; the others were {did}", err=True)
