"""Follow the provider map and the .mmdb: what attributes addresses takes new ones over while it works."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import structlog
from msgspec.structs import replace

from schemas.errors import ConfigError
from services.attribution.asn_database import AsnDatabase
from services.attribution.provider_book import ProviderBook
from services.attribution.providermap import ProviderMap
from services.exporter.health import Health
from services.runtime.file_watch import FileWatch, following
from services.runtime.role_facts import RoleFacts
from services.runtime.settings import Settings

log = structlog.get_logger(__name__)


class MapWatch(FileWatch):
    """Follows the provider map; `note` hears the digest of a map that was taken over."""

    def __init__(self, path: Path, book: ProviderBook, note: Callable[[str], None]) -> None:
        super().__init__(path)
        self._path, self._book, self._note = path, book, note

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
        # What the book has was opened just before.
        super().__init__(path, read=True)
        self._path, self._book = path, book

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


def following_files(
    settings: Settings, book: ProviderBook, health: Health
) -> AbstractAsyncContextManager[None]:
    """Follow the map and the .mmdb for as long as the block lasts; /about names the map that holds."""
    watches: list[FileWatch] = []
    if settings.provider_map is not None:
        watches.append(MapWatch(Path(settings.provider_map), book, partial(_tell, health)))
    if settings.asn_database is not None:
        watches.append(DatabaseWatch(Path(settings.asn_database), book))
    return following(watches)


def _tell(health: Health, digest: str) -> None:
    if isinstance(health.about, RoleFacts) and health.about.provider_map is not None:
        health.about = replace(health.about, provider_map=digest)
