"""Cut the wire on purpose: a TCP proxy on loopback whose faults a test switches on and off.

    async with FaultProxy.before("127.0.0.1", port) as proxy:
        ...connect to proxy.host, proxy.port...
        await proxy.switch(Fault.STALL)

Kafka tells its clients to connect to the advertised address: for it, have the broker advertise the
proxy, or use the proxy for the bootstrap alone.
"""

import asyncio
import enum
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_CHUNK = 65_536


class Fault(enum.Enum):
    """What happens to bytes on their way (DELAY and below), or to connections."""

    PASS = "pass"
    DELAY = "delay"  # each chunk waits `delay` seconds
    STALL = "stall"  # nothing moves, nothing is closed, until the mode changes
    TRUNCATE = "truncate"  # after `budget` more bytes from the server, an orderly end
    HALF_CLOSE = "half_close"  # the server's side is ended, the client may go on sending
    RESET = "reset"  # RST to both sides, at once and for every new connection
    REFUSE = "refuse"  # no new connections are accepted; what is open is reset


class FaultProxy:
    """Stand between clients and one server; `mode` may change at any time."""

    def __init__(self, host: str, port: int) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        self.delay = 0.05
        self.budget = 0
        self.accepted = 0
        self._target = (host, port)
        self._mode = Fault.PASS
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def before(cls, host: str, port: int, listen: int = 0) -> AsyncIterator["FaultProxy"]:
        proxy = cls(host, port)
        proxy.port = listen
        await proxy._listen()
        try:
            yield proxy
        finally:
            await proxy._close()

    @property
    def mode(self) -> Fault:
        return self._mode

    async def switch(self, mode: Fault) -> None:
        """Change the fault, for what is open and for what comes."""
        self._mode = mode
        self._changed.set()
        self._changed = asyncio.Event()
        if mode in (Fault.RESET, Fault.REFUSE):
            self._reset_all()
        if mode is Fault.HALF_CLOSE:
            for client, _ in self._pairs:
                client.write_eof()
        if mode is Fault.REFUSE:
            await self._stop_listening()
        elif self._server is None:
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._mode is Fault.RESET:
            _reset(client)
            return
        try:
            from_server, server = await asyncio.open_connection(*self._target)
        except OSError:
            _reset(client)
            return
        pair = (client, server)
        self._pairs.add(pair)
        pumps = [
            asyncio.create_task(self._pump(reader, server, limited=False)),
            asyncio.create_task(self._pump(from_server, client, limited=True)),
        ]
        self._tasks.update(pumps)
        await asyncio.gather(*pumps, return_exceptions=True)
        self._tasks.difference_update(pumps)
        self._pairs.discard(pair)
        for writer in pair:
            writer.close()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, limited: bool
    ) -> None:
        """Pass on what comes; a connection that breaks at one side breaks at the other."""
        try:
            await self._pass_on(source, sink, limited)
        except OSError:
            _reset(sink)

    async def _pass_on(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, limited: bool
    ) -> None:
        while data := await source.read(_CHUNK):
            await self._hold()
            if limited and self._mode is Fault.TRUNCATE:
                data, self.budget = data[: self.budget], max(0, self.budget - len(data))
                sink.write(data)
                if not self.budget:
                    break
            elif not (limited and self._mode is Fault.HALF_CLOSE):
                sink.write(data)
            await sink.drain()
        if not sink.is_closing():
            sink.write_eof()

    async def _hold(self) -> None:
        if self._mode is Fault.DELAY:
            await asyncio.sleep(self.delay)
        while self._mode is Fault.STALL:
            await self._changed.wait()

    def _reset_all(self) -> None:
        for pair in self._pairs:
            for writer in pair:
                _reset(writer)

    async def _close(self) -> None:
        await self._stop_listening()
        self._reset_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN: linger for zero seconds, then abort."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
