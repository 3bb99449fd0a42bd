"""Who answers for an address, by what is on this machine: the provider map, then an .mmdb of AS numbers."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from services.attribution.asn_database import AsnDatabase
from services.attribution.attribution_fact import Attribution, Confidence
from services.attribution.map_entries import role_of
from services.attribution.providermap import ProviderMap

# A file speaks of the day on which it was made; of another month it says little.
_FRESH = timedelta(days=31)


class ProviderBook:
    """Attributes addresses, and turns the origin numbers that a source gives into a provider."""

    def __init__(self, providers: ProviderMap, database: AsnDatabase | None = None) -> None:
        self.providers = providers
        self.database = database

    def __repr__(self) -> str:
        return f"<ProviderBook {self.providers!r}, {self.database!r}>"

    def attribute(self, address: str, at: datetime) -> Attribution:
        """Say who answers for an address at an instant; without a provider `unknown` says why.

        Only after `silent` and `unlisted_as` may another source be asked: what the map contradicts stays unknown.
        """
        attribution = self.providers.provider_at(address, at)
        if attribution is not None and attribution.unknown != "silent":
            return attribution
        return self._by_file(address, at) or attribution or Attribution(None, unknown="silent")

    def provider_at(self, address: str, at: datetime) -> Attribution | None:
        """Say who answers; None where no source speaks of the address."""
        attribution = self.attribute(address, at)
        return None if attribution.unknown == "silent" else attribution

    def _by_file(self, address: str, at: datetime) -> Attribution | None:
        record = None if self.database is None else self.database.find(address)
        if record is None:
            return None
        confidence: Confidence = "medium" if abs(at - record.built_at) <= _FRESH else "low"
        return self.name(
            [record.as_number],
            at,
            prefix=record.prefix,
            method="mmdb",
            confidence=confidence,
            since=record.built_at,
        )

    def name(
        self,
        numbers: Iterable[int],
        at: datetime,
        *,
        prefix: str | None,
        method: str,
        confidence: Confidence,
        since: datetime | None,
    ) -> Attribution:
        """Name the provider that holds all origin numbers of an answer; of two providers none is named."""
        as_numbers = tuple(sorted(set(numbers)))
        name = self.providers.provider_of_as(as_numbers, at)
        provider = None if name is None else self.providers.providers[name]
        return Attribution(
            name,
            "hosting" if provider is None else role_of(provider.role),
            prefix,
            None if provider is None else provider.country,
            None if provider is None else provider.parent,
            None,
            as_numbers,
            method,
            confidence,
            since,
            "unlisted_as" if provider is None else None,
        )
