"""Names under which DNS services answer for an address: its digits in reverse below a zone."""

import ipaddress


def reverse_labels(address: str) -> str:
    """Give the reversed digits of an address: octets of IPv4, nibbles of IPv6; raises `ValueError`."""
    pointer = ipaddress.ip_address(address).reverse_pointer
    return pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
