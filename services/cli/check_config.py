"""`takedown check-config`: read and check all settings; start nothing."""

import os

import click

from services.cli.support import cell, json_option, print_rows
from services.runtime.keys import keys_path, read_keys
from services.runtime.methods import methodology
from services.runtime.roles import refusals
from services.runtime.settings import Setting, Settings, catalogue, load

_COLUMNS = ("variable", "value", "from")


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Read and check all settings; start nothing.

    Exit status 2 where one is wrong, with all that is wrong.
    """
    settings = load()
    methodology(settings.methodology)
    path = keys_path(settings)
    if path.exists() or settings.keys_file is not None:
        read_keys(path).keyring()
    rows = [_row(settings, setting) for setting in catalogue()]
    print_rows(rows, _COLUMNS, as_json=as_json)
    for refusal in refusals(settings):
        click.echo(f"note: {refusal}", err=True)


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
