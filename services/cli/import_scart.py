"""`takedown import scart`: exports of the hotlines' case system."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from services.cli.hoster_option import FILE, hosters_of, providers_option
from services.cli.import_entries import Sending, run_import, sending_options
from services.cli.known_references import cases_of
from services.cli.reconcile_command import Zone
from services.intake.scart import columns_of, file_numbers, read_export, read_table

SOURCE = "takedown:import:scart"


@click.command()
@click.argument("file", type=FILE)
@click.option(
    "--zone",
    type=Zone(),
    required=True,
    help="Time zone of the wall-clock times in the export, for example Europe/Amsterdam.",
)
@providers_option(required=True)
@click.option("--historic", is_flag=True, help="Reports of the past: counted, and never looked at.")
@sending_options
def scart(
    file: Path, zone: ZoneInfo, providers: Path, historic: bool, as_json: bool, **options: Any
) -> int:
    """Import a CSV export of SCART: reports, first notices, and its own status as claims.

    The dialect is told by header and form, columns are found by their names. A row that can't be used is refused
    alone: its line and the reason are shown, the others are sent, and the exit status is 4.
    An export without URLs adds first notices to cases that the ledger has under their file numbers.
    An empty time of the first notice is no notice known; "offline" is a claim and never a removal.
    """
    sending = Sending(source=SOURCE, as_json=as_json, **options)
    settings = sending.settings(ledger=True)
    table = read_table(file.read_bytes().decode("utf-8", "surrogateescape"))
    hosters = hosters_of(providers)
    cases = {} if sending.dry_run else cases_of(settings, file_numbers(table), "scart:%")
    more = {
        "dialect": table.dialect,
        "unknown_columns": list(columns_of(table).unknown),
    }
    return run_import(
        lambda: read_export(table, zone, hosters, reported=cases, historic=historic),
        sending,
        settings,
        cases,
        more,
    )
