"""`takedown up`: start everything on this machine, until Ctrl-C."""

import asyncio
import os
import re
import sys

import click
import msgspec
import structlog

from consumers.client.outages import is_transient
from schemas.errors import TakedownError
from services.cli.support import run_async
from services.runtime import logging
from services.runtime.advice import advice
from services.runtime.installation import Installation, Interrupt
from services.runtime.roles import ROLES, refusals
from services.runtime.settings import Settings, load
from services.runtime.situation import Situation

log = structlog.get_logger(__name__)

_AGAIN_SECONDS = 2.0
_TOLD_IN_PROSE = ("services", "consumers", "aiokafka")
_PASSWORD = re.compile(r"((?:^|&)(?:ssl)?password=)[^&]*", re.I)


@click.command()
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(ROLES),
    help="Run only this role; repeatable. Default: all roles that are configured.",
)
@click.option(
    "--offline",
    is_flag=True,
    help="Do not download Kafka's jars; fail if they are not in the cache.",
)
def command(roles: tuple[str, ...], offline: bool) -> int:
    """Start everything: servers that are not configured, keys, topics, schema, and all roles.

    Runs until Ctrl-C or SIGTERM, then stops in order; a second start finds its data again. Servers and
    roles that end are started again; what only a person can mend ends it, with what to do. Other commands
    of the same user find it by the data directory (TAKEDOWN_DATA_DIR).
    """
    settings = load()
    _log(settings)
    return run_async(lambda: _up(settings, roles, offline))


def _log(settings: Settings) -> None:
    """Log unexpected errors only; what happens to servers and roles is printed in prose.

    With TAKEDOWN_LOG_LEVEL=debug both are shown. The roles' own logs are files in the data directory.
    """
    everything = settings.log.level == "debug"
    shown = "info" if everything else "error"
    format_ = "console" if sys.stderr.isatty() else settings.log.format
    logging.configure(msgspec.structs.replace(settings.log, level=shown, format=format_))
    for name in () if everything else _TOLD_IN_PROSE:
        logging.silence(name)


async def _up(settings: Settings, roles: tuple[str, ...], offline: bool) -> int:
    task = asyncio.current_task()
    assert task is not None
    interrupt = Interrupt(task)
    interrupt.install()
    try:
        while True:
            await _live(Installation(settings, roles or None, fetch=not offline, say=_say))
            await asyncio.sleep(_AGAIN_SECONDS)
    except asyncio.CancelledError:
        if not interrupt.requested:
            raise
    _say("stopped")
    return 0


async def _live(installation: Installation) -> None:
    """Run an installation; returns where another attempt may do better, raises what a person has to mend."""
    try:
        async with installation:
            situation = Situation(installation.children.waiting, _say)
            await installation.unless_failed(situation.ready())
            _introduce(installation)
            await installation.unless_failed(situation.follow())
    except Exception as error:
        by_hand = isinstance(error, TakedownError) or advice(error) is not None
        if by_hand and not is_transient(error):
            raise
        log.error("up.failed", error=type(error).__name__, exc_info=error)
        _say(f"{type(error).__name__}: starting again in {_AGAIN_SECONDS:g} s")


def _say(line: str) -> None:
    try:
        click.echo(line, err=True)
    except OSError:
        # The terminal is gone: that stops the monitor, and must break neither the stop nor its status. What Python
        # could not write it writes again at its end, and fails for that.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stderr.fileno())
        os.close(nowhere)


def _introduce(installation: Installation) -> None:
    """Print where everything is; the database's address without its password."""
    settings = installation.settings
    lines = [
        f"Kafka       {installation.bootstrap_servers}",
        f"PostgreSQL  {without_password(installation.dsn)}",
        f"data        {settings.data_path}",
        f"keys        {installation.keys_file}",
        f"logs        {settings.data_path / 'logs'}",
    ]
    host = settings.http.host
    lines += [
        f"{name:<12}http://{host}:{port}/metrics" for name, port in installation.ports.items()
    ]
    if "intake" in installation.ports:
        intake = settings.intake
        lines.append(f"reports     http://{intake.host}:{intake.port}/v1/openapi.json")
    lines += [f"note: {text}" for text in refusals(settings)]
    click.echo("\n".join(lines))
    click.echo(
        "ready; Ctrl-C stops it. In another terminal: takedown status, submit, case, report, doctor"
    )


def without_password(dsn: str) -> str:
    """Leave the password out of an address."""
    scheme, _, rest = dsn.partition("://")
    front, mark, query = rest.partition("?")
    user_part, at, where = front.rpartition("@")
    shown = _PASSWORD.sub(r"\1***", query)
    return f"{scheme}://{user_part.partition(':')[0]}{at}{where}{mark}{shown}"
