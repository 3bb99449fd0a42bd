"""`takedown providers import`: show what a file would change in the provider map, and take it once it is accepted.

An accepted change goes into the record before it goes into the map: statements of who answered, for the cases whose
spells it changes. Interrupted, the same command finishes it; what is in the record already is not stated again.
"""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import asyncpg
import click
from msgspec import Struct

from schemas.errors import ConfigError, TakedownError
from schemas.events import Event, is_slug
from schemas.sqlfiles import statements
from services.attribution.map_candidate import Candidate, candidate
from services.attribution.map_change import MapLine, TableScope, difference, touched
from services.attribution.map_corrections import Act, Corrected, MapChange
from services.attribution.prefix_table import PrefixTable
from services.attribution.providermap import ProviderMap
from services.cli.acts import Words, actor_option
from services.cli.instant_options import Instant
from services.cli.provider_options import EXISTING_FILE, map_option, map_path
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
from services.ledger import audit
from services.ledger.pool import session_of, streamed
from services.ledger.rows import event_of
from services.runtime.connections import database_connection
from services.runtime.methods import methodology
from services.runtime.settings import Settings

_SHOWN = 20


class MapChanged(TakedownError):
    """Somebody else changed the map; what was stated in the record is not stated again."""


class Effect(Struct):
    """What a change does to the record: statements, and the cases that only a replay under the map shows."""

    events: list[Event] = []
    inexact: list[str] = []

    def take(self, corrected: Corrected | None) -> None:
        """Take what the change does to one case."""
        if corrected is not None:
            self.events += corrected.statements
            self.inexact += [] if corrected.exact else [corrected.case_id]

    @property
    def cases(self) -> int:
        """How many cases statements are made of."""
        return len({event.case_id for event in self.events})


class ProposedChange(Struct):
    """A change that is shown, and perhaps taken."""

    path: Path
    before: ProviderMap
    becomes: Candidate
    act: Act

    @property
    def lines(self) -> list[MapLine]:
        """The difference."""
        return difference(self.before, self.becomes.providers)


@click.command("import")
@click.argument("file", type=EXISTING_FILE)
@map_option
@click.option(
    "--from", "since", type=Instant(), help="Rows without a date hold from then on. Default: now."
)
@click.option("--provider", help="Provider of a plain list, or of rows that name none.")
@click.option("--role", type=click.Choice(["edge", "origin"]), help="Role of the ranges.")
@click.option("--complete", is_flag=True, help="What the file does not name any more has ended.")
@click.option("--accept", is_flag=True, help="Take the change that is shown.")
@actor_option
@click.option("--reason", type=Words(), help="Why; needed with --accept, kept in map and record.")
@click.option("--map-only", is_flag=True, help="Write the map, and nothing into the record.")
@click.option("--wait-seconds", type=click.FloatRange(min=0.1), default=60.0, show_default=True)
@json_option
def import_(
    file: Path,
    map_file: Path | None,
    since: datetime | None,
    provider: str | None,
    role: Literal["edge", "origin"] | None,
    complete: bool,
    accept: bool,
    actor: str,
    reason: str | None,
    map_only: bool,
    wait_seconds: float,
    as_json: bool,
) -> int:
    """Show what FILE would change in the provider map; with --accept, take it.

    FILE is a whole map in its place; a table with `prefix` and `asn` or `provider`; or a plain list of prefixes such
    as operators of proxies publish. What a table says otherwise than the map is added to it, with its date.

    An accepted change that speaks of the past is stated in the record, for each case whose spells it changes, so that
    every replay has it. Cases that statements can't put right are named: they need `takedown replay --provider-map`.
    Restart the probers then: they read the map when they start. The exit status is 4 if lines of FILE can't be used.
    """
    if accept and reason is None:
        raise click.UsageError("--accept needs --reason: it is kept in the map and in the record")
    if provider is not None and not is_slug(provider):
        raise click.BadParameter(
            "a provider is a slug such as giant-hosting", param_hint="--provider"
        )
    with_record = accept and not map_only
    settings = client_settings(kafka=with_record, database=with_record)
    act = Act(actor=actor, reason=reason or "not accepted yet", at=now())
    role_in_events: Any = {"edge": "proxy", "origin": "hosting", None: None}[role]
    scope = TableScope(
        since=since or act.at, provider=provider, role=role_in_events, complete=complete
    )
    change = _change(map_file or map_path(settings), file, scope, act)
    effect = Effect()
    if accept and change.lines:
        if with_record:
            effect = run_async(lambda: _record(settings, change, wait_seconds))
        if ProviderMap.load(change.path).digest != change.before.digest:
            raise MapChanged(
                f"{change.path.name} was changed meanwhile; run the same command again"
            )
        write_whole(change.path.resolve(), change.becomes.text)
    _show(change, effect, accepted=accept, as_json=as_json)
    return REFUSED if any(f.severity == "refused" for f in change.becomes.faults) else 0


