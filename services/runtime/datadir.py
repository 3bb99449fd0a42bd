"""The data directory: made once, for its owner alone."""

import os
from pathlib import Path

from schemas.errors import ConfigError

_ADVICE = "set TAKEDOWN_DATA_DIR to a folder of yours"


def prepare(path: Path) -> None:
    """Have the data directory; raises `ConfigError` where it can't be made or written."""
    if fault := problem(path):
        raise ConfigError(fault)
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(f"{path} can't be made ({error.strerror}); {_ADVICE}") from None


def problem(path: Path) -> str | None:
    """Say why a path can't be the data directory; None where it can."""
    nearest = existing(path)
    if not nearest.is_dir():
        return f"{nearest} is no folder; {_ADVICE}"
    if not os.access(nearest, os.W_OK | os.X_OK):
        return f"{nearest} can't be written; {_ADVICE}"
    return None


def existing(path: Path) -> Path:
    """Give the path, or the nearest parent of it that there is."""
    return next(p for p in (path, *path.parents) if os.path.lexists(p))
