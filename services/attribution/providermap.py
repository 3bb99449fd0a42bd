"""The operator's provider map: who answers for an address, as of an instant.

The longest prefix that holds at the instant wins, so that a reseller's /28 stands inside its parent's /20; of rows of
one prefix the one that began last. Facts are never edited in place: what changes gets a later row. An entry that can't
be used makes nobody known for what it speaks of; the rest of the map holds. docs/attribution.md has the form.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from schemas.errors import ConfigError
from services.attribution.accounts import holds_account
from services.attribution.attribution_fact import Attribution
from services.attribution.map_check import (
    compare,
    network_faults,
    outside_faults,
    parent_faults,
)
from services.attribution.map_content import (
    Holder,
    MapContent,
    add_prefix,
    add_resellers,
)
from services.attribution.map_entries import Prefix, Provider, role_of
from services.attribution.map_faults import Fault, by_line
from services.attribution.map_file import read_toml
from services.attribution.map_table import is_table, read_table
from services.attribution.network_owners import NetworkOwners
from services.attribution.prefix_table import EVER, PrefixRow, PrefixTable

WATCH_LIST = "watch-list"
_REMEMBERED = 20_000
__all__ = ["WATCH_LIST", "Prefix", "Provider", "ProviderMap"]


class ProviderMap:
    """Find the provider of an address by longest prefix, as of an instant; `faults` are what the map has."""

    def __init__(
        self,
        providers: Iterable[Provider] = (),
        digest: str = "",
        content: MapContent | None = None,
    ) -> None:
        content = content or _content_of(providers)
        self.content = content
        self.providers = content.providers
        self.digest = digest or hashlib.sha256(b"").hexdigest()
        self._owners = NetworkOwners(content.providers.values())
        rows, faults = compare(content.rows)
        self._table = PrefixTable(rows)
        reseller_rows, reseller_faults = compare(content.reseller_rows)
        self._resellers = PrefixTable(reseller_rows)
        dates = self._owners.dates | {
            date for row in (*rows, *reseller_rows) for date in (row.since, row.until)
        }
        self._dates = sorted(dates)
        self._remembered: dict[tuple[str, int], Attribution | None] = {}
        self.faults = by_line(
            (
                *content.faults,
                *faults,
                *reseller_faults,
                *network_faults(content),
                *outside_faults(content),
                *parent_faults(content),
            )
        )

    def __repr__(self) -> str:
        return f"<ProviderMap {len(self.providers)} providers, {self.digest[:12]}>"

    def __len__(self) -> int:
        return len(self._table)

    @classmethod
    def load(cls, path: Path) -> "ProviderMap":
        """Read a file, TOML or CSV; raises `ConfigError` only where it can't be read as a whole."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"{path}: can't be read ({error.strerror}); name a provider map"
            ) from None
        return cls.parse(content.decode("utf-8-sig", "replace"), where=str(path))

    @classmethod
    def parse(cls, text: str, where: str = "provider map") -> "ProviderMap":
        """Read the text of a file; `where` is what errors call it."""
        content = read_table(text, where) if is_table(text) else read_toml(text, where)
        return cls(digest=hashlib.sha256(text.encode()).hexdigest(), content=content)

    @property
    def refusals(self) -> list[Fault]:
        """The entries that say nothing, because they can't be read."""
        return [fault for fault in self.faults if fault.severity == "refused"]

    def require_readable(self, where: str) -> "ProviderMap":
        """Give the map itself; raises `ConfigError` with every entry that can't be read."""
        if self.refusals:
            raise ConfigError("\n".join(f"{where}: {fault.text}" for fault in self.refusals))
        return self

    def provider_at(self, address: str, at: datetime) -> Attribution | None:
        """Name who answers for an address at an instant; None where the map is silent.

        Without a provider the map says that nobody is known: it contradicts itself, or lists no owner of the AS.
        """
        # Between two dates of the map it says one thing.
        key = (address, bisect_right(self._dates, at))
        try:
            return self._remembered[key]
        except KeyError:
            pass
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        attribution = self._remembered[key] = self._look_up(address, at)
        return attribution

    def _look_up(self, address: str, at: datetime) -> Attribution | None:
        row = self._table.lookup(address, at)
        if row is None:
            return None
        holder = row.value
        if holder.provider is None:
            return self._unnamed(row, at)
        return self._reselling(self._named(row, holder.provider), address, at)

    def _named(self, row: PrefixRow[Holder], name: str) -> Attribution:
        holder, provider = row.value, self.providers.get(name)
        role = holder.role or (role_of(provider.role) if provider else "hosting")
        country = holder.country or (provider.country if provider else None)
        return Attribution(
            name,
            role,
            row.prefix,
            country,
            provider.parent if provider else None,
            as_numbers=holder.as_numbers,
            confidence=holder.confidence,
            since=_dated(row.since),
        )

    def _unnamed(self, row: PrefixRow[Holder], at: datetime) -> Attribution:
        """Say who a row without a provider names by its AS numbers, or why nobody."""
        holder = row.value
        name = self._owners.owner(holder.as_numbers, at)
        if name is not None:
            named = self._named(row, name)
            return named._replace(confidence="medium") if holder.unknown else named
        return Attribution(
            None,
            prefix=row.prefix,
            as_numbers=holder.as_numbers,
            confidence=holder.confidence,
            since=_dated(row.since),
            unknown=holder.unknown or "unlisted_as",
        )

    def _reselling(self, named: Attribution, address: str, at: datetime) -> Attribution:
        """Add who rents the range within the provider's."""
        row = self._resellers.lookup(address, at) if len(self._resellers) else None
        if row is None or row.value.provider != named.provider:
            return named
        return named._replace(
            reseller=row.value.reseller, prefix=row.prefix, since=_dated(row.since)
        )

    def provider_of_as(self, numbers: Iterable[int], at: datetime) -> str | None:
        """Name the one provider that holds all these AS numbers at an instant; None where there is none, or two."""
        return self._owners.owner(tuple(numbers), at)

    def watch_list(self, at: datetime) -> list[str]:
        """Name the providers that are marked `watch-list` at an instant."""
        return [
            name
            for name, one in self.providers.items()
            if WATCH_LIST in (tag.tag for tag in one.tags_at(at))
        ]

    def reseller_of(self, provider: str, account: str, at: datetime) -> str | None:
        """Name who rents an account within a provider at an instant."""
        entry = self.providers.get(provider)
        resellers = () if entry is None else entry.reseller
        holding = [
            one for one in resellers if one.holds_at(at) and holds_account(one.accounts, account)
        ]
        return max(holding, key=lambda one: one.valid_from).id if holding else None


def _dated(since: datetime) -> datetime | None:
    return None if since == EVER else since


def _content_of(providers: Iterable[Provider]) -> MapContent:
    content = MapContent()
    for provider in providers:
        content.providers[provider.id] = provider
        for prefix in provider.prefix:
            add_prefix(content, prefix, provider, None, f"provider {provider.id}, {prefix.cidr}")
        add_resellers(content, provider, iter([None] * len(provider.reseller)))
    return content
