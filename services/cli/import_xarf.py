"""`takedown import xarf`: abuse reports in XARF."""

from typing import Any, BinaryIO

import click

from services.cli.import_entries import Sending, run_import, sending_options
from services.intake.documents import documents
from services.intake.xarf import xarf_entries

SOURCE = "takedown:import:xarf"


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--historic", is_flag=True, help="Reports of the past: counted, and never looked at.")
@sending_options
def xarf(file: BinaryIO, historic: bool, as_json: bool, **options: Any) -> int:
    """Import reports in XARF, version 4 or 3, from FILE or from standard input (`-`).

    FILE holds one document, an array of them, or one a line. Only documents of the category `content` are reports of
    this monitor; others are refused with the reason, and the exit status is 4. Evidence and screenshots are passed
    over unread and counted; what a sender keeps for itself (`_internal`) goes nowhere.
    """
    sending = Sending(source=SOURCE, as_json=as_json, **options)
    settings = sending.settings()
    raw = file.read()
    return run_import(
        lambda: xarf_entries(documents(raw), historic=historic), sending, settings, {}, {}
    )
