"""`takedown notices ingest`: bounces, complaints, answers and receipts out of a mailbox, as events.

Nothing of a mail's content is printed or logged: its place, its kind, a notice id and codes of ours alone.
A mail that can't be used becomes a dead letter, its bytes untouched. A mail is marked as seen only once the broker has
what it says, or the mail itself: whoever is killed before that reads it again, and the same again adds nothing.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import click
from msgspec import Struct
from msgspec.structs import replace

from consumers.record.mail_letters import UnusableMail, keep_mails
from schemas.events import Event
from schemas.sqlfiles import statements
from services.cli.gauge import progress
from services.cli.submit_command import send
from services.cli.support import (
    REFUSED,
    client_settings,
    counted,
    json_option,
    now,
    print_json,
    run_async,
)
from services.ledger.pool import DatabaseConnection, session_of
from services.notices.correlation import By, NoticeRegister, SentNotice, Unmatched
from services.notices.fates import Kind, Outcome
from services.notices.mail_reading import read_mail
from services.notices.mail_sources import Mail, mails_in, mails_of, mark_seen
from services.notices.notice_events import events_of
from services.runtime.connections import database_connection, kafka_connection
from services.runtime.keyfile import load_keyring
from services.runtime.settings import Settings

_SHOWN = 20
_BATCH_BYTES = 64 * 1024 * 1024
WHY = {
    "unknown_notice": "it means no notice that the ledger knows",
    "ambiguous": "it may mean more than one notice",
    "bounce_of_a_report": "what came back is a mail server's own report, no notice",
    "nothing_said": "it says nothing of a notice",
}


class MailReport(Struct, frozen=True, kw_only=True):
    """What became of one mail; `problem` is None where it was used. What is too large to be kept stays in place."""

    place: str
    kind: Kind
    outcome: Outcome | None = None
    notice_id: str | None = None
    by: By | None = None
    events: int = 0
    problem: str | None = None
    candidates: int = 0
    too_large: bool = False


class Taken(Struct):
    """What some mails came to: their events, those that can't be used, and the files that are dealt with then."""

    reports: list[MailReport] = []
    events: dict[tuple[str, str], Event] = {}
    unusable: list[UnusableMail] = []
    files: list[Path] = []

    def add(self, other: "Taken") -> None:
        """Add what counts in the end; the mails themselves are let go."""
        self.reports += other.reports
        self.events |= other.events


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
    "--seen", is_flag=True, help="Maildir: mark what was dealt with as seen, and pass over it."
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
    The same mail twice adds nothing.
    Mails that can't be used become dead letters and are listed, and the exit status is 4.
    """
    settings = client_settings(kafka=not dry_run, database=True)
    connection, at = database_connection(settings, "takedown_reader"), now()
    register = run_async(lambda: load_register(settings, connection, at - timedelta(days=days)))
    mails = mails_of(sys.stdin.buffer) if str(source) == "-" else mails_in(source, unseen=seen)
    whole, added = Taken(), 0
    for some in batches(mails):
        taken = take(some, register, at)
        if not dry_run:
            send_events(settings, list(taken.events.values()), wait_seconds if wait else None)
            added += _keep(settings, taken.unusable)
            for file in taken.files if seen else ():
                mark_seen(file)
        whole.add(taken)
    _show(whole, added, "checked" if dry_run else "in the ledger" if wait else "sent", as_json)
    return REFUSED if any(report.problem for report in whole.reports) else 0


def batches(mails: Iterable[Mail]) -> Iterator[list[Mail]]:
    """Cut mails into batches that memory holds, whatever their size."""
    batch: list[Mail] = []
    size = 0
    for mail in mails:
        batch.append(mail)
        size += len(mail.raw)
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def take(mails: Iterable[Mail], register: NoticeRegister, at: datetime) -> Taken:
    """Read mails and join what they say; of two mails that say the same, one event comes."""
    taken = Taken()
    for mail in mails:
        report, events = judge(mail, register, at)
        taken.events |= {(event.case_id, str(event.id)): event for event in events}
        if report.problem and mail.whole:
            why = UnusableMail(mail.raw, report.problem, WHY[report.problem])
            taken.unusable.append(why)
        elif report.problem:
            report = replace(report, too_large=True)
        if mail.file is not None and not report.too_large:
            taken.files.append(mail.file)
        taken.reports.append(report)
    return taken


def judge(mail: Mail, register: NoticeRegister, at: datetime) -> tuple[MailReport, Sequence[Event]]:
    """Read one mail and find its notice."""
    reading = read_mail(mail.head)
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
) -> NoticeRegister:
    """Read the notices that mails can mean."""
    async with session_of(connection) as session:
        query = statements("services.cli", "notices.sql")["sent_notices"]
        rows = [dict(row) for row in await session.fetch(query, since)]
    return NoticeRegister(load_keyring(settings).naming, joined(rows))


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


def send_events(settings: Settings, events: Sequence[Event], wait_seconds: float | None) -> None:
    """Send what mails say; with `wait_seconds`, return once the ledger has it."""
    if not events:
        return
    names = [(event.case_id, event.id) for event in events]
    with progress("sending", len(events)) as count:
        run_async(lambda: send(settings, events, names, count, wait_seconds))


def _keep(settings: Settings, mails: Sequence[UnusableMail]) -> int:
    """Have the dead letters hold what can't be used; return how many were not there before."""
    kafka = kafka_connection(settings, "takedown-notices")
    return run_async(lambda: keep_mails(kafka, mails, now)) if mails else 0


def _show(taken: Taken, added: int, did: str, as_json: bool) -> None:
    problems = [report for report in taken.reports if report.problem]
    if as_json:
        counts = {"used": len(taken.reports) - len(problems), "dead_letters": added}
        print_json({"events": len(taken.events), **counts, "mails": taken.reports, "did": did})
        return
    for report in taken.reports:
        if not report.problem:
            what = report.outcome or report.kind
            click.echo(f"{report.place}: {what}, notice {report.notice_id} (by {report.by})")
    for report in problems[:_SHOWN]:
        click.echo(f"{report.place}: {WHY[str(report.problem)]} ({report.problem})", err=True)
    click.echo(
        f"{counted(len(taken.events), 'event')} of {counted(len(taken.reports), 'mail')} {did}"
    )
    if problems:
        click.echo(_unused(problems, added), err=True)


def _unused(problems: Sequence[MailReport], added: int) -> str:
    more = f" ({len(problems) - _SHOWN} more not shown)" if len(problems) > _SHOWN else ""
    large = sum(report.too_large for report in problems)
    stay = f"; {counted(large, 'mail')} too large for one stay in place" if large else ""
    return f"{counted(len(problems), 'mail')} not used{more}; {counted(added, 'new dead letter')}{stay}"
