"""`takedown case`: look at cases. No command but `reveal` ever shows a URL."""

import click

from services.cli.lazy_group import LazyGroup

COMMANDS = {
    "id": (
        "services.cli.case_id:id_",
        "Read URLs from standard input, one a line, and print the case id of each.",
    ),
    "list": (
        "services.cli.case_list:list_",
        "List cases: running clocks by their deadline, then what ran out unseen, then history, the newest first.",
    ),
    "reveal": (
        "services.cli.case_views:reveal",
        "Open the sealed URL of a case; this is recorded in the audit log first.",
    ),
    "show": (
        "services.cli.case_views:show",
        "Show a case's spells, notices, escalations, transitions, corrections, claims and newest looks, never its URL.",
    ),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def command() -> None:
    """Show cases. Only `reveal` ever shows a URL."""
