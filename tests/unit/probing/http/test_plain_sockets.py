"""Connections on sockets of our own: what comes early, what ends them, and what the kernel does not take at once."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from services.probing.http.deadlines import Deadlines
from services.probing.http.plain_sockets import IS_SUPPORTED, PlainSockets, PlainTransport

pytestmark = pytest.mark.skipif(not IS_SUPPORTED, reason="epoll is Linux's")


class Protocol(asyncio.Protocol):
    """Take down what comes, and how it ends."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.data = b""
        self.begun: asyncio.Future[None] = loop.create_future()
        self.over: asyncio.Future[Exception | None] = loop.create_future()

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        self.data += data
        if not self.begun.done():
            self.begun.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self.over.set_result(exc)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Listen on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


async def connected(listener: socket.socket) -> tuple[PlainSockets, PlainTransport, socket.socket]:
    """Give a connection without its protocol, and the other end of it."""
    sockets = PlainSockets(loop := asyncio.get_running_loop(), Deadlines(loop))
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    link = await sockets.connect(sock, listener.getsockname(), 5.0)
    return sockets, link, listener.accept()[0]


async def test_what_came_before_the_protocol_is_given_to_it(listener: socket.socket) -> None:
    """A server that speaks first and closes is heard to its end."""
    sockets, link, far = await connected(listener)
    far.sendall(b"early")
    far.close()
    await asyncio.sleep(0)
    protocol = Protocol()
    link.attach(protocol)
    assert await protocol.over is None
    assert protocol.data == b"early"
    assert link.is_closing()
    assert repr(sockets) == "<PlainSockets 0 open>"


async def test_more_than_one_reading_takes_is_read(listener: socket.socket) -> None:
    """All bytes arrive, though the kernel says once only that there are some."""
    _, link, far = await connected(listener)
    link.attach(protocol := Protocol())
    far.sendall(b"x" * 100_000)
    far.close()
    assert await protocol.over is None
    assert len(protocol.data) == 100_000


async def test_what_the_kernel_does_not_take_is_sent_later(listener: socket.socket) -> None:
    """A request longer than the kernel's buffer is sent whole and in order."""
    _, link, far = await connected(listener)
    link.attach(Protocol())
    text = bytes(range(256)) * 60_000
    link.write(text[:-3])
    link.write(text[-3:])

    def read() -> bytes:
        got = b""
        while len(got) < len(text) and (some := far.recv(1 << 20)):
            got += some
        return got

    assert await asyncio.to_thread(read) == text
    link.close()
    far.close()


async def test_a_closed_port_refuses(listener: socket.socket) -> None:
    """What is refused is raised, and nothing is left behind."""
    at = listener.getsockname()
    listener.close()
    sockets = PlainSockets(loop := asyncio.get_running_loop(), Deadlines(loop))
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    with pytest.raises(ConnectionRefusedError):
        await sockets.connect(sock, at, 5.0)
    assert sock.fileno() == -1
    assert repr(sockets) == "<PlainSockets 0 open>"


async def test_a_reset_is_said_to_the_protocol(listener: socket.socket) -> None:
    """A connection that is reset ends with its error."""
    _, link, far = await connected(listener)
    link.attach(protocol := Protocol())
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    far.close()
    assert isinstance(await protocol.over, ConnectionResetError)


async def test_those_in_use_end_first(listener: socket.socket) -> None:
    """A connection in use is served after `close`, until it is closed."""
    sockets, link, far = await connected(listener)
    link.attach(protocol := Protocol())
    sockets.close()
    far.sendall(b"late")
    await protocol.begun
    link.abort()
    assert protocol.data == b"late"
    far.close()
