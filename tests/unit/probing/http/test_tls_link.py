"""TLS on sockets of our own: what goes out together, what is told to the server, and how it ends."""

import asyncio
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from services.probing.http.connector import tls_context
from services.probing.http.deadlines import Deadlines
from services.probing.http.plain_sockets import IS_SUPPORTED, PlainSockets
from services.probing.http.tls_link import TlsLink, encrypt
from tests.integration.certificates import self_signed
from tests.unit.probing.http.linking import one_more

pytestmark = pytest.mark.skipif(not IS_SUPPORTED, reason="epoll is Linux's")
REQUEST = b"HEAD / HTTP/1.1\r\n\r\n"
ALERT, HANDSHAKE = 21, 22  # RFC 8446, 5.1


class Protocol(asyncio.Protocol):
    """Take down what comes, and how it ends."""

    def __init__(self) -> None:
        self.data = b""
        self.link: TlsLink | None = None
        self.over: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, TlsLink)
        self.link = transport

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self.over.set_result(exc)


class Server:
    """The other end, a step at a time; `packets` are what it read, each as it came."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.packets: list[bytes] = []
        self.is_ready = False
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def step(self) -> None:
        """Take what came, go on with the handshake, and answer."""
        with suppress(BlockingIOError):
            self.packets.append(self.sock.recv(100_000))
            self._incoming.write(self.packets[-1])
        if not self.is_ready:
            with suppress(ssl.SSLWantReadError):
                self._tls.do_handshake()
                self.is_ready = True
        self.flush()

    def flush(self) -> None:
        """Send what is to be sent."""
        if self._outgoing.pending:
            self.sock.sendall(self._outgoing.read())

    def read(self) -> bytes:
        """Give what the client said; nothing once it said goodbye."""
        return self._tls.read(100_000)

    def say(self, text: bytes) -> None:
        """Send text."""
        self._tls.write(text)
        self.flush()

    def leave(self) -> None:
        """Say goodbye."""
        with suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self.flush()


async def shaking(
    listener: socket.socket, folder: Path, *, name: str = "a.example", seconds: float = 5.0
) -> tuple[Protocol, Server, "asyncio.Task[None]"]:
    """Begin a handshake; give the protocol, the other end, and what waits for it."""
    sockets = PlainSockets(loop := asyncio.get_running_loop(), deadlines := Deadlines(loop))
    plain, far = await one_more(sockets, listener)
    server = Server(far, self_signed(folder))
    protocol = Protocol()
    shake = encrypt(plain, protocol, tls_context(), name, deadlines, seconds)
    return protocol, server, asyncio.create_task(shake)


async def shaken(listener: socket.socket, folder: Path) -> tuple[TlsLink, Protocol, Server]:
    """Give a connection after its handshake, as its own end sees it."""
    protocol, server, shake = await shaking(listener, folder)
    while not shake.done():
        server.step()
        await asyncio.sleep(0)
    await shake
    assert protocol.link is not None
    return protocol.link, protocol, server


async def asked(link: TlsLink, server: Server) -> bytes:
    """Ask, and give what the server reads."""
    link.write(REQUEST)
    while not server.is_ready:
        server.step()
        await asyncio.sleep(0)
    return server.read()


def rest(sock: socket.socket) -> bytes:
    """Read to the end, and close."""
    got = b""
    with sock:
        sock.setblocking(True)
        while some := sock.recv(100_000):
            got += some
    return got


def kinds(records: bytes) -> list[int]:
    """Name the kinds of records."""
    found = []
    while records:
        found.append(records[0])
        records = records[5 + int.from_bytes(records[3:5]) :]
    return found


async def test_the_end_of_the_handshake_goes_out_with_the_request(
    listener: socket.socket, tmp_path: Path
) -> None:
    """With TLS 1.3 the server reads two packets of a whole look: the hello, and the rest."""
    link, protocol, server = await shaken(listener, tmp_path)
    assert not server.is_ready
    assert await asked(link, server) == REQUEST
    assert len(server.packets) == 2
    server.say(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 50_000)
    while len(protocol.data) < 50_019:
        await asyncio.sleep(0)
    link.abort()
    assert await protocol.over is None
    server.sock.close()


async def test_close_says_goodbye(listener: socket.socket, tmp_path: Path) -> None:
    """The server learns that nothing was cut off; the connection ends at once."""
    link, protocol, server = await shaken(listener, tmp_path)
    await asked(link, server)
    link.close()
    link.close()
    assert link.is_closing()
    assert await protocol.over is None
    server.step()
    assert server.read() == b""
    server.sock.close()


async def test_a_servers_goodbye_ends_it(listener: socket.socket, tmp_path: Path) -> None:
    """What came before is given to the protocol first."""
    link, protocol, server = await shaken(listener, tmp_path)
    await asked(link, server)
    server.say(b"last")
    server.leave()
    assert await protocol.over is None
    assert protocol.data == b"last"
    server.sock.close()


async def test_a_fault_of_tls_is_told_to_both_ends(listener: socket.socket, tmp_path: Path) -> None:
    """What has no place in a handshake ends it with OpenSSL's error, and the server with an alert."""
    protocol, server, shake = await shaking(listener, tmp_path)
    server.sock.sendall(b"\x16\x03\x03\x00\x04\x63\x00\x00\x00")
    with pytest.raises(ssl.SSLError):
        await shake
    assert protocol.link is None
    assert kinds(rest(server.sock)) == [HANDSHAKE, ALERT]


async def test_a_fault_after_the_handshake_ends_what_waits(
    listener: socket.socket, tmp_path: Path
) -> None:
    """Bytes that no key opens reach the protocol as the error that they are."""
    link, protocol, server = await shaken(listener, tmp_path)
    await asked(link, server)
    server.sock.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
    assert isinstance(await protocol.over, ssl.SSLError)
    assert protocol.data == b""
    server.sock.close()


async def test_a_handshake_that_is_cut_is_a_reset(listener: socket.socket, tmp_path: Path) -> None:
    """As where the system says so itself."""
    _, server, shake = await shaking(listener, tmp_path)
    server.sock.close()
    with pytest.raises(ConnectionResetError):
        await shake


async def test_a_handshake_has_its_time(listener: socket.socket, tmp_path: Path) -> None:
    """A server that says nothing is given up, and the connection closed."""
    _, server, shake = await shaking(listener, tmp_path, seconds=0.0)
    with pytest.raises(TimeoutError):
        await shake
    assert kinds(rest(server.sock)) == [HANDSHAKE]


async def test_a_name_that_cannot_be_said_closes_the_connection(
    listener: socket.socket, tmp_path: Path
) -> None:
    """The server sees the end and no hello."""
    _, server, shake = await shaking(listener, tmp_path, name=".example")
    with pytest.raises(ValueError, match="label empty"):
        await shake
    assert rest(server.sock) == b""
