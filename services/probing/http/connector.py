"""Guarded sockets, and aiohttp's pool of connections with a way to connect of our own.

Requests are written straight to the connections of the pool, without aiohttp's `ClientSession`: no URL gets into its
exceptions, there is no response object that a body could be read from, and a whole look costs about as much as a bare
`session.head` (tests/benchmarks/bench_looks.py; with a session it cost twice that).
"""

import asyncio
import socket
import ssl
from functools import partial
from typing import Any, cast

import aiohttp
from aiohttp import ClientRequest
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey

from schemas.urls import CanonicalUrl
from services.probing.guard.guard import Guard
from services.probing.http.egress import Egress, connect_through
from services.probing.http.header_handler import RECEIVE_BUFFER, HeaderHandler

# Python 3.12 has it by name; the number is OpenSSL's (SSL_OP_LEGACY_SERVER_CONNECT).
_LEGACY_SERVER_CONNECT = 0x4


class Route:
    """What aiohttp's pool has to know of a request: where it goes, and which connections may be shared.

    The host is always an address; the name is what TLS says (SNI), and part of the key, so that two names at one
    address share no connection. So is `reusable`: a connection that will be cut is never one that was used before,
    because servers exist that send a body after HEAD, which would be read as the answer.
    """

    __slots__ = ("address", "connection_key", "port", "server_hostname")
    proxy = None

    def __init__(self, url: CanonicalUrl, address: str, *, reusable: bool) -> None:
        self.address = address
        self.port = url.port
        self.server_hostname = url.host.strip("[]")
        self.connection_key = ConnectionKey(
            address, url.port, url.scheme == "https", True, None, None, int(reusable), url.host
        )

    def __repr__(self) -> str:
        return "<Route sealed>"

    def is_ssl(self) -> bool:
        """Tell whether the connection is encrypted."""
        return self.connection_key.is_ssl


def tls_context() -> ssl.SSLContext:
    """Make a context that checks nothing and speaks with the oldest server.

    A look asks whether something answers, not whether it is trustworthy: a certificate fault is no removal, and an
    attacker between us and the server gains nothing that he could not have on port 80. So every version and cipher
    that OpenSSL was built with is spoken, TLS 1.0 too: browsers warn of it or refuse it by now, but older ones and
    curl still get the material.

    Servers from before RFC 5746 can't say that they renegotiate safely, and OpenSSL 3 refuses them for that. What the
    refusal guards against is a renegotiation into which an attacker has slipped a request of his own. We never
    renegotiate (`OP_NO_RENEGOTIATION`), so there is nothing to slip into, and browsers take these servers too.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | _LEGACY_SERVER_CONNECT
    context.set_alpn_protocols(["http/1.1"])
    return context


def sockaddr_of(route: Route) -> tuple[Any, ...]:
    """Give the socket address of a route."""
    if ":" in route.address:
        return (route.address, route.port, 0, 0)
    return (route.address, route.port)


def guarded_socket(guard: Guard, sockaddr: tuple[Any, ...]) -> socket.socket:
    """Make the socket for one real socket address, after the guard has seen it."""
    guard.check(sockaddr)
    family = socket.AF_INET if len(sockaddr) == 2 else socket.AF_INET6
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    return sock


class GuardedConnector(aiohttp.BaseConnector):
    """Connect to pinned addresses through the guard; kept-alive, few connections per host.

    aiohttp's pool with a way to connect of our own, as its connector for Unix sockets has one: there is no name to
    resolve and one address to try, and what `TCPConnector` does for several was a third of such a look.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        per_host: int,
        keepalive_seconds: float,
        egress: Egress | None = None,
    ) -> None:
        egress = egress or Egress()
        self._guard = guard
        self._proxy = egress.proxy
        self._bind_address = egress.bind_address
        self._tls = tls_context()
        super().__init__(limit=0, limit_per_host=per_host, keepalive_timeout=keepalive_seconds)
        self._handler = partial(HeaderHandler, self._loop)

    def idle(self, route: Route) -> "aiohttp.connector.Connection | None":
        """Give a connection of the pool that is ready, if there is one."""
        # A coroutine of aiohttp's that waits for nothing where nobody traces it.
        getting = self._get(route.connection_key, [])
        try:
            getting.send(None)
        except StopIteration as stop:
            return cast("aiohttp.connector.Connection | None", stop.value)
        raise RuntimeError("aiohttp's pool waits for what should be at hand: another version?")

    async def join(
        self,
        route: Route,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own
    ) -> "aiohttp.connector.Connection":
        """Give a connection of the pool, or a new one."""
        return await self.connect(cast("ClientRequest", route), [], timeout)

    async def _create_connection(
        self,
        req: ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own
    ) -> ResponseHandler:
        """Open a connection to the address of a route, with TLS where it is encrypted."""
        route, seconds, sock = cast("Route", req), timeout.sock_connect or 5.0, None
        if self._proxy is not None:
            self._guard.check(sockaddr_of(route))
            at = (route.address, route.port)
            sock = await connect_through(self._proxy, at, seconds, RECEIVE_BUFFER)
        async with asyncio.timeout(seconds):
            sock = sock or await self._connect_directly(route)
            return await self._open_protocol(route, sock)

    async def _connect_directly(self, route: Route) -> socket.socket:
        sockaddr = sockaddr_of(route)
        sock = guarded_socket(self._guard, sockaddr)
        try:
            if self._bind_address is not None:
                sock.bind((self._bind_address, 0))
            await self._loop.sock_connect(sock, sockaddr)
        except BaseException:
            sock.close()
            raise
        return sock

    async def _open_protocol(self, route: Route, sock: socket.socket) -> ResponseHandler:
        """Put the protocol, and TLS where it is asked for, on a connected socket; the loop owns it from then on.

        uvloop closes the descriptor of a connection that breaks at once without telling the socket, whose end would
        then close a number that is another connection's by now (MagicStack/uvloop, issues 653 and 738).
        """
        tls = self._tls if route.is_ssl() else None
        try:
            _, handler = await self._loop.create_connection(
                self._handler,
                sock=sock,
                ssl=tls,
                server_hostname=None if tls is None else route.server_hostname.rstrip("."),
            )
        finally:
            if type(self._loop).__module__.startswith("uvloop"):
                sock.detach()
        return handler
