"""`takedown import tco`: removal orders for terrorist content."""

from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import click

from services.cli.hoster_option import hosters_of, providers_option
from services.cli.import_entries import Sending, run_import, sending_options
from services.cli.reconcile_command import Zone
from services.intake.documents import documents
from services.intake.removal_orders import order_entries

SOURCE = "takedown:import:tco"


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--zone", type=Zone(), help="Time zone of times without an offset, and of dates.")
@providers_option(required=False)
@sending_options
def tco(
    file: BinaryIO, zone: ZoneInfo | None, providers: Path | None, as_json: bool, **options: Any
) -> int:
    """Import removal orders for terrorist content (Regulation (EU) 2021/784), from FILE or standard input (`-`).

    FILE holds one order as JSON, an array of them, or one a line; docs/reports-in.md has the fields. Each URL is a
    report of the category `terrorist`, a notice, and its delivery at `received_at`, from which the hour runs
    (methodology `terrorist-1h`). An order without it starts no clock; import it again once the receipt is known.
    """
    sending = Sending(source=SOURCE, as_json=as_json, **options)
    settings = sending.settings()
    raw, hosters = file.read(), hosters_of(providers)
    return run_import(
        lambda: order_entries(documents(raw), zone, hosters), sending, settings, {}, {}
    )
