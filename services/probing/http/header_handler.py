"""The protocol of one connection: takes the header block of each answer and nothing else.

G1: what follows the header block is dropped here and reaches nothing. The receive buffer is small, so a server that
ignores `Range` is cut within one buffer. The bytes of all header blocks before and of an answer are counted, and so
are its interim answers.
"""

import asyncio
import re
from time import monotonic
from typing import cast

import aiohttp

from services.probing.http.deadlines import Deadlines
from services.probing.http.head import (
    LINE_ENDS,
    BadHead,
    HeaderBlock,
    begins_like_head,
    read_head,
    read_plain_head,
)

RECEIVE_BUFFER = 16_384
HEADER_BYTES = 32_768
INTERIM_RESPONSES = 8
_BLOCK_END = re.compile(rb"\n\r?\n")


class Flood(aiohttp.ClientError):
    """A server that sends more before its answer than any honest one; `reason` is a reason code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Attempt:
    """One try at an exchange, for so many seconds; `handler` is set as soon as there is a TCP connection."""

    __slots__ = ("begun_at", "handler", "seconds")

    def __init__(self, seconds: float) -> None:
        self.begun_at = monotonic()
        self.seconds = seconds
        self.handler: HeaderHandler | None = None

    def left(self) -> float:
        """Tell how many seconds are left."""
        return max(self.begun_at + self.seconds - monotonic(), 0.0)

    def phases(self) -> dict[str, float]:
        """Seconds of connect, tls and first byte, as far as this try went through them."""
        phases: dict[str, float] = {}
        handler, since = self.handler, self.begun_at
        if handler is None:
            return phases
        if handler.born_at > since:
            phases["connect"] = handler.born_at - since
            since = handler.born_at
            if handler.encrypted and handler.made_at is not None:
                phases["tls"] = handler.made_at - since
                since = handler.made_at
        if handler.first_byte_at is not None and handler.first_byte_at > since:
            phases["first_byte"] = handler.first_byte_at - since
        return phases


class HeaderHandler(asyncio.Protocol):
    """Read header blocks, each up to its end, and drop what follows.

    It is kept for other requests by `is_connected`, `should_close`, `close`, `abort` and `closed`.
    """

    __slots__ = (
        *("born_at", "encrypted", "exchanges", "first_byte_at", "made_at"),
        *("should_close", "taken", "transport"),
        *("_before", "_closed", "_cut_after", "_deadlines", "_ended", "_interim", "_loop"),
        *("_odd", "_pending", "_waiter"),
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, deadlines: Deadlines) -> None:
        self._loop = loop
        self._deadlines = deadlines
        self.transport: asyncio.Transport | None = None
        self.should_close = False
        self.born_at = monotonic()
        self.made_at: float | None = None
        self.first_byte_at: float | None = None
        self.encrypted = False
        self.exchanges = 0
        self.taken = 0
        self._closed: asyncio.Future[None] | None = None
        self._waiter: asyncio.Future[HeaderBlock] | None = None
        self._ended = True
        self._pending = bytearray()
        self._before = 0
        self._interim = 0
        self._odd = False
        self._cut_after = False

    # -- the connection ----------------------------------------------------------------------------

    @property
    def closed(self) -> "asyncio.Future[None] | None":
        """Give a future that ends with the connection; None: it has ended."""
        if self.transport is not None and self._closed is None:
            self._closed = self._loop.create_future()
        return self._closed

    def is_connected(self) -> bool:
        """Tell whether a request can be written."""
        return self.transport is not None and not self.transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note when the connection, with TLS where there is any, was ready."""
        self.transport = cast("asyncio.Transport", transport)
        self.made_at = monotonic()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the waiting for an answer with what broke the connection."""
        self.transport = None
        if self._waiter is not None:
            self._fail(exc or aiohttp.ServerDisconnectedError())
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)

    def close(self) -> None:
        """Close the connection, and let TLS say goodbye."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    # -- one answer --------------------------------------------------------------------------------

    def expect(self, *, head: bool) -> None:
        """Begin to wait for the answer to one request."""
        self.exchanges += 1
        self.first_byte_at = None
        self.taken = self._before = self._interim = 0
        self._pending.clear()
        self._ended = self._odd = False
        self._cut_after = not head

    def answer(self, seconds: float) -> "asyncio.Future[HeaderBlock]":
        """Give what waits for the header block of the answer; it raises `TimeoutError` after so many seconds.

        Who gives up waiting aborts the connection.
        """
        waiter = self._waiter = self._loop.create_future()
        self._deadlines.begin(self, seconds)
        return waiter

    def expire(self) -> None:
        """End the waiting for an answer: its time is over."""
        self._fail(TimeoutError())

    def _fail(self, error: Exception) -> None:
        self.should_close = self._ended = True
        waiter = self._end_waiting()
        if waiter is not None:
            waiter.set_exception(error)

    def _end_waiting(self) -> "asyncio.Future[HeaderBlock] | None":
        """Give who waits still, once."""
        waiter, self._waiter = self._waiter, None
        if waiter is None:
            return None
        self._deadlines.end(self)
        return None if waiter.done() else waiter

    def data_received(self, data: bytes) -> None:
        """Take what belongs to a header block; let go what does not."""
        if self._ended:
            self._drop()
            return
        if self.first_byte_at is None:
            self.first_byte_at = monotonic()
        self.taken += len(data)
        if not self._pending and self._take_plain(data):
            return
        self._pending += data
        searched = len(self._pending) - len(data)
        while not self._ended and (end := self._end_of_block(searched)):
            block = bytes(self._pending[:end])
            del self._pending[:end]
            self._before += end
            searched = 0
            self._take(block)
        if self._pending and self._ended:
            self._drop()

    def _take_plain(self, data: bytes) -> bool:
        """Take an answer that is one plain block, as nearly all are; tells whether it was."""
        end = data.find(b"\r\n\r\n") + 4
        if end < 4 or self._before + end > HEADER_BYTES:
            return False
        head = read_plain_head(data if end == len(data) else data[:end])
        if head is None:
            return False
        self._give(head)
        if end < len(data):
            self._drop()
        return True

    def _end_of_block(self, searched: int) -> int:
        """Tell where the block ends that is pending, or 0; refuse one that is none, or too long."""
        pending = self._pending
        while pending and pending[0] in LINE_ENDS:
            # RFC 9112, 2.2 asks servers to let empty lines before a message pass; browsers do as well.
            del pending[0]
            self._before += 1
            self._odd, searched = True, 0
        if pending and not begins_like_head(pending):
            self._refuse(BadHead("no status line"))
            return 0
        match = _BLOCK_END.search(pending, max(searched - 2, 0))
        end = 0 if match is None else match.end()
        if self._before + (end or len(pending)) > HEADER_BYTES:
            self._refuse(Flood("header_flood"))
            return 0
        return end

    def _take(self, block: bytes) -> None:
        """Take one header block: an interim answer, which is let go, or the answer."""
        try:
            head = read_head(block)
        except BadHead as error:
            self._refuse(error)
            return
        if 100 <= head.status < 200 and head.status != 101:
            self._interim += 1
            if self._interim > INTERIM_RESPONSES:
                self._refuse(Flood("interim_flood"))
            return
        self._give(head)

    def _give(self, head: HeaderBlock) -> None:
        """Hand over the answer."""
        self._ended = True
        if self._odd or not head.reusable:
            self.should_close = True
        waiter = self._end_waiting()
        if waiter is not None:
            waiter.set_result(head)
        if self._cut_after:
            self._drop()

    def _refuse(self, error: Exception) -> None:
        self._fail(error)
        self.abort()

    def _drop(self) -> None:
        """Let bytes go that nobody asked for, and the connection with them, also while it is kept."""
        self._pending.clear()
        self.should_close = True
        self.abort()
