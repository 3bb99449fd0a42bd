"""The options by which the commands of `takedown providers` name a map."""

from pathlib import Path

import click

from schemas.errors import ConfigError
from services.runtime.settings import Settings

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

map_option = click.option(
    "--map", "map_file", type=EXISTING_FILE, help="Provider map. Default: TAKEDOWN_PROVIDER_MAP."
)


def map_path(settings: Settings) -> Path:
    """Name the configured provider map; raises `ConfigError` where there is none."""
    if settings.provider_map is None:
        raise ConfigError("there is no provider map: give --map, or set TAKEDOWN_PROVIDER_MAP")
    return Path(settings.provider_map)
