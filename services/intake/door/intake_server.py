"""aiohttp's server with the intake's limits: half-sent heads, too many connections, and errors as problem documents.

The parser's own errors never reach a handler, so that its protocol is where they are answered.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from services.intake.door.http_door import refused
from services.intake.door.problems import KINDS, DoorRefusal

log = structlog.get_logger(__name__)

_MOST_LINE = 8_190
_MOST_FIELDS = 64
# What a refused sender still has under way is read and dropped for so long, that it may read the answer.
_LINGERING_SECONDS = 1.0

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class IntakeProtocol(web.RequestHandler):
    """One connection."""

    __slots__ = ("_half_sent",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection, unless there are too many."""
        self._half_sent = False
        server = self._manager
        super().connection_made(transport)
        if isinstance(server, IntakeServer) and len(server.connections) > server.most_connections:
            self._end(DoorRefusal("busy", "too many connections; try again later", retry_after=5))

    def data_received(self, data: bytes) -> None:
        """Note whether a head has begun and not ended."""
        before = self._request_count
        super().data_received(data)
        self._half_sent = self._request_count == before

    async def _handle_request(self, *arguments: Any, **named: Any) -> Any:
        try:
            return await super()._handle_request(*arguments, **named)
        finally:
            self._half_sent = False

    def _process_keepalive(self) -> None:
        """End a connection on which no request came in time; one that has begun is told why."""
        waits = self._waiter is not None and not self._waiter.done()
        if waits and self._half_sent and self._loop.time() >= self._next_keepalive_close_time:
            seconds = self.keepalive_timeout
            detail = f"the head of a request has to arrive within {seconds:g} s"
            self._end(DoorRefusal("too_slow", detail))
        super()._process_keepalive()

    def _end(self, refusal: DoorRefusal) -> None:
        """Answer without a request, and close."""
        if self.transport is not None:
            self.transport.write(raw_answer(refusal))
        self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what no handler saw: what the parser refuses, and our own faults."""
        if status == 400:
            return refused(DoorRefusal("bad_request", _parser_reason(exc)))
        log.error("intake.failed", kind=type(exc).__name__, exc_info=exc)
        return refused(DoorRefusal("failed", "nothing was recorded; the operator's log says more"))


def _parser_reason(exc: BaseException | None) -> str:
    # The parser's own message quotes what was sent.
    if isinstance(exc, LineTooLong):
        return f"a line of the head is longer than {_MOST_LINE} bytes"
    return "the request is not HTTP/1.1, or its head has too many fields"


def raw_answer(refusal: DoorRefusal) -> bytes:
    """Write a refusal as the bytes of a response."""
    body = refusal.body()
    headers = {**refusal.headers(), "Content-Length": str(len(body)), "Connection": "close"}
    head = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
    reason = KINDS[refusal.word][1]
    return f"HTTP/1.1 {refusal.status} {reason}\r\n{head}\r\n".encode() + body


class IntakeServer(web.Server):
    """Makes the connections."""

    def __init__(self, answer: Answer, *, header_seconds: float, most_connections: int) -> None:
        super().__init__(
            answer,
            keepalive_timeout=header_seconds,
            access_log=None,
            max_line_size=_MOST_LINE,
            max_field_size=_MOST_LINE,
            max_headers=_MOST_FIELDS,
            lingering_time=_LINGERING_SECONDS,
            auto_decompress=False,
        )
        self.most_connections = most_connections

    def __call__(self) -> IntakeProtocol:
        """Make the protocol of a connection."""
        return IntakeProtocol(self, loop=self._loop, **self._kwargs)


async def serve_intake(
    server: IntakeServer,
    host: str,
    port: int,
    stop: asyncio.Event,
    *,
    drain_seconds: float,
    tls: ssl.SSLContext | None = None,
    ready: Callable[[int], None],
) -> None:
    """Serve until `stop` is set, then finish what is in hand; `tls`: HTTPS alone; `ready` is given the port.

    Raises:
        OSError: The address is taken or not ours.

    """
    runner = web.ServerRunner(server, shutdown_timeout=drain_seconds)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
        ready(runner.addresses[0][1])
        await stop.wait()
    finally:
        await runner.cleanup()
