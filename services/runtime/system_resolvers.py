"""The name servers that this machine is set up with."""

import dns.exception
import dns.resolver

from schemas.errors import ConfigError


def system_resolvers(remedy: str) -> list[tuple[str, int]]:
    """Give address and port of each; raises `ConfigError` with what to set where there are none."""
    try:
        return [(str(server), 53) for server in dns.resolver.Resolver().nameservers]
    except dns.exception.DNSException:
        raise ConfigError(f"the system has no resolver configured; {remedy}") from None
