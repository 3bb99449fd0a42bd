"""Hosts that are addresses, written out."""

from ipaddress import ip_address


def literal_of(host: str) -> str | None:
    """Give the address that a URL's host spells out, if it is one."""
    if not (host[0] == "[" or host[-1].isdigit()):
        return None
    try:
        return str(ip_address(host.strip("[]")))
    except ValueError:
        return None
