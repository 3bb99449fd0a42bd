"""`takedown case show` and `reveal`: look at the cases of the ledger."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import click

from schemas.errors import TakedownError
from schemas.ids import is_case_id
from schemas.sealing import Keyring
from schemas.urls import CanonicalUrl
from services.cli.acts import acting
from services.cli.case_list import fetch, reader
from services.cli.support import (
    ROWS_OR_ALL,
    client_settings,
    json_option,
    print_json,
    print_rows,
    run_async,
)
from services.ledger import audit
from services.ledger.pool import DatabaseConnection, session_of
from services.runtime.database_login import database_connection
from services.runtime.keyfile import load_keyring
from services.runtime.methods import reading_zone

_PARTS = {
    "spells": (
        "spell",
        "provider",
        "presence",
        "clock",
        "clock_started_at",
        "deadline",
        "known_online_at",
        "removed_lower",
        "removed_upper",
        "returns",
        "looks",
        "closed_reason",
    ),
    "notices": (
        "notice_id",
        "provider",
        "channel",
        "sent_at",
        "delivered_at",
        "delayed_at",
        "failure",
        "fault",
        "conflict",
    ),
    "escalations": ("at", "to", "channel", "notice_id", "actor", "reason"),
    "transitions": ("seq", "at", "spell", "machine", "before", "after", "detail"),
    "corrections": (
        "event_time",
        "kind",
        "actor",
        "reason",
        "provider",
        "method",
        "effective_from",
        "expires_at",
    ),
    "claims": ("event_time", "claimant", "status", "seen_online_at", "gone_earliest", "gone_at"),
    "looks": ("finished_at", "vantage", "verdict", "layer", "reason", "method"),
}


class NoCase(TakedownError):
    """The ledger knows no such case."""


class CaseId(click.ParamType[str]):
    """32 hexadecimal digits."""

    name = "case_id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read a case id; the text is not repeated, it may be a URL."""
        text = str(value).strip().lower()
        if not is_case_id(text):
            self.fail(
                "a case id has 32 hexadecimal digits; `takedown case id` makes it", param, ctx
            )
        return text


@click.command()
@click.argument("case_id", type=CaseId())
@click.option("--looks", type=ROWS_OR_ALL, default=20, show_default=True, help="How many.")
@json_option
def show(case_id: str, looks: int, as_json: bool) -> None:
    """Show a case's spells, notices, escalations, transitions, corrections, claims and newest looks, never its URL."""
    settings = client_settings(database=True)
    connection, zone = reader(settings), reading_zone(settings)
    head, parts = run_async(lambda: _whole(connection, case_id, looks))
    if as_json:
        print_json({**head, **{name: [dict(r) for r in rows] for name, rows in parts.items()}})
        return
    print_rows([head], list(head), as_json=False, zone=zone)
    for name, columns in _PARTS.items():
        click.echo(f"\n{name}")
        print_rows(parts[name], columns, as_json=False, zone=zone)


async def _whole(
    connection: DatabaseConnection, case_id: str, looks: int
) -> tuple[dict[str, Any], dict[str, Sequence[Mapping[str, Any]]]]:
    heads = await fetch(connection, "case_head", case_id)
    if not heads:
        raise NoCase(f"the ledger has no case {case_id}; `takedown case list` lists its cases")
    names = ("spells", "notices", "escalations", "transitions", "corrections", "claims")
    parts = await asyncio.gather(
        *(fetch(connection, f"case_{name}", case_id) for name in names),
        fetch(connection, "case_looks", case_id, looks),
    )
    return dict(heads[0]), dict(zip((*names, "looks"), parts, strict=True))


@click.command()
@click.argument("case_id", type=CaseId())
@acting("purpose", "Purpose; kept in the audit log.")
@json_option
def reveal(case_id: str, purpose: str, actor: str, as_json: bool) -> None:
    """Open the sealed URL of a case; this is recorded in the audit log first.

    The URL is printed defanged (`hxxp`, `[.]`), so that no program opens it by accident.
    """
    settings = client_settings(database=True)
    keyring = load_keyring(settings)
    connection = database_connection(settings, "takedown_ledger")
    url = run_async(lambda: open_sealed(connection, keyring, case_id, actor, purpose))
    if as_json:
        print_json({"case_id": case_id, "defanged_url": defanged(url)})
    else:
        click.echo(defanged(url))


async def open_sealed(
    connection: DatabaseConnection, keyring: Keyring, case_id: str, actor: str, purpose: str
) -> CanonicalUrl:
    """Write who opens a URL for what, then open it; raises `NoCase` where there is none to open."""
    sealed = await fetch(connection, "sealed_url", case_id)
    if not sealed or sealed[0]["sealed_url"] is None:
        raise NoCase(f"there is no sealed URL of case {case_id}: unknown, erased or never reported")
    async with session_of(connection) as session:
        await audit.record(session, actor, "reveal", case_id, purpose)
    return keyring.open(sealed[0]["sealed_url"], case_id, purpose="reveal")


def defanged(url: CanonicalUrl) -> str:
    """Write a URL so that no program opens it by accident; `takedown submit` reads this form."""
    scheme, rest = url.href[: len(url.scheme)], url.href[len(url.scheme) :]
    return scheme.replace("http", "hxxp") + rest.replace(url.host, url.host.replace(".", "[.]"), 1)
