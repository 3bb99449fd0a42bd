"""`takedown case id`: name URLs. It needs no server, so that it loads no client of one."""

import sys
from typing import Any

import click

from schemas.errors import BadUrl
from schemas.sealing import Keyring
from schemas.urls import canonical
from services.cli.support import Refused, counted, json_option, print_json
from services.runtime.keyfile import load_keyring
from services.runtime.settings import load


@click.command("id")
@json_option
def id_(as_json: bool) -> None:
    """Read URLs from standard input, one a line, and print the case id of each.

    A URL is not taken as an argument: arguments are in the shell's history and in the list of processes.
    A line that is not a URL gives `-`, and its number and fault on standard error (exit status 4).
    """
    keyring = load_keyring(load())
    named = [_named(number, line, keyring) for number, line in _url_lines()]
    wrong = [row for row in named if row["case_id"] is None]
    if as_json:
        print_json(named)
    for row in () if as_json else named:
        click.echo(row["case_id"] or "-")
    for row in wrong:
        click.echo(f"line {row['line']}: {row['error']}", err=True)
    if wrong:
        raise Refused(f"{len(wrong)} of {counted(len(named), 'line')} have no case id")


def _named(number: int, line: str, keyring: Keyring) -> dict[str, Any]:
    try:
        return {"line": number, "case_id": keyring.case_id(canonical(line))}
    except BadUrl as error:
        return {"line": number, "case_id": None, "error": str(error)}


def _url_lines() -> list[tuple[int, str]]:
    """Yield the lines that are not empty, with their numbers."""
    if sys.stdin.isatty():
        return [(1, click.prompt("URL (not shown)", hide_input=True, err=True))]
    lines = sys.stdin.buffer.read().decode("utf-8-sig", "replace").split("\n")
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
