"""The wire of one exchange: guarded sockets, and a protocol that takes the header block and nothing else.

G1: what follows the header block never reaches the parser, let alone our code. The receive buffer is small, so a
server that ignores `Range` is cut within one buffer. aiohttp bounds neither the count of 1xx responses nor the
bytes of a header block (engineering 4.4), so both are counted here.

Requests are written straight to the connections of aiohttp's pool, without its `ClientSession`: no URL gets into
its exceptions, there is no response object that a body could be read from, and a whole look costs about as
much as a bare `session.head` (tests/benchmarks/bench_looks.py; with a session it cost twice that).
"""

import asyncio
import re
import socket
import ssl
from contextvars import ContextVar
from functools import partial
from time import monotonic
from typing import Any, cast

import aiohttp
from aiohttp import ClientRequest
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey

from schemas.urls import CanonicalUrl
from services.probing.guard.guard import Guard
from services.probing.http.egress import Egress, connect_through

RECEIVE_BUFFER = 16_384
HEADER_BYTES = 32_768
INTERIM_RESPONSES = 8
_BLOCK_END = re.compile(
    rb"\n\r?\n"
)  # the parser accepts a bare LF, so it must be cut there as well


class Flood(aiohttp.ClientError):
    """A server that sends more before its answer than any honest one; `reason` is a reason code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Attempt:
    """One try at an exchange; `handler` is set as soon as there is a TCP connection."""

    __slots__ = ("begun_at", "handler")

    def __init__(self) -> None:
        self.begun_at = monotonic()
        self.handler: HeaderHandler | None = None

    def phases(self) -> dict[str, float]:
        """Seconds of connect, tls and first byte, as far as this try went through them."""
        found: dict[str, float] = {}
        handler, since = self.handler, self.begun_at
        if handler is None:
            return found
        if handler.born_at > since:
            found["connect"] = handler.born_at - since
            since = handler.born_at
            if handler.encrypted and handler.made_at is not None:
                found["tls"] = handler.made_at - since
                since = handler.made_at
        if handler.first_byte_at is not None and handler.first_byte_at > since:
            found["first_byte"] = handler.first_byte_at - since
        return found


CURRENT: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


class HeaderHandler(ResponseHandler):
    """Feed the parser header blocks only, each up to its end, and drop what follows."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.born_at = monotonic()
        self.made_at: float | None = None
        self.first_byte_at: float | None = None
        self.encrypted = False
        self.exchanges = 0
        self.taken = 0
        self._ended = True
        self._edge = b""
        self._interim = 0
        self._cut_after = False
        attempt = CURRENT.get()
        if attempt is not None:
            attempt.handler = self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note when the connection, with TLS where there is any, was ready."""
        super().connection_made(transport)
        self.made_at = monotonic()
        self.encrypted = transport.get_extra_info("ssl_object") is not None

    def expect(self, *, head: bool) -> None:
        """Begin to wait for the answer to one request."""
        self.exchanges += 1
        self.first_byte_at = None
        self.taken = self._interim = 0
        self._edge = b""
        self._ended = False
        self._cut_after = not head
        self.set_response_params(
            skip_payload=head,
            read_until_eof=True,
            auto_decompress=False,
            read_bufsize=RECEIVE_BUFFER,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
            max_headers=HEADER_BYTES,
        )

    def data_received(self, data: bytes) -> None:
        """Pass on what belongs to a header block; count it against the cap."""
        if self._ended:
            self._drop()
            return
        if self.first_byte_at is None:
            self.first_byte_at = monotonic()
        before, start = self.taken, 0
        self.taken += len(data)
        while start < len(data) and not self._ended:
            if before + start >= HEADER_BYTES:
                self._refuse("header_flood")
                return
            start = self._feed_block(data, start)
        if start < len(data):
            self._drop()

    def _feed_block(self, data: bytes, start: int) -> int:
        """Feed the parser up to the end of one header block; returns how far it got."""
        edge = self._edge
        found = _BLOCK_END.search(edge + data[start:] if edge or start else data)
        end = len(data) if found is None else start + found.end() - len(edge)
        end = min(end, start + HEADER_BYTES)
        piece = data if start == 0 and end == len(data) else data[start:end]
        self._edge = b"" if found is not None else (edge + piece)[-2:]
        super().data_received(piece)
        if self._exception is not None:
            self._ended = True
        return end

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Take one parsed header block: an interim response, which is let go, or the answer."""
        if 100 <= data[0].code < 200 and data[0].code != 101:
            self._interim += 1
            if self._interim > INTERIM_RESPONSES:
                self._refuse("interim_flood")
            return
        self._ended = True
        super().feed_data(data, size)
        if self._cut_after:
            self._drop()

    def _refuse(self, reason: str) -> None:
        self._ended = True
        self.set_exception(Flood(reason))
        if self.transport is not None:
            self.transport.abort()

    def _drop(self) -> None:
        """Let bytes go that nobody asked for, and the connection with them, also while it lies in the pool."""
        self._should_close = True
        if self.transport is not None:
            self.transport.abort()


class Route:
    """What aiohttp's pool has to know of a request: where it goes, and which connections may be shared.

    The host is always an address; the name is what TLS says (SNI), and part of the key, so that two names at one
    address share no connection. So is `kept`: a connection that will be cut is never one that was used before,
    because servers exist that send a body after HEAD, which would be read as the answer.
    """

    __slots__ = ("address", "connection_key", "port", "server_hostname")
    proxy = None

    def __init__(self, url: CanonicalUrl, address: str, *, kept: bool) -> None:
        self.address = address
        self.port = url.port
        self.server_hostname = url.host.strip("[]")
        self.connection_key = ConnectionKey(
            address, url.port, url.scheme == "https", True, None, None, int(kept), url.host
        )

    def __repr__(self) -> str:
        return "<Route sealed>"

    def is_ssl(self) -> bool:
        """Tell whether the connection is encrypted."""
        return self.connection_key.is_ssl


def tls_context() -> ssl.SSLContext:
    """Make a context that checks nothing and speaks with the oldest server.

    A look asks whether something answers, not whether it is trustworthy: a certificate fault is no removal, and an
    attacker between us and the server gains nothing that he could not have on port 80.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
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
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    return made


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
        self._bound = egress.bind_address
        self._tls = tls_context()
        super().__init__(limit=0, limit_per_host=per_host, keepalive_timeout=keepalive_seconds)
        self._handler = partial(HeaderHandler, self._loop)

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
            sock = sock or await self._straight(route)
            return await self._spoken_to(route, sock)

    async def _straight(self, route: Route) -> socket.socket:
        sockaddr = sockaddr_of(route)
        sock = guarded_socket(self._guard, sockaddr)
        try:
            if self._bound is not None:
                sock.bind((self._bound, 0))
            await self._loop.sock_connect(sock, sockaddr)
        except BaseException:
            sock.close()
            raise
        return sock

    async def _spoken_to(self, route: Route, sock: socket.socket) -> ResponseHandler:
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
