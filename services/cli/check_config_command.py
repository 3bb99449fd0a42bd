"""`takedown check-config`: read and check all settings; start nothing."""

import os
from collections.abc import Callable
from pathlib import Path

import click

from schemas.errors import TakedownError
from services.attribution.asn_database import AsnDatabase
from services.attribution.providermap import ProviderMap
from services.cli.support import cell, json_option, print_rows
from services.runtime.keyfile import keys_path, read_keys
from services.runtime.methods import methodology
from services.runtime.roles import refusals
from services.runtime.settings import (
    Setting,
    Settings,
    catalogue,
    config_error,
    examine,
    names_of_one_operator,
)

_COLUMNS = ("variable", "value", "from")


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Check all settings; start nothing.

    Exit status 2 if any setting is invalid; all faults are printed, one per line.
    """
    settings, problems = examine(os.environ)
    problems += _files(settings, reported="\n".join(problems))
    if problems:
        raise config_error(*problems)
    rows = [_row(settings, setting) for setting in catalogue()]
    print_rows(rows, _COLUMNS, as_json=as_json)
    for note in (*refusals(settings), *names_of_one_operator(settings)):
        click.echo(f"note: {note}", err=True)


def _files(settings: Settings, reported: str) -> list[str]:
    """Read the files that settings name; return the faults that were not reported yet."""
    keys, provider_map = keys_path(settings), settings.provider_map
    checks: list[tuple[str, Callable[[], object]]] = [
        ("TAKEDOWN_METHODOLOGY", lambda: methodology(settings.methodology))
    ]
    if keys.exists():
        checks.append(("TAKEDOWN_KEYS_FILE", lambda: read_keys(keys).keyring()))
    if provider_map is not None:
        path = Path(provider_map)
        checks.append(
            (
                "TAKEDOWN_PROVIDER_MAP",
                lambda: ProviderMap.load(path).require_readable(str(path)),
            )
        )
    if settings.asn_database is not None:
        database = Path(settings.asn_database)
        checks.append(("TAKEDOWN_ASN_DATABASE", lambda: AsnDatabase.open(database).close()))
    problems = []
    for variable, check in checks:
        try:
            check()
        except TakedownError as error:
            if variable not in reported:
                problems.append(str(error))
    return problems


def _row(settings: Settings, setting: Setting) -> dict[str, object]:
    section = getattr(settings, setting.section) if setting.section else settings
    value = getattr(section, setting.field)
    shown = ",".join(map(str, value)) if isinstance(value, tuple) else value
    if setting.secret and value is not None:
        shown = "***"
    elif setting.field in ("data_dir", "cache_dir"):
        shown = str(settings.data_path if setting.field == "data_dir" else settings.cache_path)
    return {
        "variable": setting.variable,
        "value": cell(shown) if isinstance(shown, bool) else shown,
        "from": _origin(setting, value),
    }


def _origin(setting: Setting, value: object) -> str:
    if os.environ.get(setting.variable):
        return "environment"
    if setting.secret and os.environ.get(f"{setting.variable}_FILE"):
        return "secret file"
    return "default" if value == setting.default else "file"