def _change(path: Path, file: Path, scope: TableScope, act: Act) -> ProposedChange:
    text, new = _text(path), _text(file)
    before = ProviderMap.parse(text, str(path)).require_readable(str(path))
    becomes = candidate(before, text, new, scope, actor=act.actor, reason=act.reason, at=act.at)
    return ProposedChange(path, before, becomes, act)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"{path} can't be read as text in UTF-8") from None


def write_whole(path: Path, text: str) -> None:
    """Put a file in the place of another at once, with its permissions."""
    scratch = path.with_name(f".{path.name}.new")
    scratch.write_text(text, "utf-8")
    scratch.chmod(path.stat().st_mode & 0o777)
    with scratch.open("rb") as written:
        os.fsync(written.fileno())
    scratch.replace(path)


# -- the record ----------------------------------------------------------------------------------


async def _record(settings: Settings, change: ProposedChange, wait_seconds: float) -> Effect:
    """State in the record what the change does to the cases of the ledger."""
    connection = database_connection(settings, "takedown_ledger")
    method = methodology(settings.methodology)
    maps = MapChange(change.before, change.becomes.providers, method)
    ranges = touched(change.before, change.becomes.providers)
    effect, act = Effect(), change.act
    async with session_of(connection) as session:
        for case_id in await _cases(session, ranges, act.at):
            rows = await session.fetch(_statement("history"), case_id)
            effect.take(maps.corrected([event_of(row) for row in rows], act))
        await audit.record(session, act.actor, "provider_map", None, act.reason)
    names = [(event.case_id, event.id) for event in effect.events]
    if names:
        await send(settings, effect.events, names, lambda steps: None, wait_seconds)
    return effect


async def _cases(
    session: asyncpg.Connection, ranges: PrefixTable[None] | None, at: datetime
) -> Sequence[str]:
    """Name the cases that an address served of which the maps may say different things."""
    if ranges is not None and not len(ranges):
        return []
    cases: dict[str, None] = {}
    async with session.transaction(isolation="repeatable_read", readonly=True):
        async for row in streamed(session, _statement("served_addresses")):
            if ranges is None or ranges.lookup(row["address"], at) is not None:
                cases[row["case_id"]] = None
    return list(cases)


def _statement(name: str) -> str:
    return statements("services.cli", "providers.sql")[name]


# -- what is shown -------------------------------------------------------------------------------


def _show(change: ProposedChange, effect: Effect, *, accepted: bool, as_json: bool) -> None:
    lines, becomes = change.lines, change.becomes
    if as_json:
        print_json(
            {
                "difference": [line._asdict() for line in lines],
                "faults": becomes.faults,
                "unlisted": becomes.unlisted,
                "accepted": accepted and bool(lines),
                "events": len(effect.events),
                "cases": effect.cases,
                "cases_for_replay": effect.inexact,
            }
        )
        return
    for line in lines:
        click.echo(f"{line.sign} {line.subject}: {line.says}")
    for fault in becomes.faults:
        click.echo(f"{fault.severity}: {fault.text}", err=True)
    if becomes.unlisted:
        click.echo(
            f"{counted(becomes.unlisted, 'row')} of AS numbers of no provider left out", err=True
        )
    click.echo(_outcome(change.path, lines, effect, accepted))
    for case_id in effect.inexact[:_SHOWN]:
        click.echo(f"case {case_id} needs a replay under the new map", err=True)


def _outcome(path: Path, lines: Sequence[MapLine], effect: Effect, accepted: bool) -> str:
    if not lines:
        return "the map says all of it already"
    if not accepted:
        return (
            f"{counted(len(lines), 'line')} of difference; nothing was changed: --accept takes it"
        )
    stated = f"{counted(len(effect.events), 'statement')} about {counted(effect.cases, 'case')}"
    replay = f"; {counted(len(effect.inexact), 'case')} for a replay" if effect.inexact else ""
    return f"written: {path.name}; {stated} in the record{replay}"
