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
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from schemas.urls import CanonicalUrl
from services.probing.egress import Egress, connect_through
from services.probing.guard import Guard, RefusedAddress

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

    The host is always an address, so its resolver is never asked; the name is what TLS says (SNI), and part of the
    key, so that two names at one address share no connection. So is `kept`: a connection that will be cut is never
    one that was used before, because servers exist that send a body after HEAD, which would be read as the answer.
    """

    __slots__ = ("connection_key", "port", "server_hostname", "url")
    proxy = None
    ssl = True

    def __init__(self, url: CanonicalUrl, address: str, *, kept: bool) -> None:
        self.url = URL.build(scheme=url.scheme, host=address, port=url.port)
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


class _LiteralsOnly(AbstractResolver):
    """Refuse names: addresses come from our own resolver and are pinned."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        raise RefusedAddress("name")

    async def close(self) -> None:
        """Hold nothing."""


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


def guarded_socket(guard: Guard, info: tuple[Any, ...]) -> socket.socket:
    """Make the socket for one real socket address, after the guard has seen it."""
    family, kind, proto, _, sockaddr = info
    guard.check(sockaddr)
    made = socket.socket(family, kind, proto)
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    return made


class GuardedConnector(aiohttp.TCPConnector):
    """Connect to pinned addresses through the guard; kept-alive, few connections per host."""

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
        super().__init__(
            limit=0,
            limit_per_host=per_host,
            keepalive_timeout=keepalive_seconds,
            ssl=tls_context(),
            resolver=_LiteralsOnly(),
            use_dns_cache=False,
            happy_eyeballs_delay=None,
            socket_factory=partial(guarded_socket, guard),
            local_addr=None if egress.bind_address is None else (egress.bind_address, 0),
        )
        made = partial(HeaderHandler, loop=self._loop)
        self._factory = cast("partial[ResponseHandler]", made)

    async def join(
        self,
        route: Route,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own
    ) -> "aiohttp.connector.Connection":
        """Give a connection of the pool, or a new one."""
        return await self.connect(cast("ClientRequest", route), [], timeout)

    async def _wrap_create_connection(
        self,
        *args: Any,
        addr_infos: list[Any],
        req: ClientRequest,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own
        client_error: type[Exception] = aiohttp.ClientConnectorError,
        **kwargs: Any,
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        """Go through the proxy, where there is one; the guard sees the address that the proxy is given."""
        if self._proxy is None:
            return await super()._wrap_create_connection(
                *args,
                addr_infos=addr_infos,
                req=req,
                timeout=timeout,
                client_error=client_error,
                **kwargs,
            )
        sockaddr = addr_infos[0][4]
        self._guard.check(sockaddr)
        seconds = timeout.sock_connect or 5.0
        sock = await connect_through(
            self._proxy, (sockaddr[0], sockaddr[1]), seconds, RECEIVE_BUFFER
        )
        async with asyncio.timeout(seconds):
            made = await self._loop.create_connection(*args, **kwargs, sock=sock)
        return cast("tuple[asyncio.Transport, ResponseHandler]", made)
