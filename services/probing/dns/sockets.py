"""A few shared UDP sockets for all queries, each connected to one name server.

The kernel drops what comes from another source. An answer counts only with the id and the question of a pending
query; anything else is ignored, and ends no query. Ids and the socket of each query are random, ports are the
kernel's, and a socket is replaced after so many queries, so that its port is no fixture.
"""

import asyncio
import secrets
from collections.abc import Callable

from services.probing.dns.messages import answers, query_of

SOCKETS = 4
QUERIES_PER_SOCKET = 5_000
_MOST_PENDING = 4_096


class _Query:
    """One query that waits for its answer."""

    __slots__ = ("answer", "question", "timer")

    def __init__(self, question: bytes, loop: asyncio.AbstractEventLoop) -> None:
        self.question = question
        self.answer: asyncio.Future[bytes] = loop.create_future()
        self.timer: asyncio.TimerHandle | None = None


class DnsSocket(asyncio.DatagramProtocol):
    """One connected socket and its pending queries, by id."""

    def __init__(self) -> None:
        self.used = 0
        self.pending: dict[int, _Query] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self.retired = False

    def __repr__(self) -> str:
        return f"<DnsSocket {len(self.pending)} pending, {self.used} used>"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        assert isinstance(transport, asyncio.DatagramTransport) or hasattr(transport, "sendto")
        self._transport = transport  # type: ignore[assignment]  # uvloop's is no subclass

    def send(
        self, question: bytes, seconds: float, *, edns: bool = True
    ) -> "asyncio.Future[bytes]":
        """Send a query; the future gives the answer, or raises `TimeoutError` or `OSError`."""
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        number = secrets.randbits(16)
        while number in self.pending:
            number = secrets.randbits(16)
        query = self.pending[number] = _Query(question, loop)
        query.timer = loop.call_later(seconds, self._end, number, TimeoutError())
        query.answer.add_done_callback(lambda _: self._forget(number, query))
        self.used += 1
        self._transport.sendto(query_of(number, question, edns=edns))
        return query.answer

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Match an answer with its query; whatever fits none is ignored."""
        number = int.from_bytes(data[:2], "big")
        query = self.pending.get(number)
        if query is None or not answers(data, number, query.question):
            return
        if not query.answer.done():
            query.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        """Fail every pending query: nobody listens there."""
        for number in list(self.pending):
            self._end(number, OSError("the name server can't be reached"))

    def retire(self) -> None:
        """Take no more queries, and close after the last answer."""
        self.retired = True
        self._close_if_idle()

    def close(self) -> None:
        """Close now; every pending query fails."""
        self.retired = True
        self.error_received(OSError())
        self._close_if_idle()

    def _end(self, number: int, error: BaseException) -> None:
        query = self.pending.get(number)
        if query is not None and not query.answer.done():
            query.answer.set_exception(error)

    def _forget(self, number: int, query: _Query) -> None:
        if query.timer is not None:
            query.timer.cancel()
        if self.pending.get(number) is query:
            del self.pending[number]
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self.retired and not self.pending and self._transport is not None:
            self._transport.close()
            self._transport = None


class DnsSockets:
    """The sockets to one name server."""

    def __init__(
        self,
        server: tuple[str, int],
        *,
        sockets: int = SOCKETS,
        queries: int = QUERIES_PER_SOCKET,
        pick: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        self._server = server
        self._queries = queries
        self._pick = pick
        self._places: list[DnsSocket | None] = [None] * sockets
        self._opening: dict[int, asyncio.Task[DnsSocket]] = {}

    def __repr__(self) -> str:
        return f"<DnsSockets {sum(s is not None for s in self._places)} open>"

    async def ask(self, question: bytes, seconds: float, *, edns: bool = True) -> bytes:
        """Send a question and give the answer's bytes; raises `TimeoutError` or `OSError`."""
        place = self._pick(len(self._places))
        socket = self._places[place]
        if socket is None or socket.retired:
            socket = await self._open(place)
        elif socket.used >= self._queries:
            socket.retire()
            socket = await self._open(place)
        if len(socket.pending) >= _MOST_PENDING:
            raise OSError("too many queries are pending")
        return await socket.send(question, seconds, edns=edns)

    def close(self) -> None:
        """Close every socket."""
        for task in self._opening.values():
            task.cancel()
        for socket in self._places:
            if socket is not None:
                socket.close()
        self._places = [None] * len(self._places)

    async def _open(self, place: int) -> DnsSocket:
        """Open the socket of a place once, however many queries wait for it."""
        opening = self._opening.get(place)
        if opening is None:
            opening = asyncio.create_task(self._connect(place), name="dns-socket")
            self._opening[place] = opening
            opening.add_done_callback(lambda _: self._opening.pop(place, None))
        return await asyncio.shield(opening)

    async def _connect(self, place: int) -> DnsSocket:
        loop = asyncio.get_running_loop()
        _, socket = await loop.create_datagram_endpoint(DnsSocket, remote_addr=self._server)
        self._places[place] = socket
        return socket
