"""The authoritative name server of a simulated world, over UDP and TCP on loopback."""

import asyncio
import struct
from collections.abc import Callable
from typing import Self

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from services.simulation.weather import Weather
from services.simulation.world import NameAnswer, World

ADDRESS = "127.0.0.1"
BIND_TRIES = 20
_SOA = "ns.simulation.example. hostmaster.simulation.example. 1 3600 600 86400 1"
_RCODES = {
    "nxdomain": dns.rcode.NXDOMAIN,
    "servfail": dns.rcode.SERVFAIL,
    "filtered": dns.rcode.NXDOMAIN,
    "unproven": dns.rcode.NXDOMAIN,
}
_NO_SOA = frozenset({"servfail", "filtered", "unproven"})


class NameServer:
    """Answers for every name of the world as of now; whatever it does not know does not exist."""

    def __init__(self, world: World, weather: Weather, now: Callable[[], float]) -> None:
        self._world, self._weather, self._now = world, weather, now
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self.port = 0

    async def start(self, port: int = 0) -> None:
        """Listen on UDP and TCP of one port; 0 picks one that is free on both."""
        loop = asyncio.get_running_loop()
        for remaining in range(BIND_TRIES - 1, -1, -1):
            self._udp, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self), local_addr=(ADDRESS, port)
            )
            self.port = self._udp.get_extra_info("sockname")[1]
            try:
                self._tcp = await loop.create_server(lambda: _Stream(self), ADDRESS, self.port)
            except OSError:
                self._udp.close()
                if port or not remaining:
                    raise
            else:
                return

    async def stop(self) -> None:
        """Stop listening."""
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
            await self._tcp.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def reply(self, wire: bytes) -> bytes | None:
        """Answer one query; None where the server stays silent."""
        try:
            query = dns.message.from_wire(wire)
        except (dns.exception.DNSException, struct.error):
            return None
        offset = self._now()
        if len(query.question) != 1 or query.flags & dns.flags.QR or self._weather.dark(offset):
            return None
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        result = self._world.resolve(name, offset)
        return None if result.outcome == "silent" else self._message(query, result).to_wire()

    def lost(self) -> bool:
        """Tell whether a datagram gets lost now."""
        return self._weather.loses(self._now())

    def _message(self, query: dns.message.Message, result: NameAnswer) -> dns.message.Message:
        answer = dns.message.make_response(query, recursion_available=True)
        answer.flags |= dns.flags.AA
        answer.set_rcode(_RCODES.get(result.outcome, dns.rcode.NOERROR))
        if result.outcome == "found":
            self._fill(answer, result)
        if result.outcome == "filtered":
            # A resolver's own list, which says so (RFC 8914).
            answer.use_edns(options=[dns.edns.EDEOption(dns.edns.EDECode.FILTERED)])
        if not answer.answer and result.outcome not in _NO_SOA:
            answer.authority.append(dns.rrset.from_text("example.", 1, "IN", "SOA", _SOA))
        return answer

    def _fill(self, answer: dns.message.Message, result: NameAnswer) -> None:
        question, ttl = answer.question[0], self._world.scenario.ttl_seconds
        owner = question.name
        for alias in result.chain:
            link = dns.rrset.from_text(owner, ttl, "IN", "CNAME", alias + ".")
            answer.answer.append(link)
            owner = link[0].target
        if question.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
            kind = dns.rdatatype.to_text(question.rdtype)
            fit = [a for a in result.addresses if (":" in a) is (kind == "AAAA")]
            if fit:
                answer.answer.append(dns.rrset.from_text(owner, ttl, "IN", kind, *fit))


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._server.lost():
            return
        reply = self._server.reply(data)
        if reply is not None and self._transport is not None and not self._server.lost():
            self._transport.sendto(reply, addr)


class _Stream(asyncio.Protocol):
    """DNS over TCP: each message after its length in two bytes (RFC 1035, 4.2.2)."""

    def __init__(self, server: NameServer) -> None:
        self._server, self._buffer = server, b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 2:
            end = 2 + int.from_bytes(self._buffer[:2], "big")
            if len(self._buffer) < end:
                return
            wire, self._buffer = self._buffer[2:end], self._buffer[end:]
            reply = self._server.reply(wire)
            if reply is not None and self._transport is not None:
                self._transport.write(len(reply).to_bytes(2, "big") + reply)
