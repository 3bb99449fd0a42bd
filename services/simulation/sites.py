"""The web servers of a simulated world: one listener per address, one behaviour per (host, target, instant)."""

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

from services.simulation.behaviours import BLOCKS, GEO, Behaviour
from services.simulation.certificate import careless_context
from services.simulation.replies import Reply, Request, Then, reply
from services.simulation.weather import ABROAD, HOME, Weather
from services.simulation.world import CANARY_HOST, FRONT, World

MAX_HEAD_BYTES = 65536
SLOW_SECONDS = 0.3
DRIP_SECONDS = 0.2
MAX_DRIPS = 600
_LINGER_RESET = struct.pack("ii", 1, 0)
_INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


class Sites:
    """Listens on every address of the world, each bound by itself: never on more than loopback.

    `served` counts answers by behaviour, for tests and benchmarks; the truth needs no log.
    """

    def __init__(self, world: World, weather: Weather, now: Callable[[], float]) -> None:
        self.world, self.weather, self.now = world, weather, now
        self.served: Counter[Behaviour] = Counter()
        self.visitors: dict[str, set[_Visitor]] = {a: set() for a in world.addresses}
        self._listeners: dict[str, asyncio.Server] = {}
        self._tls: list[asyncio.Server] = []
        self._attendant: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, and keep opening and closing the addresses that refuse for a while."""
        await self.refresh()
        await self._open_tls()
        self._attendant = asyncio.create_task(self._attend(), name="simulation-attendant")

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._attendant is not None:
            self._attendant.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._attendant
        for address in list(self._listeners):
            await self._close(address)
        for server in self._tls:
            server.close()
            await server.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def refresh(self) -> None:
        """Open and close listeners so that exactly the addresses that refuse now are closed."""
        offset = self.now()
        for address in self.visitors:
            refusing = self.world.refusing(address, offset)
            if refusing and address in self._listeners:
                await self._close(address)
            elif not refusing and address not in self._listeners:
                await self._open(address)

    async def _open(self, address: str) -> None:
        loop = asyncio.get_running_loop()
        self._listeners[address] = await loop.create_server(
            lambda: _Visitor(self, address), address, self.world.port, backlog=1024
        )

    async def _open_tls(self) -> None:
        """Speak TLS where a world does, with a certificate that nobody should trust."""
        addresses = self.world.tls_addresses
        if not addresses:
            return
        context = careless_context(lambda name: self.world.handshakes(name, self.now()))
        loop = asyncio.get_running_loop()
        for address in addresses:
            self._tls.append(
                await loop.create_server(
                    lambda address=address: _Visitor(self, address),  # type: ignore[misc]
                    address,
                    self.world.tls_port,
                    ssl=context,
                )
            )

    async def _close(self, address: str) -> None:
        listener = self._listeners.pop(address)
        listener.close()
        for visitor in list(self.visitors[address]):
            visitor.abort()
        await listener.wait_closed()

    async def _attend(self) -> None:
        for offset, _ in self.world.refusals():
            wait = offset - self.now()
            while wait > 0:
                # In slices, because the clock of a test may jump.
                await asyncio.sleep(min(wait, 1.0))
                wait = offset - self.now()
            await self.refresh()

    def respond(self, request: Request, address: str) -> Reply:
        """Answer as of now."""
        offset = self.now()
        if self.weather.dark(offset):
            behaviour, page = Behaviour.TARPIT, FRONT
        elif request.host == CANARY_HOST and self.weather.canary_down(offset):
            behaviour, page = Behaviour.RESET, FRONT
        else:
            behaviour, page = self.world.answer(request.host, request.target, address, offset)
            behaviour = self._as_seen(behaviour, request, offset)
        self.served[behaviour] += 1
        return reply(behaviour, page, request)

    def _as_seen(self, behaviour: Behaviour, request: Request, offset: float) -> Behaviour:
        """Keep a blocked vantage out, and show abroad what is hidden at home."""
        vantage = ABROAD if request.abroad else HOME
        if request.host != CANARY_HOST and self.weather.blocked(offset, vantage):
            return BLOCKS[sum(request.host.encode()) % len(BLOCKS)]
        if behaviour in GEO:
            return Behaviour.OK if request.abroad else GEO[behaviour]
        return behaviour


class _Visitor(asyncio.Protocol):
    """One connection: reads heads, never bodies, and answers in order."""

    def __init__(self, sites: Sites, address: str) -> None:
        self._sites, self._address = sites, address
        self._buffer = b""
        self._busy = False
        self._fresh = True
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._sites.visitors[self._address].add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._sites.visitors[self._address].discard(self)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > MAX_HEAD_BYTES:
            self.abort()
        self._answer_all()

    def abort(self) -> None:
        """Reset the connection."""
        if self._transport is not None:
            sock = self._transport.get_extra_info("socket")
            if sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
            self._transport.abort()

    def _answer_all(self) -> None:
        while not self._busy and self._transport is not None and not self._transport.is_closing():
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            self._buffer = rest
            request = _parse(head, self._sites.world.port)
            if request is None:
                self._transport.close()
                return
            made = self._sites.respond(request, self._address)
            stall = self._sites.weather.stall(self._sites.now(), fresh=self._fresh)
            self._fresh = False
            if stall:
                self._later(stall, self._act_late, made)
            else:
                self._act(made)

    def _act_late(self, made: Reply) -> None:
        if self._transport is not None:
            self._busy = False
            self._act(made)
            self._answer_all()

    def _act(self, made: Reply) -> None:
        assert self._transport is not None
        if made.then is Then.RESET:
            self.abort()
        elif made.then is Then.LATER:
            self._later(SLOW_SECONDS, self._finish_slow, made.data)
        else:
            self._transport.write(made.data)
            self._after(made.then)

    def _after(self, then: Then) -> None:
        assert self._transport is not None
        if then is Then.CLOSE:
            self._transport.close()
        elif then is Then.HOLD:
            self._busy = True
        elif then in (Then.DRIP, Then.FLOOD):
            self._drip(b"x" if then is Then.DRIP else _INTERIM, MAX_DRIPS)

    def _later(self, seconds: float, call: Callable[..., None], *args: object) -> None:
        self._busy = True
        asyncio.get_running_loop().call_later(seconds, call, *args)

    def _finish_slow(self, data: bytes) -> None:
        if self._transport is not None:
            self._busy = False
            self._transport.write(data)
            self._answer_all()

    def _drip(self, data: bytes, remaining: int) -> None:
        if self._transport is None or not remaining:
            self.abort()
            return
        self._transport.write(data)
        self._later(DRIP_SECONDS, self._drip, data, remaining - 1)


def _parse(head: bytes, port: int) -> Request | None:
    """Read the request line and the three headers that matter."""
    first, _, rest = head.decode("latin-1").partition("\r\n")
    words = first.split(" ")
    if len(words) != 3 or words[0] not in ("HEAD", "GET"):
        return None
    host, ranged, abroad = "", False, False
    for line in rest.split("\r\n"):
        name, _, value = line.partition(":")
        lowered = name.lower()
        if lowered == "host":
            host = value.strip().lower().partition(":")[0]
        elif lowered == "range":
            ranged = value.strip() == "bytes=0-0"
        elif lowered == "user-agent":
            abroad = ABROAD in value
    return Request(words[0], host, port, words[1], ranged, abroad)
