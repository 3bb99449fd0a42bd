"""`takedown case list`: what can still be done first, with the filters that a duty officer needs."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TextIO

import click

from schemas.methodology import Methodology
from schemas.near_names import nearest
from schemas.sqlfiles import statements
from services.cli.instant_options import Duration, Since
from services.cli.live_method import settings_of_ledger
from services.cli.support import (
    ROWS_OR_ALL,
    client_settings,
    counted,
    json_option,
    now,
    print_json,
    print_rows,
    run_async,
)
from services.core.machines import Clock, Presence
from services.ledger.pool import DatabaseConnection, session_of
from services.runtime.connections import database_connection
from services.runtime.methods import methodology, reading_zone
from services.runtime.settings import Settings

_LIST = (
    "case_id",
    "category",
    "provider",
    "presence",
    "clock",
    "deadline",
    "left",
    "known_online_at",
    "removed_upper",
)

Rows = list[Mapping[str, Any]]


@click.command("list")
@click.option("--provider", help="Only cases whose open or last spell is at this provider.")
@click.option(
    "--clock",
    type=click.Choice([c.value for c in Clock], case_sensitive=False),
    help="Only cases whose clock has this state.",
)
@click.option(
    "--presence",
    type=click.Choice([p.value for p in Presence], case_sensitive=False),
    help="Only cases whose presence has this state.",
)
@click.option("--category", help="Only cases of this category.")
@click.option(
    "--due-within", type=Duration(), help="Only clocks that run out within this time: 2h."
)
@click.option(
    "--breached-since",
    type=Since(),
    help="Only certain breaches since then: 24h, a date, or an instant; every spell of a case.",
)
@click.option(
    "--undecided", is_flag=True, help="Only spells past their deadline of which nobody can say."
)
@click.option("--returned", is_flag=True, help="Only what is online again: --presence returned.")
@click.option(
    "--limit",
    type=ROWS_OR_ALL,
    default=50,
    show_default=True,
    help="Maximum number of cases; 0: all.",
)
@click.option(
    "--csv",
    "sheet",
    type=click.File("w", encoding="utf-8"),
    help="Write all columns as CSV; `-`: to standard output.",
)
@json_option
def list_(as_json: bool, limit: int, sheet: TextIO | None, returned: bool, **chosen: Any) -> None:
    """List cases: running clocks by their deadline, then what ran out unseen, then history, the newest first.

    Filters may be combined. `left` is the time to the deadline. Standard error has the number of cases left out.
    """
    here, at = client_settings(database=True), now()
    settings = run_async(lambda: settings_of_ledger(here, reader(here)))
    if returned:
        chosen["presence"] = Presence.RETURNED.value
    arguments = filters(chosen, methodology(settings.methodology), at)
    rows = run_async(lambda: listed(reader(settings), arguments, limit, at))
    columns = [name for name in rows[0] if name != "cases"] if rows else list(_LIST)
    if sheet is not None:
        write_sheet(sheet, columns, rows)
        click.echo(f"{counted(len(rows), 'case')} written as CSV", err=True)
    elif as_json:
        print_rows(rows, columns, as_json=True) if rows else print_json([])
    else:
        print_rows(rows, _LIST, as_json=False, zone=reading_zone(settings))
    _left_out(rows)
    if not rows:
        run_async(lambda: _say_unknown(reader(settings), chosen))


async def _say_unknown(connection: DatabaseConnection, chosen: Mapping[str, Any]) -> None:
    """Name what the ledger does not have at all: an empty list of a mistyped provider looks like good news."""
    for kind, statement in (("provider", "known_providers"), ("category", "known_categories")):
        name = chosen[kind]
        if name is None:
            continue
        names = [row[kind] for row in await fetch(connection, statement)]
        if name not in names:
            near = nearest(name, names)
            meant = f" (did you mean `{near}`?)" if near else ""
            click.echo(f"note: no case has the {kind} `{name}`{meant}", err=True)


def filters(chosen: Mapping[str, Any], method: Methodology, at: datetime) -> tuple[Any, ...]:
    """Give the arguments of `list_cases`, but for the limit."""
    since = chosen["breached_since"]
    return (
        *(chosen[name] for name in ("provider", "clock", "presence", "category", "due_within")),
        at,
        at - since if isinstance(since, timedelta) else since,
        chosen["undecided"],
        list(method.exclude),
    )


async def listed(
    connection: DatabaseConnection, arguments: Sequence[Any], limit: int, at: datetime
) -> Rows:
    """Read the rows, each with the time that is left; `cases` counts those that the limit leaves out too."""
    *conditions, exclude = arguments
    rows = await fetch(connection, "list_cases", *conditions, limit or None, exclude)
    return [{**row, "left": left_of(row, at)} for row in rows]


def left_of(row: Mapping[str, Any], at: datetime) -> str | None:
    """Say how long a running clock has still to run, or for how long nobody has seen what it came to."""
    if row["clock"] != Clock.RUNNING or row["deadline"] is None:
        return None
    left = row["deadline"] - at
    return span(left) if left > timedelta() else f"{span(-left)} overdue"


def span(length: timedelta) -> str:
    """Write a length of time in its two largest units."""
    minutes = int(length.total_seconds() // 60)
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60:02d} min" if hours else f"{minutes} min"


def write_sheet(sheet: TextIO, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as CSV, instants as RFC 3339."""
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row[name]) for name in columns] for row in rows)


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return "" if value is None else value


def _left_out(rows: Rows) -> None:
    if rows and (hidden := rows[0]["cases"] - len(rows)):
        more = "is 1 more case" if hidden == 1 else f"are {hidden:,} more cases"
        click.echo(f"there {more}; --limit 0 lists all, --help names filters", err=True)


async def fetch(
    connection: DatabaseConnection, name: str, *arguments: object
) -> list[Mapping[str, Any]]:
    """Run one of the named statements on a connection of its own."""
    async with session_of(connection) as session:
        return [
            dict(row)
            for row in await session.fetch(statements("services.cli", "case.sql")[name], *arguments)
        ]


def reader(settings: Settings | None = None) -> DatabaseConnection:
    """Give the connection of who may only read, and no sealed column."""
    return database_connection(settings or client_settings(database=True), "takedown_reader")
