"""`takedown notices token` and `escalate`: what a notice needs to be known again, and a rung further."""

from typing import get_args

import click

from schemas.events import NoticeEscalated
from schemas.events_of_notices import Rung
from services.cli.acts import acting
from services.cli.case_views import CaseId
from services.cli.correct_command import correct, of_words
from services.cli.support import json_option, print_json
from services.notices.tokens import message_id, return_path, token
from services.runtime.keyfile import load_keyring
from services.runtime.settings import load


@click.command("token")
@click.argument("notice_id")
@click.option(
    "--address", help="Address that the notice is sent from. Default: TAKEDOWN_NOTICES_ADDRESS."
)
@json_option
def token_(notice_id: str, address: str | None, as_json: bool) -> None:
    """Make the token of a notice, with the return path and the Message-ID that hold it.

    A mail that comes back to that return path, or brings back that Message-ID, is known again whatever it says.
    """
    settings = load()
    name = token(load_keyring(settings).naming, notice_id)
    sender = address or settings.notices.address
    names = {"token": name}
    if sender is not None:
        names |= {"return_path": return_path(sender, name), "message_id": message_id(sender, name)}
    if as_json:
        print_json(names)
    for label, text in () if as_json else names.items():
        click.echo(f"{label:<12}{text}")


@click.command()
@click.argument("case_id", type=CaseId())
@click.option("--to", "rung", type=click.Choice(get_args(Rung)), required=True, help="Who is told.")
@click.option("--channel", default="email", show_default=True, help="How.")
@click.option("--notice", "notice_id", help="Notice that went unanswered.")
@acting("reason", "Reason; kept with the case.")
@click.option("--wait-seconds", type=click.FloatRange(min=0), default=60.0, show_default=True)
@json_option
def escalate(
    case_id: str,
    rung: Rung,
    channel: str,
    notice_id: str | None,
    actor: str,
    reason: str,
    wait_seconds: float,
    as_json: bool,
) -> None:
    """Record that somebody further was told of a case. It starts no clock.

    A notice that the police pass on to the provider is a notice of its own: submit it with the channel `police`.
    """
    fields = {"to": rung, "channel": channel, "notice_id": notice_id}
    data = of_words(fields | {"actor": actor, "reason": reason}, NoticeEscalated)
    correct(case_id, data, wait_seconds, as_json)
