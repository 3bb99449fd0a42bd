"""Mails among the dead letters, read again: a notice that was not known then may be in the ledger by now."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from msgspec import Struct

from consumers.record.deadletter import DeadLetter
from consumers.record.mail_letters import mark_mails
from schemas.events import Event
from services.cli.notices_ingest import judge, load_register, send_events
from services.cli.support import client_settings, now, run_async
from services.notices.mail_sources import Mail
from services.runtime.connections import database_connection, kafka_connection

# As long as retention keeps a dead letter at most, and the notice that it means before that.
_DAYS = 800


class MailsAgain(Struct):
    """The mails that could be used, and those that still can't be."""

    used: list[DeadLetter] = []
    unusable: list[DeadLetter] = []


def read_again(letters: Sequence[DeadLetter], wait_seconds: float | None) -> MailsAgain:
    """Read mails again, send what they say, and mark those that said something."""
    again = MailsAgain()
    if not letters:
        return again
    settings, at = client_settings(kafka=True, database=True), now()
    connection = database_connection(settings, "takedown_reader")
    since = at - timedelta(days=_DAYS)
    register = run_async(partial(load_register, settings, connection, since))
    events: dict[tuple[str, str], Event] = {}
    for letter in letters:
        report, statements = judge(Mail(letter.id, letter.value or b""), register, at)
        events |= {(event.case_id, str(event.id)): event for event in statements}
        (again.unusable if report.problem else again.used).append(letter)
    send_events(settings, list(events.values()), wait_seconds)
    # Marked only now: whoever is killed before that sends the same events once more, which adds nothing.
    if again.used:
        kafka = kafka_connection(settings, "takedown-notices")
        run_async(partial(mark_mails, kafka, again.used, now))
    return again
