"""Helpers of all commands: settings, the event loop, tables, JSON, unreachable servers."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from schemas.errors import TakedownError
from services.cli.closed_output import output_closed
from services.cli.tables import layout, terminal_width
from services.core.instants import local

if TYPE_CHECKING:
    from services.runtime.settings import Settings

REFUSED = 4
UNREACHABLE = 3
# More than any ledger has, and what LIMIT takes.
_MOST_ROWS = 1_000_000_000
ROWS = click.IntRange(1, _MOST_ROWS)
ROWS_OR_ALL = click.IntRange(0, _MOST_ROWS)
"""How many rows are shown at most; 0 has a meaning of its own."""
CHECK_FAILED = 5

T = TypeVar("T")
Row = Mapping[str, object]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class Refused(TakedownError):
    """Some of the input can't be used."""

    exit_code = REFUSED


def now() -> datetime:
    """Read the clock: the shell's one place to do so."""
    return datetime.now(UTC)


def client_settings(*, database: bool = False, kafka: bool = False) -> "Settings":
    """Load the settings of a command with the addresses it needs; log warnings for people."""
    # A command that needs no server is not to wait for what the others load.
    from services.runtime import logging  # noqa: PLC0415
    from services.runtime.endpoints import connected  # noqa: PLC0415
    from services.runtime.settings import load  # noqa: PLC0415

    settings = load()
    quiet = msgspec.structs.replace(settings.log, format="console", level="warning")
    logging.configure(quiet)
    # A command says in one line that a server can't be reached; its client would say so in many.
    logging.silence("aiokafka")
    reachable = connected(settings, database=database, kafka=kafka)
    if kafka:
        _knock(reachable)
    return reachable


def _knock(settings: "Settings") -> None:
    """Check the Kafka login, so that a refusal is one line and not the client's many."""
    # Half a second of imports that only the commands with a Kafka have to pay.
    from consumers.client.login import check_login  # noqa: PLC0415
    from services.runtime.connections import kafka_connection  # noqa: PLC0415

    run_async(lambda: check_login(kafka_connection(settings)))


def run_async(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end on an event loop of its own."""
    import asyncio  # noqa: PLC0415

    import uvloop  # noqa: PLC0415

    results: list[T] = []

    async def keep() -> None:
        results.append(await work())

    # The runner's way with SIGINT writes the task out in full four times, its result included: a tenth of a second of
    # a table of some thousand rows.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(keep())
    return results[0]


def refused_value(error: BaseException) -> str | None:
    """Return the message for a value that Postgres can't take; the driver's own may quote it."""
    if type(error).__module__.partition(".")[0] != "asyncpg":
        return None
    from asyncpg import DataError  # noqa: PLC0415

    if not isinstance(error, DataError):
        return None
    return (
        f"Postgres takes no such value ({type(error).__name__}): a text, a number or a time that was given is beyond "
        "what it can store"
    )


def unreachable(error: BaseException) -> str | None:
    """Return the message for an error that means an unreachable server; never its address."""
    module = type(error).__module__.partition(".")[0]
    name = type(error).__name__
    if module in ("aiokafka", "asyncpg", "ssl") and (remedy := _advice(error)):
        return f"{remedy}; run `takedown doctor` for details"
    if module == "aiokafka":
        return f"Kafka cannot be used ({name}); run `takedown doctor` for details"
    if module == "asyncpg":
        return f"Postgres cannot be used ({name}); run `takedown doctor` for details"
    if isinstance(error, BrokenPipeError) and output_closed():
        return None  # our own reader has gone, no server
    if isinstance(error, (ConnectionError, TimeoutError)):
        return f"a server cannot be reached ({name}); run `takedown doctor` for details"
    return None


def _advice(error: BaseException) -> str | None:
    # Who has such an error has loaded the clients; nobody else is to wait for them.
    from services.runtime.advice import advice  # noqa: PLC0415

    return advice(error)


def print_json(value: object) -> None:
    """Print one JSON document, instants as RFC 3339."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_rows(
    rows: Iterable[Row], columns: Sequence[str], *, as_json: bool, zone: tzinfo = UTC
) -> None:
    """Print rows as a table for people, in whole lines where a terminal is narrow, or as a JSON array.

    `zone`: whose times people read; JSON is in UTC.
    """
    chosen = [{column: row[column] for column in columns} for row in rows]
    if as_json:
        print_json(chosen)
        return
    if not chosen:
        click.echo("none")
        return
    texts = [[cell(row[c], zone) for c in columns] for row in chosen]
    for line in layout(columns, texts, terminal_width()):
        click.echo(line)


def cell(value: object, zone: tzinfo = UTC) -> str:
    """Write one value for people, an instant as a clock of the zone shows it."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        shown = local(value, zone)
        return shown.strftime("%Y-%m-%d %H:%M:%S" + ("Z" if shown.tzinfo is UTC else " %Z"))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


class NotAgreed(TakedownError):
    """Nobody said yes to what can't be undone, and nothing was changed."""


def agreed(question: str) -> None:
    """Ask before what can't be undone; raises `NotAgreed` where the answer is no, or nobody is there to give one."""
    try:
        answer = click.confirm(question, err=True)
    except click.Abort as end:
        if isinstance(end.__context__, KeyboardInterrupt):
            raise
        click.echo(err=True)
        answer = False
    if not answer:
        raise NotAgreed("nothing was changed; --yes does it without a question")


def counted(number: int, noun: str) -> str:
    """Write a number with its noun, in the plural where it is due."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


async def wait_until(
    done: Callable[[], Awaitable[bool]], *, timeout_seconds: float, every_seconds: float = 0.2
) -> bool:
    """Poll a condition; return whether it became true in time."""
    import asyncio  # noqa: PLC0415

    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_seconds
    while not await done():
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(every_seconds)
    return True
