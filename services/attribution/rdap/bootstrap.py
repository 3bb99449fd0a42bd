"""IANA's bootstrap files (RFC 9224) as local files: which server speaks for an address.

`ipv4.json` and `ipv6.json` in a directory of the operator's; nothing is fetched.
"""

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from schemas.errors import ConfigError
from services.attribution.rdap.fault import RdapFault, decoded
from services.attribution.rdap.rdap_ranges import IPAddress, IPNetwork

FILES = ("ipv4.json", "ipv6.json")
# LACNIC sends on to Brazil's registry, which no bootstrap file for addresses names. APNIC's national registries answer
# at names below APNIC's own.
_NATIONAL = frozenset({"rdap.registro.br"})


class RdapBootstrap:
    """The servers by prefix; the longest prefix that holds an address names its server."""

    def __init__(self, services: dict[IPNetwork, str], publications: tuple[str, ...]) -> None:
        self._servers = services
        self._lengths = {
            version: sorted({n.prefixlen for n in services if n.version == version}, reverse=True)
            for version in (4, 6)
        }
        self.publications = publications
        self.hosts = frozenset(urlsplit(server).netloc for server in services.values())

    def __repr__(self) -> str:
        return f"<RdapBootstrap {len(self._servers)} prefixes, {', '.join(self.publications)}>"

    def speaks_for_registries(self, host: str) -> bool:
        """Tell whether a host, with its port, is a server of the files, one below it, or a national registry's."""
        above = host.partition(".")[2]
        return host in self.hosts or host in _NATIONAL or above in self.hosts

    @classmethod
    def load(cls, folder: Path) -> "RdapBootstrap":
        """Read both files; raises `ConfigError` that names the one at fault."""
        servers: dict[IPNetwork, str] = {}
        publications = []
        for path in (folder / name for name in FILES):
            try:
                listed, publication = parse_bootstrap(path.read_bytes())
            except OSError as error:
                raise ConfigError(
                    f"{path}: can't be read ({error.strerror}); IANA publishes it for RDAP"
                ) from None
            except RdapFault as fault:
                raise ConfigError(f"{path}: {fault}") from None
            servers |= listed
            publications.append(publication)
        return cls(servers, tuple(publications))

    def server_for(self, address: IPAddress) -> str | None:
        """Give the base URL of the server that speaks for an address; None where none does."""
        bits = address.max_prefixlen
        for length in self._lengths[address.version]:
            first = int(address) >> (bits - length) << (bits - length)
            server = self._servers.get(ipaddress.ip_network((type(address)(first), length)))
            if server is not None:
                return server
        return None


def parse_bootstrap(body: bytes) -> tuple[dict[IPNetwork, str], str]:
    """Read one file: servers by prefix, and when IANA published it; raises `RdapFault`."""
    value = decoded(body)
    services = value.get("services") if isinstance(value, dict) else None
    if not isinstance(services, list):
        raise RdapFault("no bootstrap file: it has no list `services`")
    servers = {}
    for number, service in enumerate(services, 1):
        for network, server in _service(number, service):
            servers[network] = server
    return servers, str(value.get("publication", "undated"))


def _service(number: int, service: Any) -> Iterator[tuple[IPNetwork, str]]:
    try:
        prefixes, urls = service[0], service[1]
        # RFC 9224, 3: a client prefers HTTPS; a base URL ends with a slash.
        ordered = sorted(urls, key=lambda url: not url.startswith("https://"))
        server = ordered[0] if ordered[0].endswith("/") else ordered[0] + "/"
        if urlsplit(server).scheme not in ("http", "https"):
            raise ValueError
        yield from [(ipaddress.ip_network(prefix), server) for prefix in prefixes]
    except (TypeError, ValueError, IndexError, KeyError, AttributeError):
        raise RdapFault(f"service {number} is no pair of prefixes and URLs") from None
