"""What the commands of `takedown providers` have in common: how a map is named, and how an attribution is shown."""

from pathlib import Path

import click

from schemas.errors import ConfigError
from services.attribution.attribution_fact import Attribution
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


def evidence_columns(fact: Attribution) -> dict[str, object]:
    """Say on what an attribution rests, for people."""
    silent = fact.unknown == "silent"
    return {
        "role": fact.role if fact.provider else None,
        "prefix": fact.prefix,
        "as": " ".join(map(str, fact.as_numbers)) or None,
        "method": None if silent else fact.method,
        "confidence": None if silent else fact.confidence,
    }
