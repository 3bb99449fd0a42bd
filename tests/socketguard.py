"""Refuse every connection of the test run that would leave this machine.

An audit hook sees the connects, datagrams and name look-ups of CPython's own sockets, before they
happen, whoever makes them. uvloop asks libuv instead, which no hook sees: its two entry points for
addresses are wrapped. What was tried is kept, so that a test fails even where the code under test
swallows the refusal.
"""

import functools
import ipaddress
import socket
import sys
from typing import Any

import uvloop

attempts: list[str] = []
_CONNECTING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_RESOLVING = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})


class OutsideConnection(RuntimeError):
    """A test tried to talk to something that is not on this machine."""


@functools.cache
def install() -> None:
    """Guard this process from now on; an audit hook can't be taken away again."""
    sys.addaudithook(_audit)
    _wrap_uvloop()


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _CONNECTING:
        sock, address = arguments[0], arguments[1]
        if sock.family in (socket.AF_INET, socket.AF_INET6) and address is not None:
            check(address[0])
    elif event in _RESOLVING:
        check(arguments[0])


def check(host: object) -> None:
    """Raise and remember if `host` is neither a loopback address nor a name of this machine."""
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
    if text in ("", "localhost", socket_name()) or _is_local(text):
        return
    attempts.append(text)
    raise OutsideConnection(f"the test run may not reach {text}")


def socket_name() -> str:
    return socket.gethostname()


def _is_local(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    # An unspecified address is what a listening server binds; connected to, it is loopback.
    return address.is_loopback or address.is_unspecified


def _wrap_uvloop() -> None:
    plain_connection = uvloop.Loop.create_connection
    plain_datagram = uvloop.Loop.create_datagram_endpoint

    async def create_connection(
        self: Any, factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        check(host)
        return await plain_connection(self, factory, host, port, **options)

    async def create_datagram_endpoint(
        self: Any, factory: Any, local_addr: Any = None, remote_addr: Any = None, **options: Any
    ) -> Any:
        check(remote_addr[0] if remote_addr else None)
        return await plain_datagram(self, factory, local_addr, remote_addr, **options)

    uvloop.Loop.create_connection = create_connection
    uvloop.Loop.create_datagram_endpoint = create_datagram_endpoint
