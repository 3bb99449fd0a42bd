"""The networks that no look may ever reach, each with its source.

`ipaddress.is_global` is not used: on CPython 3.11 it passes multicast, NAT64, 6to4, site-local and more, and
its meaning shifts between releases. The rows are those of the IANA special-purpose address registries
(RFC 6890 and its updates) and the extras of cloud metadata services and deprecated ranges.
"""

import ipaddress
from typing import NamedTuple

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Special(NamedTuple):
    """One special-purpose network: its range, the reason code of a refusal, and where it is defined."""

    network: Network
    reason: str
    source: str


_ROWS: tuple[tuple[str, str, str], ...] = (
    ("0.0.0.0/8", "this_network", "RFC 791"),
    ("10.0.0.0/8", "private", "RFC 1918"),
    ("100.64.0.0/10", "shared", "RFC 6598; Alibaba metadata 100.100.100.200"),
    ("127.0.0.0/8", "loopback", "RFC 1122"),
    ("169.254.0.0/16", "link_local", "RFC 3927; metadata 169.254.169.254"),
    ("172.16.0.0/12", "private", "RFC 1918"),
    ("192.0.0.0/24", "protocol_assignment", "RFC 6890; Oracle metadata 192.0.0.192"),
    ("192.0.2.0/24", "documentation", "RFC 5737"),
    ("192.31.196.0/24", "as112", "RFC 7535"),
    ("192.52.193.0/24", "amt", "RFC 7450"),
    ("192.88.99.0/24", "relay_6to4", "RFC 7526"),
    ("192.168.0.0/16", "private", "RFC 1918"),
    ("192.175.48.0/24", "as112", "RFC 7534"),
    ("198.18.0.0/15", "benchmarking", "RFC 2544"),
    ("198.51.100.0/24", "documentation", "RFC 5737"),
    ("203.0.113.0/24", "documentation", "RFC 5737"),
    ("224.0.0.0/4", "multicast", "RFC 5771"),
    ("240.0.0.0/4", "reserved", "RFC 1112"),
    ("255.255.255.255/32", "broadcast", "RFC 8190"),
    (
        "168.63.129.16/32",
        "metadata",
        "Azure host agent: a public address that is served by the host",
    ),
    ("::/128", "unspecified", "RFC 4291"),
    ("::1/128", "loopback", "RFC 4291"),
    ("::/96", "ipv4_compatible", "RFC 4291"),
    ("::ffff:0:0/96", "ipv4_mapped", "RFC 4291"),
    ("::ffff:0:0:0/96", "ipv4_translated", "RFC 2765"),
    ("64:ff9b::/96", "nat64", "RFC 6052"),
    ("64:ff9b:1::/48", "nat64", "RFC 8215"),
    ("100::/64", "discard", "RFC 6666"),
    ("100:0:0:1::/64", "dummy", "RFC 9780"),
    ("2001::/32", "teredo", "RFC 4380"),
    ("2001::/23", "protocol_assignment", "RFC 2928; benchmarking, AMT, ORCHID, DRIP"),
    ("2001:db8::/32", "documentation", "RFC 3849"),
    ("2002::/16", "6to4", "RFC 3056"),
    ("2620:4f:8000::/48", "as112", "RFC 7534"),
    ("3fff::/20", "documentation", "RFC 9637"),
    ("5f00::/16", "segment_routing", "RFC 9602"),
    ("fc00::/7", "private", "RFC 4193; metadata fd00:ec2::254"),
    ("fe80::/10", "link_local", "RFC 4291"),
    ("fec0::/10", "site_local", "RFC 3879"),
    ("ff00::/8", "multicast", "RFC 4291"),
)

SPECIAL = tuple(Special(ipaddress.ip_network(net), reason, source) for net, reason, source in _ROWS)
GLOBAL_UNICAST_V6 = ipaddress.IPv6Network("2000::/3")
LOOPBACK: tuple[Network, ...] = (
    ipaddress.IPv4Network("127.0.0.0/8"),
    ipaddress.IPv6Network("::1/128"),
)
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")
_LOW_32 = {
    "ipv4_mapped": ipaddress.IPv6Network("::ffff:0:0/96"),
    "ipv4_translated": ipaddress.IPv6Network("::ffff:0:0:0/96"),
    "nat64": ipaddress.IPv6Network("64:ff9b::/96"),
    "ipv4_compatible": ipaddress.IPv6Network("::/96"),
}


def special_reason(address: Address) -> str | None:
    """Name the first special-purpose network that holds an address; None for global unicast."""
    for row in SPECIAL:
        if address.version == row.network.version and address in row.network:
            return row.reason
    if isinstance(address, ipaddress.IPv6Address) and address not in GLOBAL_UNICAST_V6:
        return "unallocated"
    return None


def embedded_ipv4(address: Address) -> tuple[str, ipaddress.IPv4Address] | None:
    """Unwrap the IPv4 address that an IPv6 address carries, with the name of the wrapping."""
    if isinstance(address, ipaddress.IPv4Address) or int(address) <= 1:
        return None
    for form, network in _LOW_32.items():
        if address in network:
            return form, ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.sixtofour is not None:
        return "6to4", address.sixtofour
    if address.teredo is not None:
        return "teredo", address.teredo[1]
    if address in _NAT64_LOCAL:
        return "nat64", ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None
