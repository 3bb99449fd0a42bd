"""What the imports of reports and notices share: their options, the two passes, and what they print."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import click
import msgspec
from msgspec import Struct

from consumers.record.admission import Admission
from schemas.events import TYPE_OF, ClaimStated, Event, Payload
from schemas.ids import instant
from services.cli.gauge import progress
from services.cli.import_sending import send_events
from services.cli.support import (
    REFUSED,
    client_settings,
    counted,
    print_json,
    run_async,
)
from services.intake.entries import Counts, IntakeEntry
from services.intake.intake_statements import Statement
from services.intake.named_entries import NamedEntry, Naming
from services.runtime.keyfile import load_keyring
from services.runtime.settings import Settings

_SHOWN = 20
_MOST_LISTED = 10_000
_END_NAMES = {
    "events": "taken",
    "dead_letter": "dead letter",
    "duplicate": "duplicate",
    "update": "update",
    "skipped": "skipped",
}
_NEVER_SHOWN = ("url", "sealed_url", "earliest")
_F = TypeVar("_F", bound=Callable[..., Any])

Entries = Callable[[], Iterable[IntakeEntry]]
"""Reads a form anew, from its first row."""


class Sending(Struct, frozen=True, kw_only=True):
    """How an import ends: what is sent, what is waited for, what is printed."""

    source: str
    wait: bool
    wait_seconds: float
    dry_run: bool
    as_json: bool

    def settings(self, *, ledger: bool = False) -> Settings:
        """Load the settings with the addresses that this import needs."""
        live = not self.dry_run
        return client_settings(kafka=live, database=live and (self.wait or ledger))


class ImportSummary(Struct, kw_only=True):
    """What a first pass counted; the first rows are kept for people and programs."""

    counts: Counts
    events: int = 0
    without_case: int = 0
    left_out: int = 0
    rows: list[dict[str, object]] = []
    dead: list[tuple[int, str]] = []
    unlisted_hosters: Counter[str]


def sending_options(command: _F) -> _F:
    """Add the options that every import of reports has."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON, with every row."),
        click.option("--dry-run", is_flag=True, help="Read every row and send nothing."),
        click.option(
            "--wait-seconds", type=click.FloatRange(min=0.1), default=600.0, show_default=True
        ),
        click.option("--wait", is_flag=True, help="Return once the ledger has them."),
    ):
        command = option(command)
    return command


def run_import(
    entries: Entries,
    sending: Sending,
    settings: Settings,
    cases: dict[str, str],
    more: Mapping[str, object],
) -> int:
    """Read all rows, send their events, print what became of them; return the exit status.

    `cases`: the cases of references that the ledger has. `more` is printed beside the counts.
    """
    keyring = load_keyring(settings)

    def again() -> Iterator[NamedEntry]:
        naming = Naming(Admission(keyring).name, sending.source, cases, strict=not sending.dry_run)
        return naming.named(entries())

    summary = summed(again())
    if not sending.dry_run:
        _send(again, sending, settings, summary.events)
    _print(summary, sending, more)
    return REFUSED if summary.counts.dead_letter else 0


def _send(
    again: Callable[[], Iterator[NamedEntry]], sending: Sending, settings: Settings, events: int
) -> None:
    def sent() -> Iterator[Event]:
        return (event for named in again() for event in named.events)

    seconds = sending.wait_seconds if sending.wait else None
    with progress("sending", events) as count:
        run_async(lambda: send_events(settings, sent, count, seconds))


def summed(entries: Iterable[NamedEntry]) -> ImportSummary:
    """Count what became of the rows."""
    summary = ImportSummary(counts=Counts(), unlisted_hosters=Counter())
    for named in entries:
        entry = named.entry
        summary.counts.add(entry.outcome)
        summary.events += len(named.events)
        summary.without_case += len(named.without_case)
        summary.left_out += entry.left_out
        if entry.unlisted_hoster is not None:
            summary.unlisted_hosters[entry.unlisted_hoster] += 1
        if entry.outcome == "dead_letter" and len(summary.dead) < _SHOWN:
            summary.dead.append((entry.line, entry.why or ""))
        if len(summary.rows) < _MOST_LISTED:
            summary.rows.append(row_of(named))
    return summary


