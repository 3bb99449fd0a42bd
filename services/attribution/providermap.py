"""The operator's provider map: who answers for an address, as of an instant.

    [[provider]]
    id = "giant"                      # slug; the label of every figure
    name = "Giant Hosting B.V."
    country = "NL"
    role = "hosting"                  # or "proxy": passes on, does not hold
    aliases = ["Giant"]
    asn = [64500]
    parent = "wholesaler"             # the provider that it rents from
    [[provider.prefix]]
    cidr = "192.0.2.0/24"
    valid_from = 2020-01-01T00:00:00Z # from this instant on; left out: since ever
    valid_to = 2021-01-01T00:00:00Z   # up to, not with; left out: until today

The longest prefix that is valid at the instant wins, so that a reseller's /28 stands inside its parent's /20.
Facts are never edited in place: a prefix that changes hands ends with one row and begins with another.
"""

import hashlib
import ipaddress
import re
import tomllib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta, Struct

from schemas.errors import ConfigError
from schemas.events import Role, Slug

_EVER = datetime.min.replace(tzinfo=UTC)
_NEVER = datetime.max.replace(tzinfo=UTC)
_SLUG = re.compile(r"[a-z0-9][a-z0-9_.:/-]{0,119}")
Instant = Annotated[datetime, Meta(tz=True)]
Asn = Annotated[int, Meta(ge=1, le=4_294_967_295)]


class Prefix(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A range of addresses and the time for which a provider answers for it."""

    cidr: str
    valid_from: Instant = _EVER
    valid_to: Instant = _NEVER


class Provider(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The organisation answerable for hosting; `parent` is the one that it rents from."""

    id: Slug
    name: str
    country: Annotated[str, Meta(pattern="^[A-Z]{2}$")] | None = None
    role: Role = "hosting"
    aliases: tuple[str, ...] = ()
    asn: tuple[Asn, ...] = ()
    parent: Slug | None = None
    prefix: tuple[Prefix, ...] = ()


class Attribution(NamedTuple):
    """Who answers for an address, and the prefix that says so."""

    provider: str
    role: Role
    prefix: str
    country: str | None = None
    parent: str | None = None


class _MapFile(Struct, frozen=True, forbid_unknown_fields=True):
    provider: tuple[Provider, ...] = ()


class _Row(NamedTuple):
    since: datetime
    until: datetime
    attribution: Attribution


_Table = dict[int, dict[int, list[_Row]]]


class ProviderMap:
    """Find the provider of an address by longest prefix, as of an instant."""

    def __init__(
        self, providers: Iterable[Provider] = (), digest: str = "", where: str = "provider map"
    ) -> None:
        self.providers = {provider.id: provider for provider in _distinct(providers, where)}
        self.digest = digest or hashlib.sha256(b"").hexdigest()
        self._tables: dict[int, _Table] = {4: {}, 6: {}}
        for provider in self.providers.values():
            _check_parent(provider, self.providers, where)
            for prefix in provider.prefix:
                self._add(provider, prefix, where)
        self._lengths = {v: sorted(table, reverse=True) for v, table in self._tables.items()}

    def __repr__(self) -> str:
        return f"<ProviderMap {len(self.providers)} providers, {self.digest[:12]}>"

    @classmethod
    def load(cls, path: Path) -> "ProviderMap":
        """Read a file; raises `ConfigError` that names the file and the entry."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"{path}: can't be read ({error.strerror}); name a provider map"
            ) from None
        return cls.parse(content.decode("utf-8", "replace"), where=str(path))

    @classmethod
    def parse(cls, text: str, where: str = "provider map") -> "ProviderMap":
        """Read the text of a file; `where` is what errors call it."""
        try:
            file = msgspec.convert(tomllib.loads(text), _MapFile)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{where}: not TOML ({error})") from None
        except msgspec.ValidationError as error:
            raise ConfigError(f"{where}: {_entry_of(str(error))}") from None
        return cls(file.provider, hashlib.sha256(text.encode()).hexdigest(), where)

    def provider_at(self, address: str, at: datetime) -> Attribution | None:
        """Name who answers for an address at an instant; None where the map is silent."""
        version, value = _number(address)
        if not version:
            return None
        bits, table = 32 if version == 4 else 128, self._tables[version]
        for length in self._lengths[version]:
            for row in table[length].get(value >> (bits - length), ()):
                if row.since <= at < row.until:
                    return row.attribution
        return None

    def _add(self, provider: Provider, prefix: Prefix, where: str) -> None:
        entry = f"{where}: provider {provider.id}, prefix {prefix.cidr}"
        try:
            network = ipaddress.ip_network(prefix.cidr)
        except ValueError as error:
            raise ConfigError(f"{entry}: {error}; write it as 192.0.2.0/24") from None
        if prefix.valid_from >= prefix.valid_to:
            raise ConfigError(f"{entry}: valid_to is not after valid_from")
        attribution = Attribution(
            provider.id, provider.role, str(network), provider.country, provider.parent
        )
        row = _Row(prefix.valid_from, prefix.valid_to, attribution)
        table = self._tables[network.version].setdefault(network.prefixlen, {})
        key = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
        rows = table.setdefault(key, [])
        for other in rows:
            if row.since < other.until and other.since < row.until:
                raise ConfigError(
                    f"{entry}: {other.attribution.provider} answers for the same prefix at the same time; "
                    "end one with valid_to where the other begins"
                )
        rows.append(row)


@lru_cache(maxsize=65_536)
def _number(address: str) -> tuple[int, int]:
    """Give version and value of an address; version 0 for what is none."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return 0, 0
    return parsed.version, int(parsed)


def _distinct(providers: Iterable[Provider], where: str) -> Iterator[Provider]:
    seen: set[str] = set()
    for provider in providers:
        if not _SLUG.fullmatch(provider.id):
            raise ConfigError(
                f"{where}: provider id {provider.id!r} is no slug; use a-z, 0-9 and -"
            )
        if provider.id in seen:
            raise ConfigError(f"{where}: provider {provider.id} is there twice; join the entries")
        seen.add(provider.id)
        yield provider


def _check_parent(provider: Provider, providers: dict[str, Provider], where: str) -> None:
    seen, parent = {provider.id}, provider.parent
    while parent is not None:
        if parent not in providers:
            raise ConfigError(f"{where}: provider {provider.id}: parent {parent} is not in the map")
        if parent in seen:
            raise ConfigError(f"{where}: provider {provider.id}: parents go round in a circle")
        seen.add(parent)
        parent = providers[parent].parent


def _entry_of(message: str) -> str:
    """Turn msgspec's path into words: `$.provider[2].prefix[0].cidr`."""
    text, _, path = message.partition(" - at `$")
    match = re.match(r"\.provider\[(\d+)\](?:\.prefix\[(\d+)\])?(.*)`$", path)
    if match is None:
        return message
    prefix = f", prefix {int(match[2]) + 1}" if match[2] else ""
    field = f", {match[3].lstrip('.')}" if match[3] else ""
    return f"provider {int(match[1]) + 1}{prefix}{field}: {text}"
