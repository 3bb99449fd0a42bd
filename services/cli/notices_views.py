"""`takedown notices status`, `failed` and `due`: what became of notices, what channels carry, who is told next."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import click
import msgspec

from schemas.sqlfiles import statements
from services.cli.support import (
    ROWS_OR_ALL,
    client_settings,
    json_option,
    now,
    print_json,
    print_rows,
    run_async,
)
from services.exporter.buckets_of_cases import WHOLE
from services.exporter.ledger_reading import statement
from services.exporter.not_by_notice import channel_counts
from services.ledger.pool import DatabaseConnection, session_of
from services.notices.channel_capacity import capacity
from services.notices.channel_status import COUNTS, channel_statuses
from services.notices.escalation_ladder import LadderStep, due, ladder
from services.runtime.connections import database_connection
from services.runtime.methods import methodology, reading_zone
from services.runtime.settings import Settings

_STATUS = ("provider", "channel", *COUNTS, "waiting", "per_hour", "takes", "not_measurable")
_FAILED = (
    "case_id",
    "notice_id",
    "provider",
    "channel",
    "contact",
    "failed_at",
    "reason",
    "fault",
    "status",
)
_ESCALATIONS = ("at", "case_id", "to", "channel", "notice_id", "actor", "reason")
_DUE = ("case_id", "provider", "to", "since", "deadline", "failed_at")

provider_option = click.option("--provider", help="Only this provider.")
days_option = click.option(
    "--days",
    type=click.IntRange(1, 36_500),
    default=400,
    show_default=True,
    help="Only what was sent in the last days.",
)
limit_option = click.option(
    "--limit", type=ROWS_OR_ALL, default=50, show_default=True, help="0: all."
)


@click.command()
@provider_option
@days_option
@json_option
def status(provider: str | None, days: int, as_json: bool) -> None:
    """Show each provider's channels: fates of notices, cases that wait, and what the channel can carry.

    `theirs`, `ours`, `way` and `unclear` count failures by whose fault they are; none of them started a clock.
    A provider is not measurable by notice only by its own fault: nothing arrives, or its channels are too narrow.
    """
    settings = client_settings(database=True)
    connection = database_connection(settings, "takedown_reader")
    since = now() - timedelta(days=days)
    rows = run_async(lambda: channel_rows(connection, settings, provider, since))
    if as_json:
        print_json(rows)
        return
    print_rows(rows, _STATUS, as_json=False)
    for row in rows:
        if row["forecast"]:
            click.echo(f"{row['provider']}, {row['channel']}: {row['forecast']}")


@click.command()
@provider_option
@days_option
@limit_option
@json_option
def failed(provider: str | None, days: int, limit: int, as_json: bool) -> None:
    """List notices that started no clock, newest first, with the reason and whose fault it is."""
    settings = client_settings(database=True)
    connection = database_connection(settings, "takedown_reader")
    since = now() - timedelta(days=days)
    rows = run_async(lambda: fetch(connection, "without_clock", since, provider, limit or None))
    print_rows(rows, _FAILED, as_json=as_json, zone=reading_zone(settings))


@click.command()
@days_option
@limit_option
@json_option
def escalations(days: int, limit: int, as_json: bool) -> None:
    """List who was told of which case and when, newest first: provider again, site owner, registrar, police."""
    settings = client_settings(database=True)
    connection = database_connection(settings, "takedown_ledger")
    since = now() - timedelta(days=days)
    rows = run_async(lambda: fetch(connection, "escalations", since, limit or None))
    print_rows(rows, _ESCALATIONS, as_json=as_json, zone=reading_zone(settings))


@click.command("due")
@provider_option
@json_option
def due_(provider: str | None, as_json: bool) -> None:
    """List cases that are still online and whose next rung is due: provider again, site owner, registrar, police.

    A rung is due at its time after the deadline; where no notice arrived, after the first failure.
    """
    settings = client_settings(database=True)
    connection = database_connection(settings, "takedown_ledger")
    rows = run_async(lambda: fetch(connection, "open_cases", provider))
    rungs = list(_due_rows(rows, ladder(settings.notices.ladder), now()))
    print_rows(rungs, _DUE, as_json=as_json, zone=reading_zone(settings))


async def channel_rows(
    connection: DatabaseConnection, settings: Settings, provider: str | None, since: datetime
) -> list[dict[str, Any]]:
    """Read the channels of a provider, or of all, and say what each can carry."""
    async with session_of(connection) as session:
        notices = await session.fetch(statement("notices"), *WHOLE, since, provider)
    rows = await fetch(connection, "waiting_cases", provider)
    waiting = {row["provider"]: row["waiting"] for row in rows}
    norm = methodology(settings.methodology).norm_for("csam")
    capacities = [capacity(text) for text in settings.notices.capacities]
    statuses = channel_statuses(channel_counts(notices), waiting, capacities, norm)
    return [msgspec.structs.asdict(one) for one in statuses]


def _due_rows(
    rows: Iterable[Mapping[str, Any]], steps: Sequence[LadderStep], at: datetime
) -> Iterable[dict[str, Any]]:
    for row in rows:
        next_step = due(
            steps,
            deadline=row["deadline"],
            failed_at=row["failed_at"],
            taken=row["rungs"] or (),
            now=at,
        )
        if next_step is not None:
            named = {name: row[name] for name in ("case_id", "provider", "deadline", "failed_at")}
            yield named | {"to": next_step.to, "since": next_step.since}


async def fetch(connection: DatabaseConnection, name: str, *arguments: Any) -> list[dict[str, Any]]:
    """Run a statement of `notices.sql`."""
    async with session_of(connection) as session:
        rows = await session.fetch(statements("services.cli", "notices.sql")[name], *arguments)
    return [dict(row) for row in rows]
