"""Connections on sockets of our own: what comes early, what ends them, and what the kernel does not take at once."""

import asyncio
import socket

import pytest

from services.probing.http.deadlines import Deadlines
from services.probing.http.plain_sockets import IS_SUPPORTED, PlainSockets, PlainTransport
from tests.unit.probing.http.linking import one_more

pytestmark = pytest.mark.skipif(not IS_SUPPORTED, reason="epoll is Linux's")


class Protocol(asyncio.Protocol):
    """Take down what comes, and how it ends."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.data = b""
        self.begun: asyncio.Future[None] = loop.create_future()
        self.over: asyncio.Future[Exception | None] = loop.create_future()
        self.link: PlainTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, PlainTransport)
        self.link = transport

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        self.data += data
        if not self.begun.done():
            self.begun.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self.over.set_result(exc)


async def connected(listener: socket.socket) -> tuple[PlainSockets, PlainTransport, socket.socket]:
    """Give a connection without its protocol, and the other end of it."""
    sockets = PlainSockets(loop := asyncio.get_running_loop(), Deadlines(loop))
    return sockets, *(await one_more(sockets, listener))


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


async def answered(
    protocol: Protocol, log: list[str], name: str, data: bytearray, *, closes: bool = False
) -> None:
    """Write as soon as something came, and spoil what was written."""
    await protocol.begun
    assert protocol.link is not None
    protocol.link.write(data)
    if closes:
        protocol.link.close()
    data.clear()
    log.append(f"{name} wrote")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Take down what is sent."""
    said: list[str] = []
    send = PlainTransport.send

    def noted(link: PlainTransport, data: bytes) -> None:
        said.append(f"{data.decode()} sent")
        send(link, data)

    monkeypatch.setattr(PlainTransport, "send", noted)
    return said


Ends = dict[str, tuple[Protocol, socket.socket]]


async def all_answered(ends: Ends, log: list[str], *, closing: str = "") -> None:
    """Have each write its name, and one close at once; go on to the end of the turn."""
    async with asyncio.TaskGroup() as group:
        for name, (protocol, _) in ends.items():
            data = bytearray(name.encode())
            group.create_task(answered(protocol, log, name, data, closes=name == closing))
    await asyncio.sleep(0)


async def spoken_to(listener: socket.socket, *names: str) -> Ends:
    """Connect once for each name, and have all far sides speak before the loop goes round."""
    sockets = PlainSockets(loop := asyncio.get_running_loop(), Deadlines(loop))
    ends: Ends = {}
    for name in names:
        link, far = await one_more(sockets, listener)
        link.attach(protocol := Protocol())
        ends[name] = protocol, far
    await asyncio.sleep(0)
    for _, far in ends.values():
        far.sendall(b"x")
    return ends


async def closed(ends: Ends) -> list[bytes]:
    """Close all connections; give what each far side got."""
    got = []
    for protocol, far in ends.values():
        assert protocol.link is not None
        protocol.link.close()
        got.append(far.recv(100))
        far.close()
    return got


async def test_what_one_turn_brings_about_is_sent_together(
    listener: socket.socket, log: list[str]
) -> None:
    """Two answers of one turn have both their requests made before the first is sent, whole and in order."""
    ends = await spoken_to(listener, "a", "b")
    await all_answered(ends, log)
    assert log == ["a wrote", "b wrote", "a sent", "b sent"]
    assert await closed(ends) == [b"a", b"b"]


async def test_what_an_answer_alone_brings_about_is_sent_at_once(
    listener: socket.socket, log: list[str]
) -> None:
    """At the usual rate nothing waits for the end of a turn."""
    ends = await spoken_to(listener, "a")
    await answered(ends["a"][0], log, "a", bytearray(b"a"))
    assert log == ["a sent", "a wrote"]
    assert await closed(ends) == [b"a"]


async def test_a_connection_that_is_closed_before_the_end_of_the_turn_sends_nothing(
    listener: socket.socket, log: list[str]
) -> None:
    """The other's request goes out all the same."""
    ends = await spoken_to(listener, "a", "b")
    await all_answered(ends, log, closing="a")
    assert log == ["a wrote", "b wrote", "a sent", "b sent"]
    assert await closed(ends) == [b"", b"b"]
