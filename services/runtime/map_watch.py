"""Follow the provider map of a running role: what attributes addresses takes a new map over while it works.

The file is looked at every few seconds; a change is read once it has stood for two of these, so that half of a file
that is being written is never taken for the whole. SIGHUP stops a role, as the end of a terminal does.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import structlog
from msgspec.structs import replace

from schemas.errors import ConfigError
from services.attribution.provider_book import ProviderBook
from services.attribution.providermap import ProviderMap
from services.exporter.health import Health
from services.runtime.file_stamps import Stamp, stamp_of
from services.runtime.role_facts import RoleFacts

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 5.0


class MapWatch:
    """Compares a file with what a book has of it; `note` hears the digest of a map that was taken over."""

    def __init__(self, path: Path, book: ProviderBook, note: Callable[[str], None]) -> None:
        self._path = path
        self._book = book
        self._note = note
        self._last: Stamp = None
        self._read: Stamp = None

    def __repr__(self) -> str:
        return f"<MapWatch {self._book.providers!r}>"

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(_EVERY_SECONDS)

    async def check(self) -> None:
        """Take the file over if it has changed since, and not since the last check; a broken one changes nothing."""
        stamp = stamp_of(self._path)
        before, self._last = self._last, stamp
        if stamp != before or stamp == self._read:
            return
        self._read = stamp
        try:
            # A large map takes a second to read, which no look is to wait for.
            providers = await asyncio.to_thread(ProviderMap.load, self._path)
        except ConfigError as error:
            self._keep(str(error))
            return
        self._take(providers)

    def _take(self, providers: ProviderMap) -> None:
        present = self._book.providers
        if providers.digest == present.digest:
            return
        if len(providers.refusals) > len(present.refusals):
            self._keep(providers.refusals[0].text)
            return
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


@asynccontextmanager
async def following_map(
    path: str | None, book: ProviderBook, health: Health
) -> AsyncIterator[None]:
    """Follow a map for as long as the block lasts; /about names the one that holds."""
    if path is None:
        yield
        return
    watch = MapWatch(Path(path), book, partial(_tell, health))
    task = asyncio.create_task(watch.run(), name="provider-map")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _tell(health: Health, digest: str) -> None:
    if isinstance(health.about, RoleFacts) and health.about.provider_map is not None:
        health.about = replace(health.about, provider_map=digest)
