"""The one gate for every socket address: resolver answers, redirect hops, and the socket itself.

A resolver alone is no gate: it is skipped for address literals, also after a redirect. So the gate stands where
every socket is made too (`services.probing.http.connector.guarded_socket`).
"""

import ipaddress
from collections.abc import Collection, Iterable
from typing import Any, Literal

from schemas.errors import ConfigError, TakedownError
from services.probing.guard.networks import (
    LOOPBACK,
    Address,
    Network,
    embedded_ipv4,
    special_reason,
)

Mode = Literal["public", "simulated"]
WEB_PORTS = frozenset({80, 443})
_ANY_HOST = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, never bound
_REMEMBERED = 65_536


class RefusedAddress(TakedownError):
    """A socket address that no look may reach; `reason` is one word and the address is not repeated."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"refused a socket address ({reason}); looks reach only what the guard allows"
        )
        self.reason = reason


class Guard:
    """Decide which socket addresses a look may reach; deny wins.

    `public`: global unicast only, ports of the allow-list only. `simulated`: 127.0.0.0/8 and ::1 and nothing
    else, so that a simulation can never reach a public address; there `ports=None` allows every port but
    those of `own_listeners` (Kafka, Postgres, metrics ...).
    An IPv6 address that carries an IPv4 address is refused in every wrapping, whatever it carries.
    """

    def __init__(
        self,
        mode: Mode,
        ports: Collection[int] | None = WEB_PORTS,
        own_listeners: Iterable[tuple[str, int]] = (),
        extra_denied: Iterable[str] = (),
    ) -> None:
        if mode not in ("public", "simulated"):
            raise ConfigError(f"guard mode {mode!r} is unknown; set public or simulated")
        if mode == "public" and not ports:
            raise ConfigError(
                "looks at public addresses need a list of allowed ports; set 80 and 443"
            )
        self.mode: Mode = mode
        self._ports = None if ports is None else frozenset(ports)
        self._own = frozenset(own_listeners)
        self._own_ports = frozenset(port for _, port in self._own)
        self._denied = tuple(_network(text) for text in extra_denied)
        self._reasons: dict[tuple[Any, ...], str | None] = {}

    def __repr__(self) -> str:
        return f"<Guard {self.mode}, {len(self._own)} own listeners, {len(self._denied)} extra networks>"

    @property
    def simulated(self) -> bool:
        """Tell whether only loopback may be reached."""
        return self.mode == "simulated"

    def check(self, sockaddr: tuple[Any, ...]) -> None:
        """Raise `RefusedAddress` unless a look may connect to this socket address."""
        reason = self.reason(sockaddr)
        if reason is not None:
            raise RefusedAddress(reason)

    def reason(self, sockaddr: tuple[Any, ...]) -> str | None:
        """Name why a socket address is refused; None where it may be reached."""
        try:
            return self._reasons[sockaddr]
        except (KeyError, TypeError):
            pass
        reason = self._examine(sockaddr)
        if isinstance(sockaddr, tuple) and _hashable(sockaddr):
            if len(self._reasons) >= _REMEMBERED:
                self._reasons.clear()
            self._reasons[sockaddr] = reason
        return reason

    def _examine(self, sockaddr: tuple[Any, ...]) -> str | None:
        if not isinstance(sockaddr, tuple) or len(sockaddr) not in (2, 4):
            return "no_socket_address"
        host, port = sockaddr[0], sockaddr[1]
        if not isinstance(host, str) or type(port) is not int or not 0 < port < 65536:
            return "no_socket_address"
        if "%" in host or (len(sockaddr) == 4 and sockaddr[3] not in (0, None)):
            return "zone"
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return "no_address"
        return self._port_reason(str(address), port) or self._address_reason(address)

    def _port_reason(self, host: str, port: int) -> str | None:
        if self._ports is not None and port not in self._ports:
            return "port"
        if port not in self._own_ports:
            return None
        if self.simulated or any(p == port and (h in _ANY_HOST or h == host) for h, p in self._own):
            return "own_listener"
        return None

    def _address_reason(self, address: Address) -> str | None:
        wrapped = embedded_ipv4(address)
        for candidate in (address,) if wrapped is None else (address, wrapped[1]):
            if any(candidate.version == n.version and candidate in n for n in self._denied):
                return "denied"
        if wrapped is not None:
            return wrapped[0]
        if self.simulated:
            inside = any(address.version == n.version and address in n for n in LOOPBACK)
            return None if inside else "not_loopback"
        return special_reason(address)


def _hashable(sockaddr: tuple[Any, ...]) -> bool:
    return all(isinstance(part, (str, int, type(None))) for part in sockaddr)


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ConfigError(
            f"a denied network is not in CIDR form ({error}); write it as 192.0.2.0/24"
        ) from None
