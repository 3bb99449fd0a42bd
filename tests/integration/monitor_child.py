"""Hold a data directory as `takedown up` does, until SIGTERM; `--deaf` does not listen to it."""

import asyncio
import signal
import sys
from pathlib import Path

from services.runtime.embedded.data_dir_lock import DataDirLock
from services.runtime.endpoints import LOCK_NAME, Endpoints, remove_endpoints, write_endpoints


async def hold(data: Path, deaf: bool) -> None:
    """Publish addresses, and stop in order a moment after a signal."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    lock = DataDirLock(data / LOCK_NAME)
    await lock.acquire()
    http = {"ledger": "127.0.0.1:1", "prober": "127.0.0.1:1"}
    write_endpoints(data, Endpoints(bootstrap_servers="", database_url="", http=http))
    print("holds", flush=True)
    await stop.wait()
    await asyncio.sleep(3600 if deaf else 0.2)
    remove_endpoints(data)
    lock.release()


if __name__ == "__main__":
    asyncio.run(hold(Path(sys.argv[1]), "--deaf" in sys.argv))
