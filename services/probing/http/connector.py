"""Guarded sockets, the connections on them, and which of those are kept for another request.

Requests are written straight to a connection: no URL gets into a client's exceptions, there is no response object that
a body could be read from, and a whole look costs less than a bare `session.head` of aiohttp's
(tests/benchmarks/bench_looks.py; with its session it cost twice that).
"""

import asyncio
import errno
import os
import socket
import ssl
from time import monotonic
from typing import Any

from schemas.urls import CanonicalUrl
from services.probing.guard.guard import Guard
from services.probing.http.deadlines import Deadlines
from services.probing.http.egress import Egress, connect_through
from services.probing.http.header_handler import RECEIVE_BUFFER, Attempt, HeaderHandler
from services.probing.http.kept_connections import KeptConnections
from services.probing.http.plain_sockets import IS_SUPPORTED, PlainSockets
from services.probing.http.tls_link import encrypt

# Python 3.12 has it by name; the number is OpenSSL's (SSL_OP_LEGACY_SERVER_CONNECT).
_LEGACY_SERVER_CONNECT = 0x4
_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux has it


class Route:
    """Where requests go, and the key by which connections are kept: requests of one route share them.

    The host is always an address; the name is what TLS says (SNI), so that two names at one address share no
    connection. A connection that will be cut is never one that was used before, because servers exist that send a body
    after HEAD, which would be read as the answer: so it is kept for nobody.
    """

    __slots__ = ("is_ssl", "server_hostname", "sockaddr")

    def __init__(self, url: CanonicalUrl, address: str) -> None:
        self.sockaddr: tuple[Any, ...] = (address, url.port)
        if ":" in address:
            self.sockaddr = (address, url.port, 0, 0)
        self.is_ssl = url.scheme == "https"
        self.server_hostname = url.host.strip("[]").rstrip(".")

    def __repr__(self) -> str:
        return "<Route sealed>"


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


def guarded_socket(guard: Guard, sockaddr: tuple[Any, ...]) -> socket.socket:
    """Make the socket for one real socket address, after the guard has seen it."""
    guard.check(sockaddr)
    family = socket.AF_INET if len(sockaddr) == 2 else socket.AF_INET6
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    if _QUICK_ACK is not None:
        # tcp(7): the acknowledgement that ends the handshake goes out with the request, a packet less for everybody.
        sock.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 0)
    return sock


async def connect(sock: socket.socket, sockaddr: tuple[Any, ...], seconds: float) -> None:
    """Connect a socket that does not block; raises `OSError`, `TimeoutError`.

    The loop's own `sock_connect` costs half as much again (tests/benchmarks/bench_looks.py).
    """
    error = sock.connect_ex(sockaddr)
    if error == errno.EINPROGRESS:
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        timer = loop.call_later(seconds, _settle, ready, errno.ETIME)
        loop.add_writer(sock, _settle, ready, 0)
        try:
            error = await ready or sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        finally:
            loop.remove_writer(sock)
            timer.cancel()
    if error == errno.ETIME:
        raise TimeoutError
    if error:
        raise OSError(error, os.strerror(error))


def _settle(ready: "asyncio.Future[int]", error: int) -> None:
    if not ready.done():
        ready.set_result(error)


class GuardedConnector:
    """Connect to pinned addresses through the guard; kept-alive, few connections per host.

    There is no name to resolve and one address to try.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        per_host: int,
        connect_seconds: float,
        keepalive_seconds: float,
        egress: Egress | None = None,
    ) -> None:
        egress = egress or Egress()
        self._guard = guard
        self._connect_seconds = connect_seconds
        self._proxy = egress.proxy
        self._bind_address = egress.bind_address
        self._tls = tls_context()
        self._loop = asyncio.get_running_loop()
        self._unmanaged = type(self._loop).__module__.startswith("uvloop")
        pool: KeptConnections[Route, HeaderHandler] = KeptConnections(
            per_route=per_host, keepalive_seconds=keepalive_seconds
        )
        self._pool = pool
        self._deadlines = Deadlines(self._loop)
        self._plain = PlainSockets(self._loop, self._deadlines)
        self.idle, self.release = pool.idle, pool.release

    async def close(self) -> None:
        """Close every connection that is idle; those in use are closed as they are given back."""
        await self._pool.close()
        self._plain.close()
        self._deadlines.close()

    async def join(self, route: Route, attempt: Attempt) -> HeaderHandler:
        """Give a connection that is kept, or a new one, within the time of an attempt; `release` takes it back."""
        handler = await self._pool.enter(route, attempt.left())
        if handler is not None:
            return handler
        try:
            return await self.open(route, attempt)
        except BaseException:
            self._pool.leave(route)
            raise

    async def open(self, route: Route, attempt: Attempt) -> HeaderHandler:
        """Open a connection to the address of a route, with TLS where it is encrypted; it is the caller's own."""
        if self._proxy is not None:
            self._guard.check(route.sockaddr)
            seconds, at = self._connect_seconds, (route.sockaddr[0], route.sockaddr[1])
            async with asyncio.timeout(attempt.left()):
                sock = await connect_through(self._proxy, at, seconds, RECEIVE_BUFFER)
                async with asyncio.timeout(seconds):
                    return await self._open_protocol(route, sock, attempt)
        seconds = min(attempt.left(), self._connect_seconds)
        if IS_SUPPORTED:
            return await self._open_here(route, seconds, attempt)
        until = monotonic() + seconds
        sock = await self._connect_directly(route, until - monotonic())
        if not route.is_ssl:
            return await self._open_protocol(route, sock, attempt)
        async with asyncio.timeout(max(until - monotonic(), 0.0)):
            return await self._open_protocol(route, sock, attempt)

    async def _open_here(self, route: Route, seconds: float, attempt: Attempt) -> HeaderHandler:
        """Open a connection on a socket of our own."""
        until = monotonic() + seconds
        transport = await self._plain.connect(self._socket(route), route.sockaddr, seconds)
        handler = attempt.handler = HeaderHandler(self._loop, self._deadlines)
        if not route.is_ssl:
            transport.attach(handler)
            return handler
        handler.encrypted = True
        left = max(until - monotonic(), 0.0)
        name = route.server_hostname
        await encrypt(transport, handler, self._tls, name, self._deadlines, left)
        return handler

    def _socket(self, route: Route) -> socket.socket:
        sock = guarded_socket(self._guard, route.sockaddr)
        if self._bind_address is None:
            return sock
        try:
            sock.bind((self._bind_address, 0))
        except BaseException:
            sock.close()
            raise
        return sock

    async def _connect_directly(self, route: Route, seconds: float) -> socket.socket:
        sock = self._socket(route)
        try:
            await connect(sock, route.sockaddr, seconds)
        except BaseException:
            sock.close()
            raise
        return sock

    async def _open_protocol(
        self, route: Route, sock: socket.socket, attempt: Attempt
    ) -> HeaderHandler:
        """Put the protocol, and TLS where it is asked for, on a connected socket; the loop owns it from then on.

        uvloop closes the descriptor of a connection that breaks at once without telling the socket, whose end would
        then close a number that is another connection's by now (MagicStack/uvloop, issues 653 and 738).
        """
        handler = attempt.handler = HeaderHandler(self._loop, self._deadlines)
        handler.encrypted = route.is_ssl
        try:
            await self._loop.create_connection(
                lambda: handler,
                sock=sock,
                ssl=self._tls if route.is_ssl else None,
                server_hostname=route.server_hostname if route.is_ssl else None,
            )
        finally:
            if self._unmanaged:
                sock.detach()
        return handler
