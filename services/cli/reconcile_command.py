"""`takedown reconcile`: our notices against a provider's own list of them."""

import csv
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from services.cli.evidence_command import require_known
from services.cli.instant_options import Duration, Instant
from services.cli.list_layouts import CHOICES, layout_of, store_layout, stored_layout
from services.cli.support import (
    CHECK_FAILED,
    REFUSED,
    client_settings,
    counted,
    json_option,
    now,
    print_json,
    print_rows,
    run_async,
)
from services.ledger.pool import DatabaseConnection, session_of
from services.reports.evidence_case import Scope
from services.reports.evidence_log import evidence
from services.reports.reconcile import Detail, Ours, Reconciliation, our_side, reconcile
from services.reports.reconcile_list import read_list
from services.runtime.connections import database_connection
from services.runtime.methods import methodology
from services.runtime.redaction import redact

_SHOWN = 50
_COLUMNS = ("status", "line", "notice_id", "case_id", "field", "ours", "theirs", "note")


class Zone(click.ParamType[ZoneInfo]):
    """A time zone by its name."""

    name = "zone"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> ZoneInfo:
        """Find a zone."""
        try:
            return ZoneInfo(str(value))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.fail("give the name of a zone, such as UTC or Europe/Amsterdam", param, ctx)


@click.command()
@click.argument("provider")
@click.argument("list_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--tolerance", type=Duration(), default="15m", show_default=True)
@click.option(
    "--zone", type=Zone(), help="Time zone of dates without one, for example Europe/Amsterdam."
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="OURS=THEIRS",
    help="The provider's name of a column: --column notice_id='Ticket no'; repeatable.",
)
@click.option(
    "--date-format",
    "date_formats",
    multiple=True,
    help="Form of its dates: dd-mm-yyyy HH:MM, a pattern of strptime, or excel for a spreadsheet's numbers.",
)
@click.option(
    "--delimiter", type=click.Choice(list(CHOICES)), help="Default: what the header has most of."
)
@click.option(
    "--save-mapping",
    is_flag=True,
    help="Keep columns, dates, delimiter and zone for the next list of this provider.",
)
@click.option("--from", "since", type=Instant(), help="First instant that the list covers.")
@click.option("--to", "until", type=Instant(), help="Last instant that the list covers.")
@click.option("--cutoff", type=Instant(), help="Use evidence up to this instant. Default: now.")
@click.option(
    "--methodology",
    "name",
    help="Methodology that confirms removals. Default: TAKEDOWN_METHODOLOGY.",
)
@click.option(
    "--csv",
    "sheet",
    type=click.File("w", encoding="utf-8"),
    help="Write the details as CSV; `-`: to standard output.",
)
@click.option("--all", "show_all", is_flag=True, help="Show all details, matches included.")
@json_option
def command(
    provider: str,
    list_file: Path,
    tolerance: timedelta,
    zone: ZoneInfo | None,
    columns: tuple[str, ...],
    date_formats: tuple[str, ...],
    delimiter: str | None,
    save_mapping: bool,
    since: datetime | None,
    until: datetime | None,
    cutoff: datetime | None,
    name: str | None,
    sheet: TextIO | None,
    show_all: bool,
    as_json: bool,
) -> int:
    """Compare our notices to PROVIDER with its own list: matches, entries missing on either side, differing dates.

    LIST_FILE is a CSV with a header: notice_id, reference (ours) or case_id; received_at; removed_at.
    A list in a form of the provider's own is read with --column, --date-format, --delimiter and --zone, which
    --save-mapping keeps in the data directory. Exit status 4 if a row cannot be read, 5 if the two sides differ.
    """
    settings = client_settings(database=True)
    # Undecodable bytes are kept as surrogates, so that only their own rows are refused.
    layout = layout_of(
        stored_layout(settings, provider),
        columns,
        date_formats,
        delimiter,
        zone.key if zone else None,
    )
    with list_file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        theirs = read_list(file, ZoneInfo(layout.zone) if layout.zone else None, layout)
    if save_mapping:
        click.echo(f"kept in {store_layout(settings, provider, layout)}", err=True)
    scope = Scope(
        provider=provider,
        methodology=methodology(name or settings.methodology),
        cutoff=cutoff or now(),
        since=since,
        until=until,
    )
    connection = database_connection(settings, "takedown_ledger")
    ours = run_async(lambda: read_ours(connection, scope))
    result = reconcile(ours, theirs, scope, tolerance, redact)
    if sheet is not None:
        write_details(sheet, result)
    if as_json:
        print_json(result)
    elif sheet is None or sheet.name != "-":
        _print(result, show_all)
    if result.malformed:
        return REFUSED
    return 0 if result.agrees else CHECK_FAILED


async def read_ours(connection: DatabaseConnection, scope: Scope) -> list[Ours]:
    """Read our side from the log."""
    async with session_of(connection) as session:
        await require_known(session, connection, scope.provider)
        ours: list[Ours] = []
        async for case in evidence(session, scope.provider, scope.cutoff):
            ours += our_side(case, scope)
        return ours


def write_details(sheet: TextIO, result: Reconciliation) -> None:
    """Write every detail as CSV."""
    columns = Detail.__struct_fields__
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(getattr(d, c)) for c in columns] for d in result.details)


def _cell(value: object) -> object:
    """A provider's own words may not become a formula in somebody's spreadsheet."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value


def _print(result: Reconciliation, show_all: bool) -> None:
    click.echo(
        f"theirs: {counted(result.rows, 'row')} = {result.matched} matched, {result.repeated} repeated, "
        f"{result.only_theirs} only there, {result.malformed} unreadable"
    )
    click.echo(
        f"ours:   {counted(result.ours, 'notice')} = {result.ours_matched} matched, "
        f"{result.ours_unreadable} named in unreadable rows, {result.only_ours} only here"
    )
    click.echo(
        f"differing dates: {counted(result.differing, 'row')}, beyond {result.tolerance_seconds:g} s"
    )
    agreeing = ("matched", "repeated")
    details = [d for d in result.details if show_all or d.status not in agreeing]
    shown = details if show_all else details[:_SHOWN]
    if shown:
        click.echo()
        print_rows([_row(detail) for detail in shown], _COLUMNS, as_json=False)
    if len(shown) < len(details):
        click.echo(f"{len(details) - len(shown)} more; --all or --csv shows them", err=True)


def _row(detail: Detail) -> dict[str, object]:
    return {name: getattr(detail, name) for name in _COLUMNS}
