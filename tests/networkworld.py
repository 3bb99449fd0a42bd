"""A scripted DNS and RDAP world on loopback: what is answered about addresses, and what was asked."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from aiohttp import web

from services.attribution.reverse_names import reverse_labels

BIND_TRIES = 20
ORIGIN_ZONE, CONTACT_ZONE = "asn.example", "abuse.example"
Answered = list[str] | str
"""Texts; or `servfail`, `silent`, `cut` (over UDP only)."""


@dataclass
class NetworkWorld:
    """Answers by address: texts over DNS, bodies or statuses over RDAP; what is not scripted does not exist."""

    origins: dict[str, Answered] = field(default_factory=dict)
    contacts: dict[str, Answered] = field(default_factory=dict)
    rdap: dict[str, dict[str, Any] | bytes | int | str] = field(default_factory=dict)
    retry_after: str | None = None
    queries: Counter[str] = field(default_factory=Counter)
    paths: list[str] = field(default_factory=list)
    dns_port: int = 0
    rdap_port: int = 0

    async def __aenter__(self) -> Self:
        await self._listen()
        application = web.Application()
        application.router.add_get("/{server}/ip/{address}", self._rdap)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.rdap_port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        return self

    async def _listen(self) -> None:
        """Listen on one port over UDP and TCP: one that is free on both."""
        loop = asyncio.get_running_loop()
        for remaining in range(BIND_TRIES - 1, -1, -1):
            self._udp, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self._reply), ("127.0.0.1", 0)
            )
            self.dns_port = self._udp.get_extra_info("sockname")[1]
            try:
                self._tcp = await asyncio.start_server(self._stream, "127.0.0.1", self.dns_port)
            except OSError:
                self._udp.close()
                if not remaining:
                    raise
            else:
                return

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._udp.close()
        self._tcp.close()
        await self._tcp.wait_closed()
        await self._runner.cleanup()

    @property
    def nameserver(self) -> tuple[str, int]:
        """Where its DNS answers."""
        return "127.0.0.1", self.dns_port

    def bootstrap(self, folder: Path, prefixes: tuple[str, ...] = ("0.0.0.0/0", "::/0")) -> Path:
        """Write bootstrap files that name its RDAP server for prefixes."""
        server = f"http://127.0.0.1:{self.rdap_port}/rdap/"
        for name, mark in (("ipv4.json", "."), ("ipv6.json", ":")):
            listed = [prefix for prefix in prefixes if mark in prefix]
            services = [[listed, [server]]] if listed else []
            (folder / name).write_text(
                json.dumps({"publication": "2026-11-01", "services": services})
            )
        return folder

    # -- DNS -------------------------------------------------------------------------------------

    def _script(self, name: str) -> Answered | None:
        for zones, scripts in (
            (("origin." + ORIGIN_ZONE, "origin6." + ORIGIN_ZONE), self.origins),
            ((CONTACT_ZONE,), self.contacts),
        ):
            for address, answer in scripts.items():
                if any(name == f"{reverse_labels(address)}.{zone}" for zone in zones):
                    return answer
        return None

    def _reply(self, wire: bytes, *, over_tcp: bool = False) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        self.queries[name] += 1
        script = self._script(name)
        reply = dns.message.make_response(query)
        if script == "silent":
            return None
        if script == "servfail":
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif script is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif script == "cut" or (
            isinstance(script, list) and script[:1] == ["cut"] and not over_tcp
        ):
            reply.flags |= dns.flags.TC
        else:
            texts = [text for text in script if text != "cut"]
            reply.answer.append(
                dns.rrset.from_text_list(
                    question.name, 60, "IN", dns.rdatatype.TXT, [json.dumps(t) for t in texts]
                )
            )
        return reply.to_wire()

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        reply = self._reply(await reader.readexactly(size), over_tcp=True)
        if reply is not None:
            writer.write(len(reply).to_bytes(2, "big") + reply)
            await writer.drain()
        writer.close()

    # -- RDAP ------------------------------------------------------------------------------------

    async def _rdap(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        script = self.rdap.get(request.match_info["address"], 404)
        if isinstance(script, int):
            wish = {} if self.retry_after is None else {"Retry-After": self.retry_after}
            return web.Response(status=script, headers=wish)
        if isinstance(script, str):
            return web.Response(status=302, headers={"Location": script})
        body = script if isinstance(script, bytes) else json.dumps(script).encode()
        return web.Response(body=body, content_type="application/rdap+json")


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, reply: Callable[[bytes], bytes | None]) -> None:
        self._reply = reply

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        reply = self._reply(data)
        if reply is not None:
            self._transport.sendto(reply, addr)
