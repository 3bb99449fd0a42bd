"""Which IP families this vantage can reach: a place without IPv6 must not wait for IPv6 to say gone."""

import socket
from collections.abc import Callable

Families = frozenset[int]
BOTH: Families = frozenset({4, 6})
_FAR_AWAY = {4: "11.0.0.1", 6: "2000::1"}  # any global unicast address asks for the default route


def _connect(version: int, address: str) -> None:
    """Ask the kernel for a route; connecting a datagram socket sends nothing."""
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((address, 9))


def routed_families(connect: Callable[[int, str], None] = _connect) -> Families:
    """Tell which families have a route to the outside; both, where nothing has one."""
    routed = set()
    for version, address in _FAR_AWAY.items():
        try:
            connect(version, address)
        except OSError:
            continue
        routed.add(version)
    return frozenset(routed) or BOTH
