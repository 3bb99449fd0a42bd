"""The forms of providers' lists, kept in the data directory: `reconcile/<provider>.toml`."""

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import click
import msgspec

from schemas.errors import ConfigError
from services.reports.reconcile_dates import pattern
from services.reports.reconcile_list import NAMES, TIMES, ListLayout
from services.runtime.settings import Settings

CHOICES = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}


def layout_of(
    stored: ListLayout,
    columns: Sequence[str],
    date_formats: Sequence[str],
    delimiter: str | None,
    zone: str | None,
) -> ListLayout:
    """Put what an operator says over what was kept."""
    return ListLayout(
        columns=stored.columns | _columns(columns),
        date_formats=tuple(map(pattern, date_formats)) or stored.date_formats,
        delimiter=CHOICES[delimiter] if delimiter else stored.delimiter,
        zone=zone or stored.zone,
    )


def _columns(pairs: Sequence[str]) -> dict[str, str]:
    columns = {}
    for pair in pairs:
        ours, sign, theirs = pair.partition("=")
        if not sign or ours not in (*NAMES, *TIMES) or not theirs.strip():
            raise click.UsageError(
                f"--column is OURS=THEIRS, where OURS is one of {', '.join((*NAMES, *TIMES))}"
            )
        columns[ours] = theirs.strip()
    return columns


def stored_layout(settings: Settings, provider: str) -> ListLayout:
    """Read what was kept for a provider; the plain form where nothing was. Raises `ConfigError`."""
    path = _path(settings, provider)
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), ListLayout)
    except FileNotFoundError:
        return ListLayout()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(
            f"{path} can't be read ({type(error).__name__}); mend or delete it, then --save-mapping again"
        ) from None


def store_layout(settings: Settings, provider: str, layout: ListLayout) -> Path:
    """Keep the form of a provider's list; return the file."""
    path = _path(settings, provider)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A JSON string is a TOML string.
    lines = [f"date_formats = {json.dumps(layout.date_formats)}"]
    lines += [
        f"{name} = {json.dumps(text)}"
        for name, text in (("delimiter", layout.delimiter), ("zone", layout.zone))
        if text is not None
    ]
    lines += ["", "[columns]"]
    lines += [f"{ours} = {json.dumps(theirs)}" for ours, theirs in layout.columns.items()]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def _path(settings: Settings, provider: str) -> Path:
    return settings.data_path / "reconcile" / f"{quote(provider, safe='')}.toml"
