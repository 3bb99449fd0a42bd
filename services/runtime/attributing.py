"""Open what attributes addresses, as the settings name it."""

from datetime import datetime
from pathlib import Path

import structlog

from services.attribution.asn_database import AsnDatabase
from services.attribution.mailboxes import Placeholders, shipped_placeholders
from services.attribution.provider_book import ProviderBook
from services.attribution.providermap import ProviderMap
from services.runtime.settings import Settings

log = structlog.get_logger(__name__)


def provider_book(settings: Settings) -> ProviderBook:
    """Open the provider map and the .mmdb; raises `ConfigError`. Entries at fault are counted in the log."""
    path, database = settings.provider_map, settings.asn_database
    providers = ProviderMap() if path is None else ProviderMap.load(Path(path))
    serious = [fault for fault in providers.faults if fault.severity != "note"]
    if serious:
        log.warning("attribution.map_faults", entries=len(serious))
    opened = None if database is None else AsnDatabase.open(Path(database))
    return ProviderBook(providers, opened)


def watch_list(settings: Settings, at: datetime) -> list[str]:
    """Name the providers that the map marks to be watched."""
    path = settings.provider_map
    return [] if path is None else ProviderMap.load(Path(path)).watch_list(at)


def placeholder_list(settings: Settings) -> Placeholders:
    """Open the list of mailboxes that nobody reads: the operator's own, or the shipped one."""
    path = settings.attribution.placeholders
    return shipped_placeholders() if path is None else Placeholders.load(Path(path))
