"""Follow the files of a running role: it takes changed ones over while it works.

The files are looked at every few seconds; a change is read once it has stood for two of these, so that half of a file
that is being written is never taken for the whole. SIGHUP stops a role, as the end of a terminal does.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from schemas.errors import ConfigError
from schemas.file_stamps import Stamp, stamp_of

_EVERY_SECONDS = 5.0


class FileWatch(ABC):
    """Compares files with what was read of them; a broken one changes nothing.

    Args:
        read: Whether the files are about to be read: otherwise the first check that finds them at rest reads them.

    """

    def __init__(self, *paths: Path, read: bool = False) -> None:
        self._paths = paths
        self._last: list[Stamp] | None = self._stamps() if read else None
        self._read = self._last

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {', '.join(path.name for path in self._paths)}>"

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(_EVERY_SECONDS)

    async def check(self) -> None:
        """Take the files over if one has changed since they were read, and none since the last check."""
        stamps = self._stamps()
        before, self._last = self._last, stamps
        if stamps != before or stamps == self._read:
            return
        self._read = stamps
        try:
            await self._take_over()
        except ConfigError as error:
            self._keep(str(error))

    def _stamps(self) -> list[Stamp]:
        return [stamp_of(path) for path in self._paths]

    @abstractmethod
    async def _take_over(self) -> None:
        """Read the files and put them in the place of what holds; raises `ConfigError`."""

    @abstractmethod
    def _keep(self, error: str) -> None:
        """Say why the old ones hold."""


@asynccontextmanager
async def following(watches: Iterable[FileWatch]) -> AsyncIterator[None]:
    """Follow files for as long as the block lasts."""
    tasks = [asyncio.create_task(watch.run(), name=type(watch).__name__) for watch in watches]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
