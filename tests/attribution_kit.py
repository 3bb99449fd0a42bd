"""What tests of attribution are made of: sources that no limit holds back, and a map with a file of AS numbers."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from services.attribution.asn_database import AsnDatabase
from services.attribution.lookup import AddressSource
from services.attribution.provider_book import ProviderBook
from services.attribution.providermap import ProviderMap
from services.attribution.source_guard import GuardedSource
from services.attribution.source_limits import SourceLimits
from tests.mmdb import write_mmdb

_PLENTY = SourceLimits(per_second=1000, per_day=10_000, failures=1000, pause_seconds=0.2)
_HOUR = timedelta(hours=1)


def guarded(
    sources: Iterable[AddressSource], clock: Callable[[], datetime], keep: timedelta = _HOUR
) -> list[GuardedSource]:
    """Put sources behind limits that no test reaches."""
    return [GuardedSource(one, _PLENTY, clock, keep=keep) for one in sources]


def book_of(text: str, path: Path, rows: Mapping[str, Any]) -> ProviderBook:
    """Make a map with a file of AS numbers behind it."""
    return ProviderBook(ProviderMap.parse(text), AsnDatabase.open(write_mmdb(path, rows)))
