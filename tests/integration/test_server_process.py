"""A server's process that is started again while somebody still waits for the end of the one before."""

import asyncio
from pathlib import Path

from services.runtime.embedded.data_dir_lock import DataDirLock
from services.runtime.embedded.server_process import ServerProcess


async def test_a_kill_leaves_a_later_start_alone(tmp_path: Path) -> None:
    """The end of the killed process does not make the one that runs since be forgotten."""
    lock = DataDirLock(tmp_path / "lock")
    await lock.acquire()
    server = ServerProcess("sleeper", tmp_path / "log")
    server.spawn(["sleep", "600"], lock=lock)
    ending = asyncio.create_task(server.kill())
    await asyncio.sleep(0)
    server.spawn(["sleep", "600"], lock=lock)
    await ending
    assert server.running
    await server.kill()
    assert not server.running
    lock.release()
