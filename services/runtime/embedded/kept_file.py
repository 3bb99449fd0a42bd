"""Small files that a server keeps between its starts: written at one stroke, whenever we are killed."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.runtime.embedded.data_dir_lock import NeedsOperator


def read_kept(path: Path) -> dict[str, Any]:
    """Read the values of a file; none where there is no file. Raises `NeedsOperator` where it is damaged."""
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text("ascii")))
    except ValueError:
        raise NeedsOperator(f"{path} is damaged. Restore it from a backup.") from None


def write_kept(path: Path, values: Mapping[str, Any]) -> None:
    """Write values for the owner alone."""
    scratch = path.with_name(f".{path.name}")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        json.dump(dict(values), file)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
