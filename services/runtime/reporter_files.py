"""Where the tokens of the reporters are kept."""

from pathlib import Path

from schemas.errors import ConfigError
from services.runtime.settings import Settings


def tokens_path(settings: Settings) -> Path:
    """Give the file of the tokens; raises `ConfigError` where none is set."""
    setting = settings.intake.tokens_file
    if setting is None:
        raise ConfigError("set TAKEDOWN_INTAKE_TOKENS_FILE to the file that is to hold the hashes")
    return Path(setting).expanduser()
