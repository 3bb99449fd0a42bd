"""Addresses as numbers: the IPv4 address that an IPv6 address carries is the one that is attributed.

::ffff:0:0/96 is another spelling of IPv4. What stands in 64:ff9b::/96 (RFC 6052) is behind a translator of our own
network, and a 6to4 site (RFC 3056) is reached at its IPv4 address: in both the host is where the IPv4 address is.
A Teredo address names a relay and a client behind a NAT, and the translators of 64:ff9b:1::/48 (RFC 8215) put the
IPv4 address where they like: both stay as they are.
"""

from ipaddress import IPv6Address
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Literal, NamedTuple

Wrapping = Literal["ipv4_mapped", "nat64", "6to4"]
_BITS = {4: 32, 6: 128}
_LOW = 0xFFFFFFFF
_MAPPED, _NAT64, _SIX_TO_FOUR = 0xFFFF, 0x64FF9B << 64, 0x2002


class Numeric(NamedTuple):
    """An address as a number, and in what an IPv4 address was wrapped."""

    version: int
    value: int
    wrapping: Wrapping | None = None

    @property
    def text(self) -> str:
        """The address in its usual spelling."""
        return _text(self.version, self.value)


def numeric(address: str) -> Numeric | None:
    """Read an address, unwrapped; None for what is none, and for one with a zone."""
    try:
        if ":" not in address:
            return Numeric(4, int.from_bytes(inet_pton(AF_INET, address), "big"))
        value = int.from_bytes(inet_pton(AF_INET6, address), "big")
    except (OSError, ValueError):
        return None
    return unwrapped(value)


def unwrapped(value: int) -> Numeric:
    """Take the IPv4 address out of an IPv6 address that is only its wrapping."""
    if value >> 32 == _MAPPED:
        return Numeric(4, value & _LOW, "ipv4_mapped")
    if value >> 32 == _NAT64:
        return Numeric(4, value & _LOW, "nat64")
    if value >> 112 == _SIX_TO_FOUR:
        return Numeric(4, value >> 80 & _LOW, "6to4")
    return Numeric(6, value)


def bits_of(version: int) -> int:
    """Say how many bits an address of a version has."""
    return _BITS[version]


def prefix_text(version: int, first: int, length: int) -> str:
    """Write a prefix in its usual spelling."""
    return f"{_text(version, first)}/{length}"


def _text(version: int, value: int) -> str:
    if version == 4:
        return inet_ntop(AF_INET, value.to_bytes(4, "big"))
    if value >> 48:
        return inet_ntop(AF_INET6, value.to_bytes(16, "big"))
    # The C library writes the last four bytes of these as those of an IPv4 address.
    return str(IPv6Address(value))
