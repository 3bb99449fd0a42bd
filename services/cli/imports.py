"""`takedown import`: turn data of others into events and send them through Kafka."""

from collections.abc import Iterator
from pathlib import Path

import click

from schemas.events import Event
from services.cli.submit_command import Names, send
from services.cli.support import client_settings, json_option, print_json, progress, run_async
from services.reports import urlhaus as dump
from services.runtime.keyfile import load_keyring


@click.group()
def command() -> None:
    """Turn data of others into events and send them through Kafka."""


@command.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--wait", is_flag=True, help="Return once the ledger has them.")
@click.option("--wait-seconds", type=click.FloatRange(min=0.1), default=600.0, show_default=True)
@json_option
def urlhaus(file: Path, wait: bool, wait_seconds: float, as_json: bool) -> None:
    """Import a URLhaus dump (CSV, also gzip): reports, notices and what its own checks saw.

    Nothing that it names is ever contacted. Its cut-off, for `report --cutoff`, is printed.
    """
    settings = client_settings(kafka=True, database=wait)
    keyring = load_keyring(settings)
    cutoff = dump.cutoff(file)
    # A first pass finds a damaged row before anything is sent.
    names: Names = [(event.case_id, event.id) for event in dump.events(file, keyring)]
    events: Iterator[Event] = dump.events(file, keyring)
    with progress("sending", len(names)) as count:
        run_async(lambda: send(settings, events, names, count, wait_seconds if wait else None))
    if as_json:
        print_json({"events": len(names), "cutoff": cutoff, "in_ledger": wait})
    else:
        click.echo(f"{len(names)} events {'in the ledger' if wait else 'sent'}")
        click.echo(f"cut-off of the dump: {cutoff.isoformat()}")
