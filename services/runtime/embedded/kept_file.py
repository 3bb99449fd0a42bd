"""Small files that a server keeps between its starts: written at one stroke, whenever we are killed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.private_file import write_private
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
    write_private(path, json.dumps(dict(values)).encode("ascii"))
