"""`takedown submit`: events as JSON lines to Kafka, checked and sealed first."""

from collections.abc import Callable, Iterable
from typing import BinaryIO
from uuid import UUID

import click

from consumers.ledger import GROUP as LEDGER_GROUP
from schemas.events import Event
from services.cli.lines import Refusal, read_lines
from services.cli.producing import absent, produce, wait_for_ledger
from services.cli.support import (
    Refused,
    client_settings,
    json_option,
    print_json,
    progress,
    run_async,
)
from services.runtime.connections import database_connection, kafka_connection
from services.runtime.keys import load_keyring
from services.runtime.settings import Settings

_SHOWN = 20

Names = list[tuple[str, UUID]]
"""Case id and event id of each event: what to look for in the ledger."""


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--wait", is_flag=True, help="Return once the ledger has them.")
@click.option("--wait-seconds", type=click.FloatRange(min=0.1), default=60.0, show_default=True)
@click.option("--dry-run", is_flag=True, help="Check every line and send nothing.")
@json_option
def command(file: BinaryIO, wait: bool, wait_seconds: float, dry_run: bool, as_json: bool) -> None:
    r"""Send events, one JSON object a line, from FILE or from standard input (`-`), to Kafka.

    A line is a CloudEvent in structured mode; URLs are sealed before anything leaves this process.
    All lines are checked first: where one is refused, nothing is sent (exit status 4).

    \b
    {"type": "takedown.report.filed.v1", "time": "2025-01-31T12:00:00Z",
     "data": {"reporter": "hotline", "url": "https://host.example/page"}}
    """
    settings = client_settings(kafka=not dry_run, database=wait and not dry_run)
    keyring = load_keyring(settings)
    again = passes(file)
    names = check(read_lines(again(), keyring))
    sent = {"events": len(names), "sent": not dry_run, "in_ledger": wait and not dry_run}
    if not dry_run:
        with progress("sending", len(names)) as count:
            events = (e for e in read_lines(again(), keyring) if isinstance(e, Event))
            run_async(lambda: send(settings, events, names, count, wait_seconds if wait else None))
    if as_json:
        print_json(sent)
    else:
        did = "checked" if dry_run else "in the ledger" if wait else "sent"
        click.echo(f"{len(names)} events {did}")


def passes(file: BinaryIO) -> Callable[[], Iterable[bytes]]:
    """Give a way to read the lines twice; what can't be rewound is kept, in memory alone."""
    if not file.seekable():
        kept = file.readlines()
        return lambda: kept

    def again() -> Iterable[bytes]:
        file.seek(0)
        return file

    return again


def check(found: Iterable[Event | Refusal]) -> Names:
    """Check every line; return the names of the events, or raise `Refused` and show why."""
    names: Names = []
    refused = 0
    for item in found:
        if isinstance(item, Event):
            names.append((item.case_id, item.id))
            continue
        refused += 1
        if refused <= _SHOWN:
            click.echo(f"line {item.line}: {item.message} ({item.reason})", err=True)
    if refused:
        more = f" ({refused - _SHOWN} more not shown)" if refused > _SHOWN else ""
        raise Refused(f"{refused} of {refused + len(names)} lines refused{more}; nothing was sent")
    return names


async def send(
    settings: Settings,
    events: Iterable[Event],
    names: Names,
    count: Callable[[int], None],
    wait_seconds: float | None,
) -> None:
    """Send events; with `wait_seconds`, return once the ledger took them all."""
    options = kafka_connection(settings, "takedown-submit").producer_options()
    places = await produce(options, events, count)
    if wait_seconds is None:
        return
    database = database_connection(settings)
    await wait_for_ledger(database, LEDGER_GROUP, places, wait_seconds)
    if missing := await absent(database, names):
        raise Refused(
            f"the ledger refused {len(missing)} of {len(names)} events; "
            "`takedown dead-letters list` says why"
        )
