"""`takedown notices contacts` and `contact`: what became of the notices to each contact, with dates."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args

import click
from msgspec import convert, to_builtins

from services.attribution.mailboxes import Placeholders
from services.attribution.providermap import ProviderMap
from services.cli.notices_views import days_option, fetch, provider_option
from services.cli.support import (
    REFUSED,
    client_settings,
    json_option,
    now,
    print_json,
    print_rows,
    run_async,
)
from services.notices.contact_history import (
    ContactHistory,
    ContactNotice,
    ContactState,
    by_contact,
    contact_history,
    events_of_contact,
)
from services.notices.correlation import contact_key
from services.runtime.attributing import placeholder_list
from services.runtime.connections import database_connection
from services.runtime.methods import reading_zone
from services.runtime.settings import Settings

_COLUMNS = (
    "provider", "contact", "state", "stale_since", "notices", "arrived", "bounced", "in_a_row", "last_sent",
    "last_arrival", "last_bounce", "reason", "fault",
)  # fmt: skip
_EVENT = ("at", "provider", "notice_id", "what", "reason", "fault", "status")
_TROUBLE = frozenset({"stale", "placeholder", "bouncing"})


@click.command()
@provider_option
@days_option
@click.option("--state", type=click.Choice(get_args(ContactState)), help="Only these.")
@json_option
def contacts(provider: str | None, days: int, state: str | None, as_json: bool) -> None:
    """Show the contacts that notices went to, or that the provider map names, with their history of bounces.

    `stale`: nobody reads there any more, by its last bounces; `placeholder`: nobody ever did. A failure by our fault,
    or on the way, never counts. Contacts in trouble stand first.
    """
    settings = client_settings(database=True)
    notices = _notices(settings, now() - timedelta(days=days), provider)
    histories = _histories(notices, _mapped(settings, provider, now()), settings)
    rows = [one for one in histories if state in (None, one.state)]
    if as_json:
        print_json(rows)
        return
    shown = [to_builtins(row, builtin_types=(datetime,)) for row in rows]
    print_rows(shown, _COLUMNS, as_json=False, zone=reading_zone(settings))


@click.command()
@click.argument("address")
@days_option
@json_option
def contact(address: str, days: int, as_json: bool) -> int:
    """Show what became of every notice to one contact, by time. The exit status is 4 if none went there."""
    settings = client_settings(database=True)
    notices = _notices(settings, now() - timedelta(days=days), None)
    name = contact_key(address)
    rows = [
        {"provider": provider, **to_builtins(event, builtin_types=(datetime,))}
        for (provider, key), mine in by_contact(notices).items()
        if key == name
        for event in events_of_contact(mine)
    ]
    print_rows(rows, _EVENT, as_json=as_json, zone=reading_zone(settings))
    return 0 if rows else REFUSED


def _notices(settings: Settings, since: datetime, provider: str | None) -> list[ContactNotice]:
    connection = database_connection(settings, "takedown_reader")
    rows = run_async(lambda: fetch(connection, "contact_notices", since, provider))
    return convert(rows, list[ContactNotice])


def _mapped(settings: Settings, provider: str | None, at: datetime) -> Iterable[tuple[str, str]]:
    """Give the e-mail contacts that the provider map names now."""
    if settings.provider_map is None:
        return
    for one in ProviderMap.load(Path(settings.provider_map)).providers.values():
        for entry in one.contact if provider in (None, one.id) else ():
            if entry.holds_at(at) and entry.channel == "email":
                yield one.id, entry.address


def _histories(
    notices: Iterable[ContactNotice], mapped: Iterable[tuple[str, str]], settings: Settings
) -> list[ContactHistory]:
    listed, day = by_contact(notices), now().date()
    placeholders: Placeholders = placeholder_list(settings)
    for provider, address in mapped:
        listed.setdefault((provider, contact_key(address)), [])
    histories = [
        contact_history(provider, key, mine, placeholder=placeholders.holds(key, day))
        for (provider, key), mine in listed.items()
    ]
    return sorted(histories, key=lambda one: (one.state not in _TROUBLE, one.provider, one.contact))
