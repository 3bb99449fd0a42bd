"""`takedown replay promote` and `back`: what the exchange stops is said before it is made."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import asyncpg
import click
from msgspec import Struct

from schemas.methodology import Methodology, shipped
from services.cli.acts import actor_option
from services.cli.replay_compare import methods_here
from services.cli.support import client_settings, json_option, now, print_json, run_async
from services.ledger.pool import connect
from services.ledger.queries import query
from services.ledger.shadow import schema
from services.ledger.shadow.promotion import Promoted, Promotion
from services.ledger.shadow.schema import BadReplay
from services.runtime.connections import database_connection
from services.runtime.endpoints import read_endpoints
from services.runtime.methods import methodology
from services.runtime.running_monitor import monitor_of, stop_monitor
from services.runtime.settings import Settings

T = TypeVar("T")
# A prober ends its looks, Kafka writes its log: some seconds on a machine that has nothing else to do.
_STOP_SECONDS = 90.0

_follow = click.option(
    "--follow-to-live",
    is_flag=True,
    help="First fold the events that the live ledger has received since, under its lock.",
)
_yes = click.option(
    "--yes",
    is_flag=True,
    help="Do it although another definition stops the roles that run.",
)


class NotConfirmed(BadReplay):
    """The exchange stops the running monitor, and nobody has said yes."""


class Preview(Struct, frozen=True, kw_only=True):
    """What an exchange means; `running`: the processes of `takedown up`; `set_to`: the setting that is due."""

    act: str
    name: str
    before: str | None
    after: str
    changes: bool
    running: tuple[str, ...]
    set_to: str

    def lines(self) -> list[str]:
        """Say it to people."""
        change = f"from {self.before or 'an empty ledger'} to {self.after}"
        if not self.changes:
            same = "the running ledger starts anew by itself; no other role stops"
            return [f"{self.act} {self.name}: {change}, one definition; {same}"]
        return [
            f"{self.act} {self.name}: {change}, another definition",
            f"  stops      {self._stops()}",
            f"  set        TAKEDOWN_METHODOLOGY={self.set_to} wherever a role starts",
            f"  then run   {self.next_command}",
        ]

    def _stops(self) -> str:
        if self.running:
            return f"{', '.join(self.running)}: all of this `takedown up`; nobody looks until it runs again"
        return "the ledger, and every `takedown up` that it is part of; restart the other roles too"

    @property
    def next_command(self) -> str:
        """The command that starts the monitor under the new definition."""
        return f"TAKEDOWN_METHODOLOGY={self.set_to} takedown up"


@click.command()
@click.argument("name")
@_follow
@_yes
@actor_option
@json_option
def promote(name: str, follow_to_live: bool, yes: bool, actor: str, as_json: bool) -> None:
    """Promote a replay to the live ledger, in one transaction; the previous ledger is kept as before_NAME.

    Refused if the live ledger has received events since the replay, unless --follow-to-live is given. What
    stops is said first. Under another methodology every role stops and --yes is needed: set
    TAKEDOWN_METHODOLOGY before starting them again.
    """
    _exchange("promote", schema.schema_of(name), (name, follow_to_live, actor), yes, as_json)


@click.command()
@click.argument("name")
@_follow
@_yes
@actor_option
@json_option
def back(name: str, follow_to_live: bool, yes: bool, actor: str, as_json: bool) -> None:
    """Undo a promotion: restore the ledger that NAME replaced; NAME becomes a replay again."""
    shadow = schema.schema_of(name, schema.BEFORE)
    _exchange("back", shadow, (name, follow_to_live, actor), yes, as_json)


def _exchange(act: str, shadow: str, how: tuple[str, bool, str], yes: bool, as_json: bool) -> None:
    settings = client_settings(database=True)
    name, follow, actor = how
    seen = run_async(lambda: _in_session(settings, lambda s: preview(s, settings, act, shadow)))
    if seen is not None:
        _confirm(seen, yes)

    async def work(session: asyncpg.Connection) -> Promoted:
        of_replays = [entry.identity.methodology for entry in await schema.entries(session)]
        promotion = Promotion(session, [*methods_here(settings), *of_replays], now())
        exchange = promotion.promote if act == "promote" else promotion.back
        return await exchange(name, follow=follow, actor=actor)

    _print(run_async(lambda: _in_session(settings, work)), as_json)
    if seen is not None and seen.changes:
        _stop_and_advise(settings.data_path, seen, err=as_json)


async def preview(
    session: asyncpg.Connection, settings: Settings, act: str, shadow: str
) -> Preview | None:
    """Say what an exchange with this shadow means; None where there is none of that name."""
    entry = await schema.find(session, shadow)
    if entry is None:
        return None
    live, after = await session.fetchrow(query("methodology")), entry.identity.methodology
    endpoints = read_endpoints(settings.data_path)
    return Preview(
        act=act,
        name=entry.name,
        before=None if live is None else f"{live['id']} version {live['version']}",
        after=f"{after.id} version {after.version}",
        changes=live is not None and live["digest"] != after.digest,
        running=tuple(endpoints.http) if endpoints else (),
        set_to=setting_of(after, settings.methodology, [*shipped().values()]),
    )


def setting_of(method: Methodology, configured: str, offered: Sequence[Methodology]) -> str:
    """Give the value of TAKEDOWN_METHODOLOGY that means a definition."""
    if methodology(configured).digest == method.digest:
        return configured
    if any(one.digest == method.digest for one in offered):
        return method.id
    return f"<the file of {method.id} version {method.version}>"


def _confirm(seen: Preview, yes: bool) -> None:
    """Say what stops; ask where it stops more than a moment, and somebody is there to answer."""
    for line in seen.lines():
        click.echo(line, err=True)
    if not seen.changes or yes:
        return
    if not sys.stdin.isatty():
        raise NotConfirmed("nothing was changed; --yes does it")
    click.confirm("Do it now?", abort=True, err=True)


def _print(done: Promoted, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    click.echo(f"{done.name} and the live ledger were exchanged")
    click.echo(f"the previous ledger is in {done.before}")
    click.echo(
        f"{done.followed:,} cases were brought up to date, {done.announcements:,} records publish the changes"
    )


def _stop_and_advise(data: Path, seen: Preview, *, err: bool) -> None:
    """Stop the monitor of this machine, which without an event would run on for hours, and name the next command."""
    running = monitor_of(data)
    if running is None:
        advice = "the roles that ran have stopped or must be stopped; now run:"
    else:
        most = f"at most {_STOP_SECONDS:g} s"
        click.echo(f"waiting until `takedown up` (process {running}) has stopped, {most}", err=True)
        gone = run_async(lambda: stop_monitor(data, running, _STOP_SECONDS))
        advice = "`takedown up` has stopped; now run:" if gone else _still_runs(running)
    click.echo(f"{advice} {seen.next_command}", err=err)


def _still_runs(process: int) -> str:
    return f"`takedown up` (process {process}) still runs: stop it, and then run:"


async def _in_session(settings: Settings, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    session = await connect(database_connection(settings))
    try:
        return await work(session)
    finally:
        async with asyncio.timeout(10):
            await session.close()
