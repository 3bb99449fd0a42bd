"""Servers that break off, stall or flood at every phase of TLS, in a process of their own; prints their ports.

The handshake is driven through memory, so that each script decides which byte goes out when.
"""

import asyncio
import contextlib
import json
import ssl
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.integration.certificates import self_signed
from tests.integration.looksites import head_of, reset

OK = head_of(200, {"content-length": "777"})
MORE_TICKETS = 4  # OpenSSL sends two
# One more than OpenSSL takes in a row: of warning alerts, of empty records.
WARNINGS, EMPTY_RECORDS = 6, 33
LONGEST_MESSAGE = 0x02_FF_FF_FF


class Wire:
    """One connection: raw bytes below, a TLS session above."""

    def __init__(
        self,
        context: ssl.SSLContext,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.reader = reader
        self.writer = writer
        self._in, self.out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self._in, self.out, server_side=True)

    async def take(self) -> None:
        """Read what the client sent, raw."""
        data = await self.reader.read(65_536)
        if not data:
            raise EOFError
        self._in.write(data)

    async def put(self, data: bytes) -> None:
        """Send raw bytes."""
        self.writer.write(data)
        await self.writer.drain()

    def step(self) -> bool:
        """Go on with the handshake; tell whether it is over."""
        try:
            self.session.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    async def flight(self) -> bytes:
        """Take the ClientHello; give the server's first flight without sending it."""
        await self.take()
        while not self.step() and not (data := self.out.read()):
            await self.take()
        return data

    async def shake(self) -> None:
        """Shake hands to the end."""
        while not self.step():
            await self.put(self.out.read())
            await self.take()
        await self.put(self.out.read())

    async def request(self) -> bytes:
        """Read a request."""
        found = b""
        while b"\r\n\r\n" not in found:
            try:
                found += self.session.read(65_536)
            except ssl.SSLWantReadError:
                await self.take()
        return found

    async def answer(self, data: bytes) -> None:
        """Send bytes within the session."""
        self.session.write(data)
        await self.put(self.out.read())

    async def reset(self) -> None:
        """Reset the connection, as a middlebox does; what was sent has time to arrive."""
        await asyncio.sleep(0.05)
        await reset(None, self.writer)  # type: ignore[arg-type]

    async def stall(self) -> None:
        """Say nothing more, and read whatever comes."""
        while await self.reader.read(65_536):
            pass


Script = Callable[[Wire], Awaitable[None]]


async def silent(wire: Wire) -> None:
    """Take the ClientHello and say nothing."""
    await wire.stall()


async def half_hello(wire: Wire) -> None:
    """Stall within the ServerHello."""
    await wire.put((await wire.flight())[:20])
    await wire.stall()


async def after_hello(wire: Wire) -> None:
    """Stall behind the ServerHello, one byte before the flight ends."""
    await wire.put((await wire.flight())[:-1])
    await wire.stall()


async def dribble(wire: Wire) -> None:
    """Send the flight byte by byte."""
    for byte in await wire.flight():
        await wire.put(bytes([byte]))
        await asyncio.sleep(0.02)
    await wire.stall()


async def no_finished(wire: Wire) -> None:
    """Take all that the client says, and never finish (TLS 1.2)."""
    await wire.put(await wire.flight())
    await wire.stall()


async def after_finished(wire: Wire) -> None:
    """Stall once the handshake is over."""
    await wire.shake()
    await wire.stall()


async def alert(wire: Wire) -> None:
    """Refuse with a fatal alert, handshake_failure."""
    await wire.take()
    await wire.put(b"\x15\x03\x03\x00\x02\x02\x28")
    await wire.stall()


async def warnings(wire: Wire) -> None:
    """Send one warning alert too many in place of a ServerHello."""
    await wire.take()
    await wire.put(b"\x15\x03\x03\x00\x02\x01\x5a" * WARNINGS)
    await wire.stall()


async def empty_records(wire: Wire) -> None:
    """Send one empty handshake record too many."""
    await wire.take()
    await wire.put(b"\x16\x03\x03\x00\x00" * EMPTY_RECORDS)
    await wire.stall()


async def huge_message(wire: Wire) -> None:
    """Announce a handshake message of 16 MB, and send none of it."""
    await wire.take()
    await wire.put(b"\x16\x03\x03\x00\x04" + LONGEST_MESSAGE.to_bytes(4))
    await wire.stall()


async def garbage(wire: Wire) -> None:
    """Send bytes that are no record once the handshake is over."""
    await wire.shake()
    await wire.request()
    await wire.put(b"\x17\x03\x03\x00\x20" + bytes(32))
    await wire.stall()


async def tickets(wire: Wire) -> None:
    """Send more session tickets than usual before the answer."""
    await wire.shake()
    await wire.request()
    await wire.answer(OK)
    await wire.stall()


async def reset_at_once(wire: Wire) -> None:
    """Reset before the ClientHello is read."""
    await reset(None, wire.writer)  # type: ignore[arg-type]


async def reset_after_hello(wire: Wire) -> None:
    """Reset behind the ClientHello, as those do who read names (SNI)."""
    await wire.take()
    await wire.reset()


async def reset_in_flight(wire: Wire) -> None:
    """Reset in the middle of the server's flight."""
    await wire.put((await wire.flight())[:40])
    await wire.reset()


async def reset_after_finished(wire: Wire) -> None:
    """Reset when the handshake is over, before any answer."""
    await wire.shake()
    await wire.reset()


async def reset_in_headers(wire: Wire) -> None:
    """Reset in the middle of the header block."""
    await wire.shake()
    await wire.request()
    await wire.answer(OK[:25])
    await wire.reset()


async def reset_in_body(wire: Wire) -> None:
    """Say 404 to HEAD, and to GET as well, and reset within its body."""
    await wire.shake()
    while (await wire.request()).startswith(b"HEAD"):
        await wire.answer(head_of(404, {"content-length": "777"}))
    await wire.answer(head_of(404, {"content-length": "777"}) + b"abc")
    await wire.reset()


async def cut(wire: Wire) -> None:
    """Close within the header block without a close_notify: a truncation that TLS would tell."""
    await wire.shake()
    await wire.request()
    await wire.answer(OK[:25])


SCRIPTS: tuple[Script, ...] = (
    *(silent, half_hello, after_hello, dribble, no_finished, after_finished),
    *(alert, warnings, empty_records, huge_message, garbage, tickets),
    *(reset_at_once, reset_after_hello, reset_in_flight, reset_after_finished),
    *(reset_in_headers, reset_in_body, cut),
)


def contexts(folder: Path) -> dict[Script, ssl.SSLContext]:
    """Make the contexts of the scripts that need one of their own."""
    old, ticketing = self_signed(folder), self_signed(folder)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    ticketing.num_tickets = MORE_TICKETS
    return {no_finished: old, tickets: ticketing}


async def serve(script: Script, context: ssl.SSLContext) -> int:
    """Serve one script on a port of its own."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, ssl.SSLError):
            await script(Wire(context, reader, writer))
        writer.transport.abort()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    return int(server.sockets[0].getsockname()[1])


async def main() -> None:
    """Serve until standard input ends."""
    with tempfile.TemporaryDirectory() as folder:
        plain, own = self_signed(Path(folder)), contexts(Path(folder))
    ports = {s.__name__: await serve(s, own.get(s, plain)) for s in SCRIPTS}
    print(json.dumps(ports), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
