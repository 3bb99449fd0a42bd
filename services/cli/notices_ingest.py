"""`takedown notices ingest`: bounces, complaints, answers and receipts out of a mailbox, as events.

Nothing of a mail's content is printed or logged: its place, its kind, a notice id and codes of ours alone.
A mail that can't be used stays where it is.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from schemas.events import Event
from schemas.sqlfiles import statements
from services.cli.submit_command import send
from services.cli.support import (
    REFUSED,
    client_settings,
    counted,
    json_option,
    now,
    print_json,
    progress,
    run_async,
)
from services.ledger.pool import DatabaseConnection, session_of
from services.notices.correlation import By, Register, SentNotice, Unmatched
from services.notices.fates import Kind, Outcome
from services.notices.mail_reading import read_mail
from services.notices.mail_sources import Mail, mails_in, mails_of, mark_seen
from services.notices.notice_events import events_of
from services.runtime.connections import database_connection
from services.runtime.keyfile import load_keyring
from services.runtime.settings import Settings

_SHOWN = 20
_WHY = {
    "unknown_notice": "it means no notice that the ledger knows",
    "ambiguous": "it may mean more than one notice",
    "bounce_of_a_report": "what came back is a mail server's own report, no notice",
    "nothing_said": "it says nothing of a notice",
}


class MailReport(Struct, frozen=True, kw_only=True):
    """What became of one mail; `problem` is None where it was used."""

    place: str
    kind: Kind
    outcome: Outcome | None = None
    notice_id: str | None = None
    by: By | None = None
    events: int = 0
    problem: str | None = None
    candidates: int = 0


class Taken(Struct):
    """The mails of one run, the events that follow from them, and the files that were used."""

    reports: list[MailReport] = []
    events: dict[tuple[str, str], Event] = {}
    files: list[Path] = []


@click.command()
@click.argument("source", type=click.Path(exists=True, allow_dash=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Read all mails and send nothing.")
@click.option("--wait", is_flag=True, help="Return when the events are in the ledger.")
@click.option("--wait-seconds", type=click.FloatRange(min=0.1), default=60.0, show_default=True)
@click.option(
    "--days",
    type=click.IntRange(1, 36_500),
    default=400,
    show_default=True,
    help="Only notices sent in the last days can be meant.",
)
@click.option(
    "--seen", is_flag=True, help="Maildir: mark used mails as seen, and pass over those marked."
)
@json_option
def ingest(
    source: Path,
    dry_run: bool,
    wait: bool,
    wait_seconds: float,
    days: int,
    seen: bool,
    as_json: bool,
) -> int:
    """Turn the mails of SOURCE into events: a Maildir, an mbox, a folder, one mail, or standard input (`-`).

    Also read are receipts in JSON, one a line. A mail means a notice by the token in its return path, by the
    Message-ID that came back, or by the recipient where no second notice could be meant.
    The same mail twice adds nothing. Mails that can't be used stay in place, are listed, and the exit status is 4.
    """
    settings = client_settings(kafka=not dry_run, database=True)
    connection, at = database_connection(settings, "takedown_reader"), now()
    register = run_async(lambda: load_register(settings, connection, at - timedelta(days=days)))
    mails = mails_of(sys.stdin.buffer) if str(source) == "-" else mails_in(source, unseen=seen)
    taken = take(mails, register, at)
    if not dry_run:
        _send(settings, list(taken.events.values()), wait_seconds if wait else None)
        for file in taken.files if seen else ():
            mark_seen(file)
    _show(taken, "checked" if dry_run else "in the ledger" if wait else "sent", as_json)
    return REFUSED if any(report.problem for report in taken.reports) else 0


def take(mails: Iterable[Mail], register: Register, at: datetime) -> Taken:
    """Read mails and join what they say; of two mails that say the same, one event comes."""
    taken = Taken()
    for mail in mails:
        report, events = judge(mail, register, at)
        taken.reports.append(report)
        taken.events |= {(event.case_id, str(event.id)): event for event in events}
        if not report.problem and mail.file is not None:
            taken.files.append(mail.file)
    return taken


def judge(mail: Mail, register: Register, at: datetime) -> tuple[MailReport, Sequence[Event]]:
    """Read one mail and find its notice."""
    reading = read_mail(mail.raw)
    report = partial(MailReport, place=mail.place, kind=reading.kind, outcome=reading.outcome)
    if reading.kind == "other":
        return report(problem="nothing_said"), ()
    match = register.match(reading)
    if isinstance(match, Unmatched):
        return report(problem=match.why, candidates=match.candidates), ()
    events = events_of(reading, match.notice, at)
    problem = None if events else "nothing_said"
    return report(
        notice_id=match.notice.notice_id, by=match.by, events=len(events), problem=problem
    ), events


async def load_register(
    settings: Settings, connection: DatabaseConnection, since: datetime
) -> Register:
    """Read the notices that mails can mean."""
    async with session_of(connection) as session:
        query = statements("services.cli", "notices.sql")["sent_notices"]
        rows = [dict(row) for row in await session.fetch(query, since)]
    return Register(load_keyring(settings).naming, joined(rows))


def joined(rows: Iterable[dict[str, Any]]) -> Iterator[SentNotice]:
    """Join the rows of a notice, one for each of its cases, into one notice as it was first sent."""
    first: dict[str, dict[str, Any]] = {}
    cases: dict[str, list[str]] = {}
    for row in rows:
        case = row.pop("case_id")
        first.setdefault(row["notice_id"], row)
        cases.setdefault(row["notice_id"], []).append(case)
    for name, row in first.items():
        yield SentNotice(**row, cases=tuple(dict.fromkeys(cases[name])))


def _send(settings: Settings, events: Sequence[Event], wait_seconds: float | None) -> None:
    if not events:
        return
    names = [(event.case_id, event.id) for event in events]
    with progress("sending", len(events)) as count:
        run_async(lambda: send(settings, events, names, count, wait_seconds))


def _show(taken: Taken, did: str, as_json: bool) -> None:
    problems = [report for report in taken.reports if report.problem]
    if as_json:
        used = len(taken.reports) - len(problems)
        print_json({"events": len(taken.events), "used": used, "mails": taken.reports, "did": did})
        return
    for report in taken.reports:
        if not report.problem:
            what = report.outcome or report.kind
            click.echo(f"{report.place}: {what}, notice {report.notice_id} (by {report.by})")
    for report in problems[:_SHOWN]:
        click.echo(f"{report.place}: {_WHY[str(report.problem)]} ({report.problem})", err=True)
    click.echo(
        f"{counted(len(taken.events), 'event')} of {counted(len(taken.reports), 'mail')} {did}"
    )
    if problems:
        more = f" ({len(problems) - _SHOWN} more not shown)" if len(problems) > _SHOWN else ""
        click.echo(f"{counted(len(problems), 'mail')} not used{more}; they stay in place", err=True)
