"""The methodology that the settings name, and the zone whose times people read."""

from pathlib import Path
from zoneinfo import ZoneInfo

from schemas.errors import ConfigError
from schemas.methodology import Methodology, parse, shipped
from services.runtime.settings import Settings


def methodology(name: str) -> Methodology:
    """Return a shipped methodology by its id, or read one from a file; raises `ConfigError`."""
    method = shipped().get(name)
    if method is not None:
        return method
    try:
        return parse(Path(name).read_text("utf-8"), name)
    except (OSError, UnicodeDecodeError):
        raise ConfigError(
            f"there is no methodology {name}: name a shipped one "
            f"({', '.join(sorted(shipped()))}) or a TOML file"
        ) from None


def reading_zone(settings: Settings) -> ZoneInfo:
    """Give the zone whose times people read."""
    return ZoneInfo(settings.time_zone or methodology(settings.methodology).time_zone)
