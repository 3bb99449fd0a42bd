"""The option that names the file of hosters and providers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from schemas.errors import ConfigError
from services.intake.hoster_names import HosterNames, read_hoster_names

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def providers_option(*, required: bool) -> Callable[[Any], Any]:
    """Make the option."""
    return click.option(
        "--providers",
        type=FILE,
        required=required,
        help="CSV with hoster_owner, hoster_contact and provider.",
    )


def hosters_of(path: Path | None) -> HosterNames:
    """Read the file; without one no hoster is known."""
    if path is None:
        return HosterNames()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return read_hoster_names(file)
    except UnicodeDecodeError:
        raise ConfigError("the providers' file is not UTF-8; save it as UTF-8") from None
