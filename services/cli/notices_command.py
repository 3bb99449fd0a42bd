"""`takedown notices`: what became of our notices, and the mails that say so."""

import click

from services.cli.lazy_group import LazyGroup

COMMANDS = {
    "token": (
        "services.cli.notices_acts:token_",
        "Make the token of a notice, with the return path and the Message-ID that hold it.",
    ),
    "ingest": (
        "services.cli.notices_ingest:ingest",
        "Turn bounces, complaints, answers and receipts of a mailbox into events.",
    ),
    "status": (
        "services.cli.notices_views:status",
        "Show each provider's channels: fates of notices, waiting cases, what a channel carries.",
    ),
    "failed": (
        "services.cli.notices_views:failed",
        "List notices that started no clock, with the reason and whose fault it is.",
    ),
    "contacts": (
        "services.cli.notices_contacts:contacts",
        "Show contacts with their history of bounces: which work, which are stale or placeholders.",
    ),
    "contact": (
        "services.cli.notices_contacts:contact",
        "Show what became of every notice to one contact.",
    ),
    "due": (
        "services.cli.notices_views:due_",
        "List cases that are still online and whose next rung is due.",
    ),
    "escalations": (
        "services.cli.notices_views:escalations",
        "List who was told of which case, and when.",
    ),
    "escalate": (
        "services.cli.notices_acts:escalate",
        "Record that somebody further was told of a case.",
    ),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def command() -> None:
    """Show what became of notices, and read the mails that say so."""