def row_of(named: NamedEntry) -> dict[str, object]:
    """Write a row as JSON has it: no URL, its case id in place of it."""
    entry = named.entry
    stated = [_shown_event(event) for event in named.events if not _is_claim(event)]
    stated += [_shown_statement(one) for one in named.without_case if not _is_claim(one)]
    row = {
        "line": entry.line,
        "row": entry.row,
        "reference": entry.reference,
        "outcome": entry.outcome,
        "why": entry.why,
        "events": stated,
        "claims": entry.claims or None,
        "notice_known": entry.notice_known,
    }
    return {name: value for name, value in row.items() if value is not None}


def _is_claim(one: Event | Statement) -> bool:
    return isinstance(one.data, ClaimStated)


def _shown_event(event: Event) -> dict[str, object]:
    return {
        "type": event.type,
        "id": str(event.id),
        "case_id": event.case_id,
        "time": {"earliest": _text(event.earliest or event.time), "latest": _text(event.time)},
        "data": _data(event.data),
    }


def _shown_statement(one: Statement) -> dict[str, object]:
    return {
        "type": TYPE_OF[type(one.data)],
        "case_id": None,
        "time": {"earliest": _text(one.time.earliest), "latest": _text(one.time.latest)},
        "data": _data(one.data),
    }


def _data(data: Payload) -> dict[str, object]:
    fields = msgspec.structs.asdict(data)
    return {name: value for name, value in fields.items() if name not in _NEVER_SHOWN}


def _text(at: Any) -> str:
    return instant(at).replace(".000000Z", "Z")


def _print(summary: ImportSummary, sending: Sending, more: Mapping[str, object]) -> None:
    did = "checked" if sending.dry_run else "in the ledger" if sending.wait else "sent"
    if sending.as_json:
        print_json({**_as_json(summary, sending), **more})
        return
    click.echo(f"{counted(summary.events, 'event')} {did}")
    counts = msgspec.structs.asdict(summary.counts)
    click.echo(", ".join(f"{n} {_END_NAMES[name]}" for name, n in counts.items() if n))
    for line, why in summary.dead:
        click.echo(f"line {line}: {why}", err=True)
    for remark in remarks(summary, more):
        click.echo(remark, err=True)


def remarks(summary: ImportSummary, more: Mapping[str, object]) -> Iterator[str]:
    """Say what an operator should look at."""
    hidden = summary.counts.dead_letter - len(summary.dead)
    if hidden > 0:
        yield f"{counted(hidden, 'more dead letter')} not shown; --json lists them"
    if summary.without_case:
        yield (
            f"{counted(summary.without_case, 'statement')} of cases that only the ledger can name: "
            "they are looked up when the import is not a dry run"
        )
    for hoster, notices in sorted(summary.unlisted_hosters.items()):
        yield f"hoster {hoster!r} is not in the providers' file: {counted(notices, 'notice')} left out"
    if summary.left_out:
        yield f"{counted(summary.left_out, 'piece')} of content left out unread"
    unknown = more.get("unknown_columns")
    if isinstance(unknown, list) and unknown:
        yield f"columns that nobody here knows, passed over: {', '.join(unknown)}"


def _as_json(summary: ImportSummary, sending: Sending) -> dict[str, object]:
    return {
        **msgspec.structs.asdict(summary.counts),
        "sent_events": 0 if sending.dry_run else summary.events,
        "checked_events": summary.events,
        "without_case": summary.without_case,
        "content_left_out": summary.left_out,
        "unlisted_hosters": dict(summary.unlisted_hosters),
        "sent": not sending.dry_run,
        "in_ledger": sending.wait and not sending.dry_run,
        "rows": summary.rows,
    }
