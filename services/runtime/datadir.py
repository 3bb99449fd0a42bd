"""The data directory: created once, for its owner alone."""

import os
from pathlib import Path

from schemas.errors import ConfigError

_ADVICE = "set TAKEDOWN_DATA_DIR to a folder of yours"


def prepare(path: Path) -> None:
    """Create the data directory if need be; raises `ConfigError` if it can't be created or written."""
    if fault := problem(path):
        raise ConfigError(fault)
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(f"{path} can't be created ({error.strerror}); {_ADVICE}") from None


def problem(path: Path) -> str | None:
    """Return the reason why a path can't be the data directory; None if it can."""
    nearest = existing(path)
    if not nearest.is_dir():
        return f"{nearest} is no folder; {_ADVICE}"
    if not os.access(nearest, os.W_OK | os.X_OK):
        return f"{nearest} can't be written; {_ADVICE}"
    return None


def existing(path: Path) -> Path:
    """Return the path, or its nearest existing parent."""
    return next(p for p in (path, *path.parents) if os.path.lexists(p))
