"""The web servers of a simulated world: one listener per address, one behaviour per (host, target, instant)."""

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Self, TypeGuard

from services.simulation.behaviours import (
    ABROAD_TOO,
    AT_HOME,
    BLOCKS,
    NATURE,
    Behaviour,
    HeadManner,
    Shows,
)
from services.simulation.certificate import careless_context, careless_pair
from services.simulation.renegotiation import Asking
from services.simulation.replies import Request, ScriptedReply, Then, head_reply, reply
from services.simulation.weather import ABROAD, HOME, PROGRAM, Weather
from services.simulation.world import CANARY_HOST, FRONT, World

MAX_HEAD_BYTES = 65536
SLOW_SECONDS = 0.3
DRIP_SECONDS = 0.2
MAX_DRIPS = 600
_LINGER_RESET = struct.pack("ii", 1, 0)


class _Place(NamedTuple):
    """Where a server listens."""

    address: str
    port: int


class Sites:
    """Listens on every address of the world, each bound by itself: never on more than loopback.

    Where a world speaks TLS, it does so with a certificate that nobody should trust.

    `served` counts answers by behaviour, for tests and benchmarks, `requests` all but the canary's; the truth needs no
    log.
    """

    def __init__(self, world: World, weather: Weather, now: Callable[[], float]) -> None:
        self.world, self.weather, self.now = world, weather, now
        self.served: Counter[Behaviour] = Counter()
        self.requests = 0
        self.visitors: dict[str, set[_Visitor]] = {a: set() for a in world.addresses}
        self._listeners: dict[_Place, tuple[Behaviour | None, asyncio.Server]] = {}
        self._pair = careless_pair()
        self._context = careless_context(self._handshakes, self._pair)
        self._attendant: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, and keep opening and closing the addresses whose doors change."""
        await self.refresh()
        self._attendant = asyncio.create_task(self._attend(), name="simulation-attendant")

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._attendant is not None:
            self._attendant.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._attendant
        for place in list(self._listeners):
            await self._close(place)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def refresh(self) -> None:
        """Open and close listeners so that every address has the door that it has now."""
        doors = self.world.doors(self.now())
        places = [_Place(address, self.world.port) for address in self.visitors]
        places += [_Place(address, self.world.tls_port) for address in self.world.tls_addresses]
        for place in places:
            door = doors.get(place.address)
            if place.port != self.world.tls_port and door is not Behaviour.REFUSE:
                door = None
            if place in self._listeners and self._listeners[place][0] is not door:
                await self._close(place)
            if place not in self._listeners and door is not Behaviour.REFUSE:
                self._listeners[place] = (door, await self._open(place, door))

    async def _open(self, place: "_Place", door: Behaviour | None) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        plain = place.port != self.world.tls_port or door is not None
        return await loop.create_server(
            partial(self._visitor, door, place.address),
            place.address,
            place.port,
            ssl=None if plain else self._context,
            backlog=1024,
        )

    def _visitor(self, door: Behaviour | None, address: str) -> asyncio.Protocol:
        """Make what takes a connection; in place of a TLS server one that is silent, refuses, or asks."""
        if door is None:
            return _Visitor(self, address)
        if door is Behaviour.TLS_STALL:
            return _Silent(self, address)
        if door is Behaviour.TLS_UNKNOWN:
            return _Unknowing(self, address)
        insists = door is Behaviour.TLS_RENEGOTIATE
        return Asking(self._pair, partial(_Visitor, self, address), insists=insists)

    def _handshakes(self, name: str) -> bool:
        return self.world.handshakes(name, self.now())

    async def _close(self, place: "_Place") -> None:
        _, listener = self._listeners.pop(place)
        listener.close()
        for visitor in list(self.visitors[place.address]):
            visitor.abort()
        await listener.wait_closed()

    async def _attend(self) -> None:
        for offset in self.world.door_changes():
            wait = offset - self.now()
            while wait > 0:
                # In slices, because the clock of a test may jump.
                await asyncio.sleep(min(wait, 1.0))
                wait = offset - self.now()
            await self.refresh()

    def respond(self, request: Request, address: str) -> ScriptedReply:
        """Answer as of now."""
        offset, head = self.now(), None
        self.requests += request.host != CANARY_HOST
        if self.weather.dark(offset):
            behaviour, page = Behaviour.TARPIT, FRONT
        elif request.host == CANARY_HOST and self.weather.canary_down(offset):
            behaviour, page = Behaviour.RESET, FRONT
        else:
            answer = self.world.answer(request.host, request.target, address, offset)
            behaviour, page, head = answer
            behaviour = self._as_seen(behaviour, request, offset)
        self.served[behaviour] += 1
        if _is_in_manner(head, behaviour, request):
            return head_reply(head, request)
        return reply(behaviour, page, request)

    def _as_seen(self, behaviour: Behaviour, request: Request, offset: float) -> Behaviour:
        """Keep a blocked vantage out, and show abroad what is hidden at home."""
        vantage = ABROAD if request.abroad else HOME
        if request.host != CANARY_HOST and self.weather.blocked(offset, vantage):
            return BLOCKS[sum(request.host.encode()) % len(BLOCKS)]
        if behaviour is Behaviour.OK_AGENT_404 and request.identified:
            return Behaviour.GONE_404
        return (ABROAD_TOO if request.abroad else AT_HOME).get(behaviour, behaviour)


def _is_in_manner(
    head: HeadManner | None, behaviour: Behaviour, request: Request
) -> TypeGuard[HeadManner]:
    """Tell whether a host answers HEAD in a manner of its own now: what keeps us out does so by any method."""
    plain = NATURE[behaviour].shows is not Shows.HIDDEN
    return head is not None and request.method == "HEAD" and plain


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
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            self._buffer = rest
            request = _parse(head, self._sites.world.port)
            if request is None:
                self._transport.close()
                return
            script = self._sites.respond(request, self._address)
            stall = self._sites.weather.stall(self._sites.now(), fresh=self._fresh)
            self._fresh = False
            if stall:
                self._later(stall, self._act_late, script)
            else:
                self._act(script)

    def _act_late(self, script: ScriptedReply) -> None:
        if self._transport is not None:
            self._busy = False
            self._act(script)
            self._answer_all()

    def _act(self, script: ScriptedReply) -> None:
        assert self._transport is not None
        if script.then is Then.RESET:
            self.abort()
        elif script.then is Then.LATER:
            self._later(SLOW_SECONDS, self._finish_slow, script.data)
        else:
            self._transport.write(script.data)
            self._after(script.then)

    def _after(self, then: Then) -> None:
        assert self._transport is not None
        if then is Then.CLOSE:
            self._transport.close()
        elif then is Then.HOLD:
            self._busy = True
        elif then is Then.DRIP:
            self._drip(MAX_DRIPS)

    def _later(self, seconds: float, call: Callable[..., None], *args: object) -> None:
        self._busy = True
        asyncio.get_running_loop().call_later(seconds, call, *args)

    def _finish_slow(self, data: bytes) -> None:
        if self._transport is not None:
            self._busy = False
            self._transport.write(data)
            self._answer_all()

    def _drip(self, remaining: int) -> None:
        if self._transport is None or not remaining:
            self.abort()
            return
        self._transport.write(b"x")
        self._later(DRIP_SECONDS, self._drip, remaining - 1)


class _Silent(_Visitor):
    """One connection that is taken and never answered."""

    def data_received(self, data: bytes) -> None:
        """Let it wait."""


class _Unknowing(_Visitor):
    """One connection whose greeting is answered by the alert that the name is unknown (RFC 6066, 3)."""

    def data_received(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(b"\x15\x03\x03\x00\x02\x02\x70")
            self._transport.close()


def _parse(head: bytes, port: int) -> Request | None:
    """Read the request line and the three headers that matter."""
    first, _, rest = head.decode("latin-1").partition("\r\n")
    words = first.split(" ")
    if len(words) != 3 or words[0] not in ("HEAD", "GET"):
        return None
    host, ranged, abroad, identified = "", False, False, False
    for line in rest.split("\r\n"):
        name, _, value = line.partition(":")
        lowered = name.lower()
        if lowered == "host":
            host = value.strip().lower().partition(":")[0]
        elif lowered == "range":
            ranged = value.strip() == "bytes=0-0"
        elif lowered == "user-agent":
            abroad, identified = ABROAD in value, PROGRAM in value
    return Request(words[0], host, port, words[1], ranged, abroad, identified)
