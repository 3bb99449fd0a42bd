"""`takedown evidence`: everything that one provider is told, signed; and the check of such a pack."""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

import asyncpg
import click

from schemas.errors import ConfigError, TakedownError
from services.cli.acts import Words, actor_option
from services.cli.case_list import fetch
from services.cli.defaults import DefaultGroup
from services.cli.instant_options import Instant
from services.cli.support import (
    client_settings,
    counted,
    json_option,
    now,
    print_json,
    run_async,
)
from services.ledger import audit
from services.ledger.pool import DatabaseConnection, session_of
from services.reports.evidence_case import Scope
from services.reports.evidence_log import concerns_any, evidence
from services.reports.evidence_pack import Operator, Pack, PackWriter
from services.reports.evidence_seal import read_public, write_zip
from services.reports.evidence_seal import verify as verify_pack
from services.runtime.connections import database_connection
from services.runtime.methods import methodology
from services.runtime.redaction import redact
from services.runtime.signing import load_signing_key, signing_path


class NoProvider(TakedownError):
    """No case concerns such a provider."""


@click.group(cls=DefaultGroup, default="export")
def command() -> None:
    """Write the signed evidence pack of a provider, or verify one.

    `takedown evidence PROVIDER --out pack.zip` writes one, and
    `takedown evidence verify pack.zip --public-key operator.pem` verifies it.
    """


@command.command()
@click.argument("provider")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="New directory, or a .zip file."
)
@click.option(
    "--from",
    "since",
    type=Instant(),
    help="Only spells whose clock started at or after this instant.",
)
@click.option(
    "--to", "until", type=Instant(), help="Only spells whose clock started before this instant."
)
@click.option("--cutoff", type=Instant(), help="Use evidence up to this instant. Default: now.")
@click.option(
    "--methodology", "name", help="Methodology to fold under. Default: TAKEDOWN_METHODOLOGY."
)
@click.option(
    "--purpose", type=Words(), help="Purpose; kept in the audit log. Default: right of reply."
)
@actor_option
@json_option
def export(
    provider: str,
    out: Path,
    since: datetime | None,
    until: datetime | None,
    cutoff: datetime | None,
    name: str | None,
    purpose: str | None,
    actor: str,
    as_json: bool,
) -> None:
    """Write all notices, looks, states and reasons of the cases at PROVIDER, as case ids, never a URL.

    The same evidence, methodology and cut-off give the same bytes. Recorded in the audit log first.
    """
    settings = client_settings(database=True)
    scope = Scope(
        provider=provider,
        methodology=methodology(name or settings.methodology),
        cutoff=cutoff or now(),
        since=since,
        until=until,
    )
    key = load_signing_key(signing_path(settings))
    operator = Operator(name=settings.probe.operator, contact=settings.probe.contact)
    connection = database_connection(settings, "takedown_ledger")
    why = f"evidence pack for {provider}: {purpose or 'right of reply'}"
    pack = _place(
        out,
        lambda folder: run_async(lambda: write(connection, folder, scope, actor, why)).finish(
            key, operator
        ),
    )
    if as_json:
        print_json(pack)
        return
    figures = pack.figures
    click.echo(
        f"{out}: {counted(figures.cases, 'case')}, {counted(figures.rows['looks'], 'look')}, cut-off {pack.cutoff}"
    )
    if not figures.cases:
        click.echo("no case of this provider lies in this period", err=True)


async def write(
    connection: DatabaseConnection, folder: Path, scope: Scope, actor: str, why: str
) -> PackWriter:
    """Record the act, then write the tables of a pack into an empty folder."""
    async with session_of(connection) as session:
        await require_known(session, connection, scope.provider)
        await audit.record(session, actor, "evidence", None, why)
        with PackWriter(folder, scope, lru_cache(maxsize=10_000)(redact)) as writer:
            await _tables(session, writer, scope)
        return writer


async def require_known(
    session: asyncpg.Connection, connection: DatabaseConnection, provider: str
) -> None:
    """Refuse a provider that no case concerns; raises `NoProvider`."""
    if not await concerns_any(session, provider):
        raise NoProvider(_unknown(provider, await fetch(connection, "known_providers")))


def _unknown(provider: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the message for a provider without cases, with the nearest names."""
    names = [row["provider"] for row in rows]
    near = get_close_matches(provider, names, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {_some(names)}"
    return f"no case concerns a provider {provider}; {hint}"


def _some(names: Sequence[str], most: int = 10) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "none so far") + more


async def _tables(session: asyncpg.Connection, writer: PackWriter, scope: Scope) -> None:
    async for case in evidence(session, scope.provider, scope.cutoff):
        writer.add(case)


def _place(out: Path, make: Callable[[Path], Pack]) -> Pack:
    """Make a pack beside where it shall be, and put it there whole or not at all."""
    if out.exists():
        raise ConfigError(
            f"{out} exists; a pack is never overwritten: give a new directory or .zip"
        )
    if not out.parent.is_dir():
        raise ConfigError(f"the directory {out.parent} does not exist")
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        folder = Path(scratch) / "pack"
        folder.mkdir(mode=0o700)
        pack = make(folder)
        if out.suffix == ".zip":
            with tempfile.NamedTemporaryFile(dir=scratch, delete=False) as file:
                write_zip(folder, file)
            Path(file.name).rename(out)
        else:
            shutil.move(folder, out)
    return pack


@command.command()
@click.argument("pack", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--public-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="Public key of the operator (PEM), obtained separately from the pack.",
)
@json_option
def verify(pack: Path, public_key: Path, as_json: bool) -> None:
    """Verify a pack against its signature; exit status 5 if anything was changed. Needs no settings."""
    result = verify_pack(pack, read_public(public_key.read_bytes()))
    if as_json:
        print_json(result)
    else:
        click.echo(f"{len(result.files)} files as signed by key {result.key}")
