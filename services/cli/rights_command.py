"""`takedown rights`: what each role may do at Kafka, and a broker brought to it."""

from collections.abc import Collection, Sequence
from typing import Any

import click

from consumers.client.rights_on_broker import change_grants, read_grants
from consumers.client.role_rights import RIGHTS, ROLES_AT_KAFKA, Grant, grants
from services.cli.support import (
    CHECK_FAILED,
    client_settings,
    counted,
    json_option,
    print_json,
    print_rows,
    run_async,
)
from services.runtime.kafka_login import kafka_connection

_COLUMNS = ("role", "operation", "kind", "name", "prefixed")


class Principal(click.ParamType[tuple[str, str]]):
    """A login of one role: `ROLE=User:NAME`."""

    name = "ROLE=PRINCIPAL"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Read a role and its principal."""
        role, _, principal = str(value).partition("=")
        if role not in ROLES_AT_KAFKA:
            self.fail(f"{role!r} is no role of {', '.join(ROLES_AT_KAFKA)}", param, ctx)
        return role, _checked(principal, self, param, ctx)


class Pattern(click.ParamType[str]):
    """The principals of all roles: `User:takedown-{role}`."""

    name = "pattern"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read a pattern."""
        if "{role}" not in str(value):
            self.fail("needs {role} in it, or all roles would have one login", param, ctx)
        return _checked(str(value), self, param, ctx)


def _checked(
    principal: str,
    kind: "click.ParamType[Any]",
    param: click.Parameter | None,
    ctx: click.Context | None,
) -> str:
    if not principal.partition(":")[2] or principal == "User:*":
        kind.fail("a principal reads User:NAME, or User:CN=... for a certificate", param, ctx)
    return principal


@click.group()
def command() -> None:
    """Show what each role may do at Kafka, and grant it there."""


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the rights of each role; contacts no broker."""
    rows = [{column: getattr(right, column) for column in _COLUMNS} for right in RIGHTS]
    print_rows(rows, _COLUMNS, as_json=as_json)


@command.command()
@click.option(
    "--principals",
    "pattern",
    type=Pattern(),
    default="User:takedown-{role}",
    show_default=True,
    help="Principal of each role, with {role} in it; `User:CN={role}` for certificates.",
)
@click.option(
    "--principal",
    "named",
    type=Principal(),
    multiple=True,
    help="Principal of one role instead; repeatable, also for one role.",
)
@click.option(
    "--dry-run", is_flag=True, help="Only print what differs (exit status 5 if anything does)."
)
@click.option(
    "--revoke", is_flag=True, help="Also take back what these principals may do beyond the list."
)
@json_option
def apply(
    pattern: str, named: Sequence[tuple[str, str]], dry_run: bool, revoke: bool, as_json: bool
) -> int:
    """Grant each role at Kafka what the list says; what is granted already stays as it is.

    Run it as an administrator of Kafka: it needs Alter and Describe on the cluster, which no role has.
    """
    kafka = kafka_connection(client_settings(kafka=True))
    principals = _principals(pattern, named)
    needed = grants(principals)
    every = {principal for names in principals.values() for principal in names}
    there = run_async(lambda: read_grants(kafka, every))
    missing, surplus = needed - there, there - needed
    if not dry_run:
        run_async(lambda: change_grants(kafka, missing, surplus if revoke else ()))
    _print(missing, surplus, dry_run, revoke, as_json)
    return CHECK_FAILED if dry_run and (missing or surplus) else 0


def _principals(pattern: str, named: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    principals = {role: [pattern.replace("{role}", role)] for role in ROLES_AT_KAFKA}
    for role in {role for role, _ in named}:
        principals[role] = [principal for name, principal in named if name == role]
    return principals


def _print(
    missing: Collection[Grant],
    surplus: Collection[Grant],
    dry_run: bool,
    revoke: bool,
    as_json: bool,
) -> None:
    """Print what differed, and what became of it."""
    if as_json:
        lists = {"granted": missing, "beyond": surplus}
        shown = {name: [str(grant) for grant in sorted(some)] for name, some in lists.items()}
        print_json({**shown, "dry_run": dry_run, "revoked": revoke and not dry_run})
        return
    for sign, some in (("+", missing), ("-", surplus)):
        for grant in sorted(some):
            click.echo(f"{sign} {grant}")
    click.echo(f"{counted(len(missing), 'right')} {'to grant' if dry_run else 'granted'}")
    if surplus:
        what = "taken back" if revoke and not dry_run else "beyond the list"
        click.echo(f"{counted(len(surplus), 'right')} {what}{'' if revoke else ' (--revoke)'}")
