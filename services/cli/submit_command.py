"""`takedown submit`: events as JSON lines to Kafka, checked and sealed first."""

from collections.abc import Callable, Iterable
from typing import BinaryIO
from uuid import UUID

import click
from msgspec import Struct

from consumers.client.groups import LEDGER_GROUP
from consumers.client.producing import produce
from schemas.events import Event
from services.cli.arriving import absent, ledger_here, wait_for_ledger
from services.cli.gauge import progress
from services.cli.lines import Refusal, read_lines, read_numbered
from services.cli.submitted_names import Doubt, NameRegister, add_ledger, configured, doubts
from services.cli.support import (
    Refused,
    client_settings,
    counted,
    json_option,
    now,
    print_json,
    run_async,
    unreachable,
)
from services.ledger.pool import DatabaseConnection
from services.runtime.connections import database_connection, kafka_connection
from services.runtime.keyfile import load_keyring
from services.runtime.settings import Settings

_SHOWN = 20
_MOST_REFUSALS = 1_000

Names = list[tuple[str, UUID]]
"""Case id and event id of each event: what to look for in the ledger."""


class Checked(Struct):
    """The result of a first pass over all lines; only the first refusals are kept."""

    names: Names = []
    refused: int = 0
    refusals: list[Refusal] = []


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--wait", is_flag=True, help="Return when the events are in the ledger.")
@click.option("--wait-seconds", type=click.FloatRange(min=0.1), default=60.0, show_default=True)
@click.option("--dry-run", is_flag=True, help="Check all lines and send nothing.")
@click.option(
    "--strict",
    is_flag=True,
    help="Refuse names that nobody knows and cases that nobody reported, instead of naming them.",
)
@json_option
def command(
    file: BinaryIO, wait: bool, wait_seconds: float, dry_run: bool, strict: bool, as_json: bool
) -> None:
    """Send events, one JSON object a line, from FILE or from standard input (`-`), to Kafka.

    A line is a CloudEvent in structured mode; URLs are sealed before anything leaves this process.
    All lines are checked first: where one is refused, nothing is sent (exit status 4); with --json
    those are listed on standard output. A provider, channel or category that is new, and a notice of a case
    that nobody reported, are named on standard error; a notice id with another content is refused.

    \b
    {"type": "takedown.report.filed.v1", "time": "2025-01-31T12:00:00Z",
     "data": {"reporter": "hotline", "url": "https://host.example/page"}}
    """  # noqa: D301 - click takes the character, not its escape
    settings = client_settings(kafka=not dry_run, database=wait and not dry_run)
    keyring, at = load_keyring(settings), now()
    again = passes(file)
    checked = check(read_lines(again(), keyring, at))
    if checked.refused:
        _refuse(checked, as_json=as_json)
    names = checked.names
    questions = run_async(lambda: _doubts(settings, read_numbered(again(), keyring, at), checked))
    _show_doubts(questions, strict)
    before = 0
    if wait and not dry_run:
        database = database_connection(settings)
        before = len(set(names)) - len(run_async(lambda: absent(database, names)))
    if not dry_run:
        with progress("sending", len(names)) as count:
            events = (e for e in read_lines(again(), keyring, at) if isinstance(e, Event))
            run_async(lambda: send(settings, events, names, count, wait_seconds if wait else None))
    if as_json:
        summary = _summary(checked, sent=not dry_run, in_ledger=wait and not dry_run)
        print_json({**summary, "already_there": before, "doubts": questions})
    else:
        did = "checked" if dry_run else "in the ledger" if wait else "sent"
        again_ = f", {before:,} of them from before" if before else ""
        click.echo(f"{counted(len(names), 'event')} {did}{again_}")


async def _doubts(
    settings: Settings, lines: Iterable[tuple[int, Event | Refusal]], checked: Checked
) -> list[Doubt]:
    """Compare names with the provider map, the methodology and, where one is reached, the ledger."""
    register = configured(settings)
    database = ledger_here(settings)
    if database is not None:
        await _add_ledger(register, database, checked)
    events = ((line, item) for line, item in lines if isinstance(item, Event))
    return [*doubts(events, register)]


async def _add_ledger(
    register: NameRegister, database: DatabaseConnection, checked: Checked
) -> None:
    """Add what the ledger knows; it is no condition for sending, so that a silent one is a note."""
    try:
        await add_ledger(register, database, (case_id for case_id, _ in checked.names))
    except Exception as error:
        if unreachable(error) is None:
            raise
        click.echo("note: the ledger does not answer; names were not compared with it", err=True)


def _show_doubts(questions: list[Doubt], strict: bool) -> None:
    """Name what is probably not meant; raises `Refused` for a conflict, and for all of it under --strict."""
    for doubt in questions[:_SHOWN]:
        word = "conflict" if doubt.conflict else "refused" if strict else "note"
        click.echo(f"line {doubt.line}: {word}: {doubt.message}", err=True)
    if (hidden := len(questions) - _SHOWN) > 0:
        click.echo(f"{hidden} more of the kind", err=True)
    wrong = [doubt for doubt in questions if doubt.conflict or strict]
    if wrong:
        raise Refused(f"{counted(len(wrong), 'line')} refused; nothing was sent")


def passes(file: BinaryIO) -> Callable[[], Iterable[bytes]]:
    """Return a function that reads the lines from the start; input that can't be rewound is kept in memory alone."""
    if not file.seekable():
        lines = file.readlines()
        return lambda: lines

    def again() -> Iterable[bytes]:
        file.seek(0)
        return file

    return again


def check(lines: Iterable[Event | Refusal]) -> Checked:
    """Check every line; keep the names of the events, and the first of those refused."""
    checked = Checked()
    for item in lines:
        if isinstance(item, Event):
            checked.names.append((item.case_id, item.id))
            continue
        checked.refused += 1
        if len(checked.refusals) < _MOST_REFUSALS:
            checked.refusals.append(item)
    return checked


def _refuse(checked: Checked, *, as_json: bool) -> None:
    """Show why lines were refused, and raise `Refused`."""
    if as_json:
        print_json(_summary(checked, sent=False, in_ledger=False))
    for item in () if as_json else checked.refusals[:_SHOWN]:
        click.echo(f"line {item.line}: {item.message} ({item.reason})", err=True)
    hidden = 0 if as_json else checked.refused - _SHOWN
    more = f" ({hidden} more not shown)" if hidden > 0 else ""
    lines = counted(checked.refused + len(checked.names), "line")
    raise Refused(f"{checked.refused} of {lines} refused{more}; nothing was sent")


def _summary(checked: Checked, *, sent: bool, in_ledger: bool) -> dict[str, object]:
    return {
        "events": len(checked.names),
        "sent": sent,
        "in_ledger": in_ledger,
        "refused": checked.refused,
        "refusals": checked.refusals,
    }


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
            "`takedown dead-letters list` shows the reasons"
        )
