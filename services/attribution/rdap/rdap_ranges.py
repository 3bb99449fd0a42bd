"""The range that an RDAP answer is about: from its first address to its last, and the prefixes that it consists of.

Registries write the ends with a prefix length ("192.0.2.0/32"), with zeros in front ("074.125.000.000"), or leave
`cidr0_cidrs` out; a range need not be one prefix, and some have no ends but a handle that names them.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from services.attribution.rdap.fault import RdapFault

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
# An IPv4 address stands behind so many bits of an IPv6 one (RFC 4291, 2.5.5.2).
_MAPPED = 96


class AddressRange(NamedTuple):
    """The addresses from the first to the last, both counted."""

    first: IPAddress
    last: IPAddress

    def holds(self, address: IPAddress) -> bool:
        """Tell whether an address is one of them."""
        return address.version == self.first.version and int(self.first) <= int(address) <= int(
            self.last
        )

    @property
    def prefixes(self) -> list[IPNetwork]:
        """The prefixes that the range consists of: as few as possible."""
        return list(ipaddress.summarize_address_range(self.first, self.last))


def range_of(answer: Mapping[str, Any]) -> AddressRange | None:
    """Read the range of an IP network; None where the answer names none.

    Raises `RdapFault` where its ends are no addresses, of two families, or in the wrong order.
    """
    ends = [answer.get("startAddress"), answer.get("endAddress")]
    if any(isinstance(end, str) and end.strip() for end in ends):
        return _between(*ends)
    networks = cidr0_prefixes(answer)
    if networks:
        return _span(networks)
    handle = answer.get("handle")
    return _of_handle(handle) if isinstance(handle, str) else None


def _between(start: Any, end: Any) -> AddressRange:
    first, last = _end(start, 0), _end(end, -1)
    # One end alone is a whole range only as a prefix.
    if first is None or last is None:
        only = start if last is None else end
        network = _network(only) if "/" in str(only) else None
        if network is None:
            raise RdapFault("the range has one end only")
        return AddressRange(network[0], network[-1])
    return _checked(first, last)


def _checked(first: IPAddress, last: IPAddress) -> AddressRange:
    if first.version != last.version:
        raise RdapFault("the range begins in one address family and ends in the other")
    if int(first) > int(last):
        raise RdapFault("the range's first address is after its last")
    return AddressRange(first, last)


def _end(value: Any, which: int) -> IPAddress | None:
    """Read an end; with a prefix length that is not of a single address, it is that end of the prefix."""
    if not isinstance(value, str) or not value.strip():
        return None
    network = _network(value)
    if network is None:
        raise RdapFault("an end of the range is no address")
    return network[which]


def _network(value: Any) -> IPNetwork | None:
    """Read an address or a prefix, with zeros in front or not."""
    if not isinstance(value, str):
        return None
    text, slash, length = value.strip().partition("/")
    if ":" not in text:
        text = _four_octets(text, shortened=bool(slash))
    try:
        address = ipaddress.ip_address(text)
        if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
            return None
        bits = int(length) if slash else address.max_prefixlen
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        if mapped is not None and bits >= _MAPPED:
            return ipaddress.ip_network((mapped, bits - _MAPPED), False)
        return ipaddress.ip_network((address, bits), False)
    except ValueError:
        return None


def _four_octets(text: str, *, shortened: bool) -> str:
    """Give an IPv4 address without zeros in front; LACNIC's prefixes leave the last octets out ("192.0.2/24")."""
    parts = [part.lstrip("0") or "0" if part.isdigit() else part for part in text.split(".")]
    return ".".join(parts + ["0"] * (4 - len(parts) if shortened else 0))


def cidr0_prefixes(answer: Mapping[str, Any]) -> list[IPNetwork]:
    """Give the prefixes that the extension `cidr0` lists: of both families, with gaps, or none."""
    return list(_cidr0(answer.get("cidr0_cidrs")))


def _cidr0(value: Any) -> Iterator[IPNetwork]:
    """Read the extension `cidr0`: `{"v4prefix": "192.0.2.0", "length": 24}`."""
    for one in value if isinstance(value, list) else ():
        if isinstance(one, dict):
            prefix = one.get("v4prefix", one.get("v6prefix"))
            network = _network(f"{prefix}/{one.get('length')}")
            if network is not None:
                yield network


def _span(networks: list[IPNetwork]) -> AddressRange | None:
    """Give the range that prefixes are together; None where there is a gap, so that they are not one."""
    if len({network.version for network in networks}) > 1:
        return None
    ordered = sorted(networks, key=lambda network: int(network[0]))
    last = int(ordered[0][-1])
    for network in ordered[1:]:
        if int(network[0]) > last + 1:
            return None
        last = max(last, int(network[-1]))
    return AddressRange(ordered[0][0], type(ordered[0][0])(last))


def _of_handle(handle: str) -> AddressRange | None:
    """Read a handle that is the range itself: "192.0.2.0 - 192.0.2.255" or a prefix."""
    start, dash, end = handle.partition("-")
    if not dash:
        network = _network(handle) if "/" in handle else None
        return None if network is None else AddressRange(network[0], network[-1])
    ends = _network(start), _network(end)
    if ends[0] is None or ends[1] is None:
        return None
    return _checked(ends[0][0], ends[1][-1])
