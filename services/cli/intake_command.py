"""`takedown intake`: the reporters that may use the HTTP intake, and their tokens."""

from pathlib import Path

import click

from schemas.errors import ConfigError
from schemas.events import is_slug
from services.cli.support import json_option, print_json
from services.intake.reporter_tokens import hashed, new_token, read_tokens, write_tokens
from services.runtime.reporter_files import tokens_path
from services.runtime.settings import load


@click.group()
def command() -> None:
    """Give and take back the tokens of reporters that use the HTTP intake.

    The file of TAKEDOWN_INTAKE_TOKENS_FILE holds names and hashes, never a token; a running intake reads it again.
    """


@command.command()
@click.argument("name")
@json_option
def token(name: str, as_json: bool) -> None:
    """Create a token for the reporter NAME, and show it once.

    A reporter may have several: give the new one, and `revoke` the old one when it is no longer used.
    """
    path, reporters = _file()
    _check(name)
    fresh = new_token()
    write_tokens(path, reporters | {hashed(fresh): name})
    if as_json:
        print_json({"reporter": name, "token": fresh, "id": hashed(fresh)[:12]})
        return
    click.echo(fresh)
    click.echo(f"token {hashed(fresh)[:12]} of {name}; it is shown this once", err=True)


@command.command()
@click.argument("name")
@click.option("--id", "prefix", help="Only the token whose id begins so; default: all of them.")
def revoke(name: str, prefix: str | None) -> None:
    """Take the tokens of the reporter NAME back, at once."""
    path, reporters = _file()
    gone = {h for h, of in reporters.items() if of == name and h.startswith(prefix or "")}
    if not gone:
        raise ConfigError(f"{name} has no such token; `takedown intake list` shows them")
    write_tokens(path, {h: of for h, of in reporters.items() if h not in gone})
    click.echo(f"{len(gone)} of {name} revoked")


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the reporters with the ids of their tokens."""
    _, reporters = _file()
    rows = [
        {"reporter": of, "id": h[:12]} for h, of in sorted(reporters.items(), key=lambda i: i[1])
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(f"{row['reporter']}  {row['id']}")


def _file() -> tuple[Path, dict[str, str]]:
    path = tokens_path(load())
    return path, read_tokens(path) if path.exists() else {}


def _check(name: str) -> None:
    if not is_slug(name):
        raise click.BadParameter("a reporter's name is a slug such as `hotline-nl`")
