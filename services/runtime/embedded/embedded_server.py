"""A server of the monitor's own: its process, and the data directory that one monitor at a time may have."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services.runtime.embedded.data_dir_lock import DataDirLock
from services.runtime.embedded.server_process import ServerProcess

_POLL_SECONDS = 0.02


class EmbeddedServer(ABC):
    """One process below a data directory, under a lock that all its processes inherit.

    `name` is the server's in errors, `log` the file of its output; `patience_seconds` is how long a former monitor may
    take to let go of the directory.
    """

    def __init__(
        self, data_dir: Path, name: str, log: str, *, patience_seconds: float, ready_seconds: float
    ) -> None:
        self.data_dir = data_dir.absolute()
        self._ready_seconds = ready_seconds
        self._lock = DataDirLock(self.data_dir / "lock", patience=patience_seconds)
        self._process = ServerProcess(name, self.data_dir / log)

    def __repr__(self) -> str:
        state = "running" if self.running else "not running"
        return f"<{type(self).__name__} {self.data_dir}, {state}>"

    @property
    def running(self) -> bool:
        """Tell whether the server's process is running."""
        return self._process.running

    async def kill(self) -> None:
        """SIGKILL the server, as a crash would, and return when its last process has gone."""
        await self._forget()
        await self._lock.wait_until_free()

    async def _forget(self) -> None:
        """Let go of a server that ended, and of the lock that its processes may still hold."""
        await self._process.kill()
        self._lock.release()

    @asynccontextmanager
    async def _starting(self) -> AsyncIterator[None]:
        """Take the data directory for a start; one that fails leaves neither process nor lock."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        await self._forget()
        await self._lock.acquire()
        try:
            yield
        except BaseException:
            await self._forget()
            raise

    async def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self._ready_seconds
        while time.monotonic() < deadline:
            if not self._process.running:
                raise self._process.failure("ended while it started")
            if await self._answers():
                return
            await asyncio.sleep(_POLL_SECONDS)
        raise self._process.failure(f"was not ready within {self._ready_seconds:g} s")

    @abstractmethod
    async def _answers(self) -> bool:
        """Tell whether a client can work with the server."""
