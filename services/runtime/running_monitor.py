"""The `takedown up` that runs on a data directory, as another command sees it, and its stop."""

import os
import signal
from pathlib import Path

from services.runtime.embedded.data_dir_lock import owner_of, until
from services.runtime.endpoints import LOCK_NAME


def monitor_of(data_dir: Path) -> int | None:
    """Name the process of the `takedown up` of this machine that runs on a data directory."""
    return owner_of(data_dir / LOCK_NAME)


async def stop_monitor(data_dir: Path, process: int, within_seconds: float) -> bool:
    """Have a monitor stop in order, and wait until it is gone; tell whether it is."""

    def gone() -> bool:
        return monitor_of(data_dir) != process

    try:
        if not gone():
            os.kill(process, signal.SIGTERM)
    except ProcessLookupError:
        pass
    except PermissionError:
        return False
    return await until(gone, within_seconds)
