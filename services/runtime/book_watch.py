"""Follow the files of a running role: what attributes addresses takes a new map or .mmdb over while it works.

A file is looked at every few seconds; a change is read once it has stood for two of these, so that half of a file
that is being written is never taken for the whole. SIGHUP stops a role, as the end of a terminal does.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import structlog
from msgspec.structs import replace

from schemas.errors import ConfigError
from services.attribution.asn_database import AsnDatabase
from services.attribution.provider_book import ProviderBook
from services.attribution.providermap import ProviderMap
from services.exporter.health import Health
from services.runtime.file_stamps import Stamp, stamp_of
from services.runtime.role_facts import RoleFacts
from services.runtime.settings import Settings

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 5.0


class FileWatch(ABC):
    """Compares a file with what a book has of it; a broken file changes nothing."""

    def __init__(self, path: Path, book: ProviderBook) -> None:
        self._path = path
        self._book = book
        self._last: Stamp = None
        self._read: Stamp = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._book!r}>"

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(_EVERY_SECONDS)

    async def check(self) -> None:
        """Take the file over if it has changed since, and not since the last check."""
        stamp = stamp_of(self._path)
        before, self._last = self._last, stamp
        if stamp != before or stamp == self._read:
            return
        self._read = stamp
        try:
            await self._take_over()
        except ConfigError as error:
            self._keep(str(error))

    @abstractmethod
    async def _take_over(self) -> None:
        """Read the file and put it in the place of what the book has; raises `ConfigError`."""

    @abstractmethod
    def _keep(self, error: str) -> None:
        """Say why the old one holds."""


class MapWatch(FileWatch):
    """Follows the provider map; `note` hears the digest of a map that was taken over."""

    def __init__(self, path: Path, book: ProviderBook, note: Callable[[str], None]) -> None:
        super().__init__(path, book)
        self._note = note

    async def _take_over(self) -> None:
        # A large map takes a second to read, which no look is to wait for.
        providers = await asyncio.to_thread(ProviderMap.load, self._path)
        present = self._book.providers
        if providers.digest == present.digest:
            return
        if len(providers.refusals) > len(present.refusals):
            raise ConfigError(providers.refusals[0].text)
        self._book.providers = providers
        self._note(providers.digest)
        log.info(
            "attribution.map_reloaded",
            digest=providers.digest,
            before=present.digest,
            providers=len(providers.providers),
        )
        if serious := [fault for fault in providers.faults if fault.severity != "note"]:
            log.warning("attribution.map_faults", entries=len(serious))

    def _keep(self, error: str) -> None:
        log.warning("attribution.map_unusable", error=error, digest=self._book.providers.digest)


class DatabaseWatch(FileWatch):
    """Follows the .mmdb of AS numbers; the log names the days on which both files were made."""

    def __init__(self, path: Path, book: ProviderBook) -> None:
        super().__init__(path, book)
        # What the book has was opened just before.
        self._last = self._read = stamp_of(path)

    async def _take_over(self) -> None:
        database = await asyncio.to_thread(AsnDatabase.open, self._path)
        present, self._book.database = self._book.database, database
        log.info(
            "attribution.database_reloaded", built_at=database.built_at, before=_built_at(present)
        )
        if present is not None:
            present.close()

    def _keep(self, error: str) -> None:
        built_at = _built_at(self._book.database)
        log.warning("attribution.database_unusable", error=error, built_at=built_at)


def _built_at(database: AsnDatabase | None) -> object:
    return None if database is None else database.built_at


@asynccontextmanager
async def following_files(
    settings: Settings, book: ProviderBook, health: Health
) -> AsyncIterator[None]:
    """Follow the map and the .mmdb for as long as the block lasts; /about names the map that holds."""
    watches: list[FileWatch] = []
    if settings.provider_map is not None:
        watches.append(MapWatch(Path(settings.provider_map), book, partial(_tell, health)))
    if settings.asn_database is not None:
        watches.append(DatabaseWatch(Path(settings.asn_database), book))
    tasks = [asyncio.create_task(watch.run(), name=type(watch).__name__) for watch in watches]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _tell(health: Health, digest: str) -> None:
    if isinstance(health.about, RoleFacts) and health.about.provider_map is not None:
        health.about = replace(health.about, provider_map=digest)
