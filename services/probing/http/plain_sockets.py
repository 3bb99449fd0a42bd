"""Connections on sockets of our own: all of them wait in one epoll, which the loop waits for; TLS goes over them.

The loop's transport costs a third more for a connection that makes one request: it asks the kernel about each socket
five times, keeps it in weak references, and takes another turn before it is ready (docs/measurements.md).
A socket is entered once, edge-triggered, and the kernel takes it out when it is closed.

What the answers of one turn bring about is sent together, at its end: one packet alone wakes what sleeps behind it, a
network card, a proxy or a site on this machine, and that cost a fifth of a look.
"""

import asyncio
import os
import select
import socket
from errno import EINPROGRESS
from typing import Any

from services.probing.http.deadlines import Deadlines

READ_BYTES = 16_384
_EVENTS_A_TURN = 256
IS_SUPPORTED = hasattr(select, "epoll")
if IS_SUPPORTED:
    _BROKEN = select.EPOLLERR | select.EPOLLHUP
    _ENDED = _BROKEN | select.EPOLLRDHUP
    _READABLE = _ENDED | select.EPOLLIN
    _ALL = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET


class PlainSockets:
    """Wait for sockets of one loop; `close` lets those in use end first."""

    def __init__(self, loop: asyncio.AbstractEventLoop, deadlines: Deadlines) -> None:
        self._loop = loop
        self._deadlines = deadlines
        self._epoll: select.epoll | None = None
        self._links: dict[int, PlainTransport] = {}
        self._held: list[tuple[PlainTransport, bytes]] | None = None
        self._closing = False

    def __repr__(self) -> str:
        return f"<PlainSockets {len(self._links)} open>"

    async def connect(
        self, sock: socket.socket, sockaddr: tuple[Any, ...], seconds: float
    ) -> "PlainTransport":
        """Connect a socket that does not block, and own it; raises `OSError`, `TimeoutError`."""
        error = sock.connect_ex(sockaddr)
        if error not in (0, EINPROGRESS):
            sock.close()
            raise OSError(error, os.strerror(error))
        link = PlainTransport(self, self._loop, sock)
        try:
            self._enter(sock.fileno(), link)
            self._deadlines.begin(link, seconds)
            await link.connected()
        except BaseException:
            link.close()
            raise
        finally:
            self._deadlines.end(link)
        return link

    def close(self) -> None:
        """Stop waiting as soon as no socket is left."""
        self._closing = True
        self._stop_if_empty()

    def holds(self, link: "PlainTransport", data: bytes | bytearray | memoryview) -> bool:
        """Tell whether it keeps what is to be sent for the end of the turn."""
        if self._held is None:
            return False
        self._held.append((link, bytes(data)))
        return True

    def leave(self, number: int) -> None:
        """Forget a socket that is about to be closed."""
        self._links.pop(number, None)
        self._stop_if_empty()

    def _enter(self, number: int, link: "PlainTransport") -> None:
        epoll = self._epoll
        if epoll is None:
            epoll = self._epoll = select.epoll()
            self._loop.add_reader(epoll.fileno(), self._turn)
        self._links[number] = link
        epoll.register(number, _ALL)

    def _turn(self) -> None:
        """Tell each socket what happened to it."""
        if self._epoll is None:
            return
        ready = self._epoll.poll(0, _EVENTS_A_TURN)
        for number, events in ready:
            link = self._links.get(number)
            if link is not None:
                link.notify(events)
        if len(ready) > 1 and self._held is None:
            self._held = []
            # Who waited for these sockets was woken before, and so goes on before.
            self._loop.call_soon(self._send_held)

    def _send_held(self) -> None:
        held, self._held = self._held, None
        for link, data in held or ():
            link.send(data)

    def _stop_if_empty(self) -> None:
        epoll = self._epoll
        if self._closing and not self._links and epoll is not None:
            self._epoll = None
            self._loop.remove_reader(epoll.fileno())
            epoll.close()


class PlainTransport(asyncio.Transport):
    """One socket as its protocol knows it. It ends at once: `connection_lost` is called within `close`."""

    __slots__ = ("_early", "_loop", "_protocol", "_ready", "_sock", "_sockets", "_unsent")

    def __init__(
        self, sockets: PlainSockets, loop: asyncio.AbstractEventLoop, sock: socket.socket
    ) -> None:
        self._sockets = sockets
        self._loop = loop
        self._sock: socket.socket | None = sock
        self._protocol: asyncio.Protocol | None = None
        self._ready: asyncio.Future[None] | None = None
        self._early = 0
        self._unsent = b""

    def connected(self) -> "asyncio.Future[None]":
        """Give what waits for the connection; it raises `OSError`, `TimeoutError`."""
        self._ready = ready = self._loop.create_future()
        return ready

    def expire(self) -> None:
        """End the waiting for the connection: its time is over."""
        self._settle(TimeoutError())

    def attach(self, protocol: asyncio.Protocol) -> None:
        """Give the connection to its protocol, and then what came before there was one."""
        self._protocol = protocol
        protocol.connection_made(self)
        if self._early:
            self._loop.call_soon(self.notify, self._early)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send it now, or at the end of the turn."""
        if not self._sockets.holds(self, data):
            self.send(data)

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send what the kernel takes now, and the rest when it takes more."""
        if self._sock is None:
            return
        if self._unsent:
            self._unsent += bytes(data)
            return
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            # Who writes begins to wait for the answer only after it.
            self._loop.call_soon(self._lose, error)
            return
        if sent < len(data):
            self._unsent = bytes(data[sent:])

    def is_closing(self) -> bool:
        """Tell whether it is closed."""
        return self._sock is None

    def close(self) -> None:
        """Close the socket; what was not sent is dropped."""
        self._lose(None)

    def abort(self) -> None:
        """Close the socket."""
        self._lose(None)

    def notify(self, events: int) -> None:
        """Take what the kernel says of the socket."""
        if self._ready is not None:
            self._connect(events)
        if self._protocol is None:
            self._early |= events & _READABLE
            return
        if self._unsent and events & select.EPOLLOUT:
            rest, self._unsent = self._unsent, b""
            self.send(rest)
        if events & _READABLE:
            self._read(events)

    def _connect(self, events: int) -> None:
        error = 0
        if events & _BROKEN and self._sock is not None:
            error = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self._settle(OSError(error, os.strerror(error)) if error else None)

    def _settle(self, error: OSError | None) -> None:
        ready, self._ready = self._ready, None
        if ready is None or ready.done():
            return
        if error is None:
            ready.set_result(None)
        else:
            ready.set_exception(error)

    def _read(self, events: int) -> None:
        """Read until there is no more: the kernel says once only that there is something."""
        try:
            while self._sock is not None and self._protocol is not None:
                data = self._sock.recv(READ_BYTES)
                if data:
                    self._protocol.data_received(data)
                if len(data) == READ_BYTES:
                    continue
                if not data or (events & _ENDED and not events & _BROKEN):
                    self._lose(None)
                if not events & _ENDED:
                    return
        except BlockingIOError:
            return
        except Exception as error:  # whatever a server sends, it must not end the others' turn
            self._lose(error)

    def _lose(self, error: Exception | None) -> None:
        sock, self._sock = self._sock, None
        if sock is None:
            return
        self._sockets.leave(sock.fileno())
        sock.close()
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.connection_lost(error)
