"""`takedown dead-letters`: look at what could not be used, and send it back, or read it again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, BinaryIO

import click

from consumers.client.groups import LEDGER_GROUP
from consumers.client.producing import Places
from consumers.record.deadletter import (
    DeadLetter,
    Place,
    find_dead_letter,
    read_dead_letters,
    refused_again,
    retry_dead_letters,
)
from schemas.topics import EVIDENCE
from services.cli.acts import Words, actor_option
from services.cli.arriving import ledger_here, wait_for_ledger
from services.cli.mails_again import read_again
from services.cli.support import (
    REFUSED,
    cell,
    client_settings,
    json_option,
    now,
    print_json,
    print_rows,
    run_async,
)
from services.ledger import audit
from services.ledger.pool import session_of
from services.runtime.connections import database_connection, kafka_connection
from services.runtime.methods import reading_zone
from services.runtime.settings import Settings

_COLUMNS = ("id", "at", "reason", "message", "source", "retried")
_topic = click.option(
    "--topic",
    type=click.Choice([t.name for t in EVIDENCE]),
    help="Only dead letters of this topic.",
)
_reason = click.option("--reason", help="Only dead letters with this reason.")


@click.group()
def command() -> None:
    """Show records and mails that could not be used, and send them back once the cause is fixed."""


@command.command("list")
@_topic
@_reason
@click.option("--retried", is_flag=True, help="Include dead letters that were sent back already.")
@json_option
def list_(topic: str | None, reason: str | None, retried: bool, as_json: bool) -> None:
    """List the dead letters, without their bytes, which may contain a URL."""
    settings = client_settings(kafka=True)
    rows = [_row(letter) for letter in _read(settings, topic, reason, retried)]
    if as_json:
        print_rows(rows, _COLUMNS, as_json=True)
    else:
        _print_for_people(rows, settings)


def _instant(text: object) -> object:
    """Read the time of a letter for people; whoever wrote the header may have written anything."""
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return text


@command.command()
@click.argument("letter_id")
@click.option(
    "--raw",
    type=click.File("wb"),
    help="Write the original bytes to this file. They may contain an unsealed URL: needs --purpose.",
)
@click.option("--purpose", type=Words(), help="Purpose of --raw; kept in the audit log.")
@actor_option
@json_option
def show(
    letter_id: str, raw: BinaryIO | None, purpose: str | None, actor: str, as_json: bool
) -> None:
    """Show the reason and the place of one dead letter; its bytes only with --raw, recorded in the audit log first."""
    if (raw is None) != (purpose is None):
        raise click.UsageError("--raw needs a --purpose, which is kept in the audit log")
    settings = client_settings(kafka=True, database=raw is not None)
    kafka = kafka_connection(settings)
    letter = run_async(lambda: find_dead_letter(kafka, letter_id))
    if purpose is not None:
        run_async(lambda: _note_raw(settings, letter.id, actor, purpose))
    size = None if letter.value is None else len(letter.value)
    row = _row(letter) | {"bytes": size, "headers": [name for name, _ in letter.headers]}
    if as_json:
        print_json(row)
    for name, value in () if as_json else row.items():
        shown = ", ".join(value) or None if isinstance(value, list) else value
        click.echo(f"{name:<10}{cell(shown)}")
    if raw is not None:
        raw.write(letter.value or b"")


async def _note_raw(settings: Settings, letter_id: str, actor: str, purpose: str) -> None:
    """Write who reads the bytes of a dead letter, and for what."""
    async with session_of(database_connection(settings, "takedown_ledger")) as session:
        await audit.record(session, actor, "raw", None, f"dead letter {letter_id}: {purpose}")


@command.command()
@click.argument("letter_ids", nargs=-1)
@click.option(
    "--all", "everything", is_flag=True, help="All dead letters that --topic and --reason select."
)
@_topic
@_reason
@click.option(
    "--wait-seconds",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="How long to wait for the ledger to take or refuse them; 0: do not wait.",
)
@json_option
def retry(
    letter_ids: tuple[str, ...],
    everything: bool,
    topic: str | None,
    reason: str | None,
    wait_seconds: float,
    as_json: bool,
) -> int:
    """Send the original bytes back to their topic; a record that fails again becomes a new dead letter.

    A mail is read again: what it says by now goes to the record, and one that still can't be used stays.
    The ledger is waited for, so that what fails again is named here (exit status 4).
    """
    if bool(letter_ids) == everything:
        raise click.UsageError("name the dead letters to retry, or give --all")
    settings = client_settings(kafka=True)
    kafka = kafka_connection(settings)
    if everything:
        letters = _read(settings, topic, reason, False)
    else:
        letters = [run_async(lambda i=i: find_dead_letter(kafka, i)) for i in letter_ids]  # type: ignore[misc]
    again = [letter for letter in letters if not letter.retried]
    mails = read_again([letter for letter in again if letter.is_mail], wait_seconds or None)
    places = run_async(lambda: retry_dead_letters(kafka, again, now))
    sent = len(places) + len(mails.used)
    failures = _failures(settings, places, wait_seconds)
    answers = failures is not None or bool(mails.unusable)
    refused = [*(failures or ()), *mails.unusable] if answers else None
    _show(settings, sent, len(letters) - len(again), refused, as_json)
    return REFUSED if failures or mails.unusable else 0


def _show(
    settings: Settings, sent: int, before: int, again: list[DeadLetter] | None, as_json: bool
) -> None:
    """Show what was sent back, and what failed again; None: the ledger was not asked."""
    refused = None if again is None else [_row(one) for one in again]
    if as_json:
        print_json({"sent_back": sent, "sent_back_before": before, "refused_again": refused})
        return
    earlier = f", {before} were sent back before" if before else ""
    click.echo(f"{sent} sent back{earlier}{_outcome(sent, refused)}")
    if refused:
        _print_for_people(refused, settings)


def _print_for_people(rows: list[dict[str, Any]], settings: Settings) -> None:
    """Print letters with their times in the zone that people read."""
    for row in rows:
        row["at"] = _instant(row["at"])
    print_rows(rows, _COLUMNS, as_json=False, zone=reading_zone(settings))


def _failures(
    settings: Settings, places: list[Place], wait_seconds: float
) -> list[DeadLetter] | None:
    """Wait until the ledger has read what was sent back; give what it refused again, None: it was not asked."""
    database = ledger_here(settings)
    if not places or not wait_seconds or database is None:
        return None if places else []
    ends: Places = {}
    for topic, partition, offset in places:
        ends[topic, partition] = max(ends.get((topic, partition), 0), offset + 1)
    run_async(lambda: wait_for_ledger(database, LEDGER_GROUP, ends, wait_seconds))
    return run_async(lambda: refused_again(kafka_connection(settings), places))


def _outcome(sent: int, refused: Sequence[object] | None) -> str:
    if refused is None:
        return "; whether the ledger takes them now, `takedown dead-letters list` shows"
    return f"; {len(refused)} refused again" if refused else "; all taken" if sent else ""


def _read(
    settings: Settings, topic: str | None, reason: str | None, retried: bool
) -> list[DeadLetter]:
    kafka = kafka_connection(settings)
    letters = run_async(lambda: read_dead_letters(kafka, source_topic=topic, retried=retried))
    return [letter for letter in letters if reason in (None, letter.reason)]


def _row(letter: DeadLetter) -> dict[str, object]:
    return {
        "id": letter.id,
        "at": letter.at,
        "reason": letter.reason,
        "message": letter.message,
        "source": letter.source,
        "retried": letter.retried,
    }
