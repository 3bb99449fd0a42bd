"""`takedown correct`: say that something was wrong, as an event with actor and reason; nothing is deleted.

A correction goes the way of all evidence: to Kafka, and from there into the ledger, which folds the case anew.
Erasure is the one act that destroys something: the sealed URL, nothing else.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import click
import msgspec

from consumers.record.calendar_bounds import check_instants
from schemas.codec import stated
from schemas.errors import ConfigError, TakedownError, UnusableEvent
from schemas.event_words import in_words
from schemas.events import (
    AddressAttributed,
    CaseAttributed,
    CaseErased,
    Event,
    HoldLifted,
    HoldPlaced,
    Payload,
    ReportRetracted,
)
from services.cli.acts import acting
from services.cli.case_list import fetch
from services.cli.case_views import CaseId, NoCase
from services.cli.instant_options import Instant
from services.cli.submit_command import send
from services.cli.support import agreed, client_settings, json_option, now, print_json, run_async
from services.ledger import audit
from services.ledger.pool import session_of
from services.runtime.connections import database_connection
from services.runtime.settings import Settings

P = TypeVar("P", bound=Payload)
SOURCE = "takedown:correct"

_case = click.argument("case_id", type=CaseId())
_acting = acting("reason", "Reason; kept with the case and shown to the provider.")
_wait = click.option(
    "--wait-seconds",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Maximum time to wait for the ledger; 0: do not wait.",
)


class NoHold(TakedownError):
    """There is nothing to lift."""


@click.group()
def command() -> None:
    """Record a correction as an event with actor and reason; nothing is deleted.

    Corrections appear in `takedown case show`, in the evidence pack and in all counts.
    """


@command.command()
@_case
@_acting
@_wait
@json_option
def retract(case_id: str, actor: str, reason: str, wait_seconds: float, as_json: bool) -> None:
    """Retract a report that was wrong. The case leaves all counts and is not looked at any more."""
    correct(case_id, ReportRetracted(actor=actor, reason=reason), wait_seconds, as_json)


@command.command()
@_case
@click.option("--provider", required=True, help="Provider that is answerable for the hosting.")
@click.option("--method", default="manual", show_default=True, help="Source of the attribution.")
@click.option(
    "--effective-from",
    type=Instant(),
    help="First instant of the attribution; may lie in the past. Default: now.",
)
@_acting
@_wait
@json_option
def attribute(
    case_id: str,
    provider: str,
    method: str,
    effective_from: datetime | None,
    actor: str,
    reason: str,
    wait_seconds: float,
    as_json: bool,
) -> None:
    """Assign a case to a provider."""
    fields = {"provider": provider, "method": method, "actor": actor, "reason": reason}
    data = attributed(fields, effective_from)
    correct(case_id, data, wait_seconds, as_json)


def attributed(fields: dict[str, Any], effective_from: datetime | None) -> CaseAttributed:
    """Make an attribution; raises `ConfigError` where a word has not the form that the event asks for."""
    if effective_from is not None:
        fields |= {"effective_from": effective_from}
    return of_words(fields, CaseAttributed)


def of_words(fields: dict[str, Any], kind: type[P]) -> P:
    """Make a statement of the words that were given; raises `ConfigError` where one has not the form that it needs."""
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(in_words(str(error))) from None


@command.command("edge-reply")
@_case
@click.option("--proxy", required=True, help="Provider that passes on, and that replied.")
@click.option("--provider", required=True, help="Provider that the reply names as the host.")
@click.option("--address", help="Address of the host that the reply gives.")
@_acting
@_wait
@json_option
def edge_reply(
    case_id: str,
    proxy: str,
    provider: str,
    address: str | None,
    actor: str,
    reason: str,
    wait_seconds: float,
    as_json: bool,
) -> None:
    """Record that a proxy's operator named the host behind it: from now on that host is answerable.

    The proxy's spell ends as passed on. What the proxy serves counts as online at the host.
    """
    fields = {"provider": provider, "via": proxy, "method": "edge_reply", "address": address}
    data = of_words(fields | {"actor": actor, "reason": reason}, AddressAttributed)
    correct(case_id, data, wait_seconds, as_json)


@command.command()
@_case
@click.option("--until", type=Instant(), required=True, help="Instant at which the hold expires.")
@_acting
@_wait
@json_option
def hold(
    case_id: str, until: datetime, actor: str, reason: str, wait_seconds: float, as_json: bool
) -> None:
    """Place a hold: an authority asked to leave the material in place, and the clock stops."""
    if until <= now():
        raise click.BadParameter("a hold must end in the future", param_hint="--until")
    data = HoldPlaced(actor=actor, reason=reason, expires_at=until)
    correct(case_id, data, wait_seconds, as_json)


@command.command()
@_case
@_acting
@_wait
@json_option
def lift(case_id: str, actor: str, reason: str, wait_seconds: float, as_json: bool) -> None:
    """Lift a hold; the deadline moves by the duration of the hold."""
    correct(case_id, HoldLifted(actor=actor, reason=reason), wait_seconds, as_json)


@command.command()
@_case
@_acting
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@_wait
@json_option
def erase(
    case_id: str, actor: str, reason: str, yes: bool, wait_seconds: float, as_json: bool
) -> None:
    """Destroy the sealed URL of a case for good; its timings stay. Recorded in the audit log first.

    The report itself stays on the broker until `takedown retention` moves it to an archive without URLs.
    """
    if not yes:
        agreed(f"destroy the sealed URL of case {case_id} for good?")
    correct(case_id, CaseErased(actor=actor, reason=reason), wait_seconds, as_json)


def correct(case_id: str, data: Payload, wait_seconds: float, as_json: bool) -> None:
    """Send a statement about one case that the ledger knows, and say what was sent."""
    _require_admission(data)
    settings = client_settings(kafka=True, database=True)
    event = stated(case_id, data, now(), SOURCE)
    run_async(lambda: _perform(settings, event, wait_seconds or None))
    summary = {
        "event_id": str(event.id),
        "type": event.type,
        "time": event.time,
        "case_id": case_id,
    }
    if as_json:
        print_json(summary | {"in_ledger": wait_seconds > 0})
    else:
        click.echo(f"{event.type} of case {case_id} {'in the ledger' if wait_seconds else 'sent'}")


def _require_admission(data: Payload) -> None:
    """Refuse here what the ledger would refuse, and nobody would see; raises `ConfigError`."""
    try:
        check_instants(data)
    except UnusableEvent as error:
        raise ConfigError(str(error)) from None


async def _perform(settings: Settings, event: Event, wait_seconds: float | None) -> None:
    connection = database_connection(settings, "takedown_ledger")
    if not await fetch(connection, "case_head", event.case_id):
        raise NoCase(f"the ledger has no case {event.case_id}: there is nothing to correct")
    if isinstance(event.data, CaseErased):
        async with session_of(connection) as session:
            await audit.record(session, event.data.actor, "erase", event.case_id, event.data.reason)
    if isinstance(event.data, HoldLifted):
        _require_hold(await fetch(connection, "last_hold", event.case_id), event)
    names = [(event.case_id, event.id)]
    await send(settings, [event], names, lambda steps: None, wait_seconds)


def _require_hold(last: Sequence[Mapping[str, Any]], event: Event) -> None:
    """Refuse to lift what does not hold: the ledger would take it, and nothing would follow."""
    if not last or last[0]["kind"] != "hold_placed" or last[0]["expires_at"] <= event.time:
        raise NoHold(
            f"there is no hold on case {event.case_id}; `takedown case show` has its history"
        )
