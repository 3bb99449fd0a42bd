"""TLS over a socket of our own: what comes goes through OpenSSL in memory, and to the protocol.

A look by the loop's own TLS costs a fifth more of the processor (docs/measurements.md). With TLS 1.3 the end of the
handshake goes out in one packet with the request.
"""

import asyncio
import ssl
from contextlib import suppress

from services.probing.http.deadlines import Deadlines
from services.probing.http.plain_sockets import READ_BYTES, PlainTransport


async def encrypt(
    plain: PlainTransport,
    protocol: asyncio.Protocol,
    context: ssl.SSLContext,
    name: str,
    deadlines: Deadlines,
    seconds: float,
) -> None:
    """Shake hands over a connection, which has no protocol yet, and give it to this one; `name` is what SNI says.

    Raises `OSError`, of which `ssl.SSLError` is one, `TimeoutError`, and `ValueError` for a name that SNI can't say;
    the connection is closed then.
    """
    try:
        link = TlsLink(plain, protocol, context, name)
        deadlines.begin(link, seconds)
        try:
            plain.attach(link)
            await link.ready
        finally:
            deadlines.end(link)
            # Where the first message can't be written nobody waits.
            link.ready.cancel()
    except BaseException:
        plain.abort()
        raise


class TlsLink(asyncio.Transport, asyncio.Protocol):
    """One encrypted connection: the protocol of a plain one, and what its own protocol writes to."""

    __slots__ = ("_incoming", "_is_ready", "_outgoing", "_plain", "_protocol", "_tls", "ready")

    def __init__(
        self,
        plain: PlainTransport,
        protocol: asyncio.Protocol,
        context: ssl.SSLContext,
        name: str,
    ) -> None:
        self._plain = plain
        self._protocol = protocol
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._is_ready = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __repr__(self) -> str:
        return "<TlsLink sealed>"

    # -- to the plain connection -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self._shake()

    def data_received(self, data: bytes) -> None:
        """Take what came; a fault of TLS is raised, and ends the connection, once the server is told of it."""
        self._incoming.write(data)
        try:
            if not self._is_ready:
                self._shake()
            if self._is_ready and self._incoming.pending:
                self._read()
        except ssl.SSLError:
            self._plain.send(self._outgoing.read())
            raise

    def connection_lost(self, exc: Exception | None) -> None:
        """End the handshake, or what the protocol waits for."""
        if self._is_ready:
            self._protocol.connection_lost(exc)
        else:
            self._fail(exc or ConnectionResetError())

    def expire(self) -> None:
        """End the handshake: its time is over."""
        self._fail(TimeoutError())

    def _fail(self, error: Exception) -> None:
        if not self.ready.done():
            self.ready.set_exception(error)

    def _shake(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._send()
            return
        # What ends the handshake waits for the request.
        self._is_ready = True
        self._protocol.connection_made(self)
        if not self.ready.done():
            self.ready.set_result(None)

    def _read(self) -> None:
        try:
            while not self._plain.is_closing():
                data = self._tls.read(READ_BYTES)
                if not data:
                    self.close()
                    return
                self._protocol.data_received(data)
                if not (self._incoming.pending or self._tls.pending()):
                    break
        except ssl.SSLWantReadError:
            pass
        self._send()

    def _send(self) -> None:
        if self._outgoing.pending:
            self._plain.write(self._outgoing.read())

    # -- to the protocol ---------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send it encrypted."""
        self._tls.write(data)
        self._send()

    def is_closing(self) -> bool:
        """Tell whether it is closed."""
        return self._plain.is_closing()

    def close(self) -> None:
        """Say goodbye, and close the socket; what was not sent is dropped."""
        if self._plain.is_closing():
            return
        # Nobody waits for the other's goodbye.
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        self._plain.send(self._outgoing.read())
        self._plain.close()

    def abort(self) -> None:
        """Close the socket."""
        self._plain.abort()
