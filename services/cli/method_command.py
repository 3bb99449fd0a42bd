"""`takedown method`: show, compare and check the methodologies."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from schemas.errors import ConfigError
from schemas.methodology import Methodology, parse, shipped
from services.cli.support import cell, json_option, print_json, print_rows
from services.runtime.methods import methodology

_COLUMNS = ("id", "version", "norm", "clock_start", "calendar", "title", "digest")


@click.group()
def command() -> None:
    """Show, compare and check methodologies: definitions of `removed in time`."""


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the methodologies that come with the program."""
    rows = [{name: getattr(m, name) for name in _COLUMNS} for m in shipped().values()]
    if not as_json:
        rows = [row | {"digest": row["digest"][:12]} for row in rows]
    print_rows(rows, _COLUMNS, as_json=as_json)


@command.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show all parameters of a methodology, by id or path of a TOML file."""
    method = methodology(name)
    if as_json:
        print_json(msgspec.to_builtins(method) | {"digest": method.digest})
        return
    for field, value in fields(method).items():
        click.echo(f"{field:<32}{cell(value)}")
    click.echo(f"{'digest':<32}{method.digest}")


@command.command()
@click.argument("one")
@click.argument("other")
@json_option
def diff(one: str, other: str, as_json: bool) -> None:
    """Show the fields in which two methodologies differ."""
    first, second = methodology(one), methodology(other)
    left, right = fields(first), fields(second)
    rows = [
        {"field": field, one: left.get(field), other: right.get(field)}
        for field in dict.fromkeys([*left, *right])
        if left.get(field) != right.get(field)
    ]
    if not rows and not as_json:
        click.echo(f"no difference; both have the digest {first.digest}")
        return
    print_rows(rows, ("field", one, other), as_json=as_json)


@command.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(file: Path) -> None:
    """Check a TOML file; faults are reported with their lines."""
    try:
        text = file.read_text("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"methodology {file.name}: not UTF-8; save it as UTF-8") from None
    method = parse(text, file.name)
    click.echo(f"{method.id} version {method.version} is valid; digest {method.digest}")


def fields(method: Methodology) -> dict[str, Any]:
    """Return every field by its dotted name."""
    return dict(_flat("", msgspec.to_builtins(method)))


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), inner)
    elif isinstance(value, list | tuple) and any(isinstance(part, dict) for part in value):
        for number, part in enumerate(value, start=1):
            yield (
                f"{prefix}[{number}]",
                " ".join(f"{k}={v}" for k, v in part.items() if v is not None),
            )
    elif isinstance(value, list | tuple):
        yield prefix, ", ".join(str(part) for part in value) or None
    else:
        yield prefix, value or None if isinstance(value, dict) else value
