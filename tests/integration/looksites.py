"""Scripted sites and a scripted name server on loopback, for looks."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset

Script = Callable[["Asked", asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Asked:
    """One request as a site saw it."""

    method: str
    target: str
    headers: dict[str, str]


@dataclass
class Site:
    """A raw-socket server that runs one script per path; `missing` answers every other path."""

    scripts: dict[str, Script] = field(default_factory=dict)
    missing: Script | None = None
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    tasks: set[asyncio.Task] = field(default_factory=set)
    servers: list[asyncio.Server] = field(default_factory=list)

    async def start(self, *addresses: str, tls: ssl.SSLContext | None = None) -> "Site":
        for address in addresses or ("127.0.0.1",):
            server = await asyncio.start_server(self._serve, address, self.port, ssl=tls)
            self.port = server.sockets[0].getsockname()[1]
            self.servers.append(server)
        return self

    async def stop(self) -> None:
        for server in self.servers:
            server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self.tasks.add(task)
        self.connections += 1
        try:
            while not reader.at_eof():
                block = await reader.readuntil(b"\r\n\r\n")
                asked = _parse(block)
                self.asked.append(asked)
                await self._script(asked)(asked, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.tasks.discard(task)
            # A transport that a script has reset has no loop any more.
            with contextlib.suppress(OSError, RuntimeError, AttributeError):
                writer.transport.abort()

    def _script(self, asked: Asked) -> Script:
        path = asked.target.partition("?")[0]
        return self.scripts.get(path) or self.missing or answer(404)

    def methods(self, target: str) -> list[str]:
        return [asked.method for asked in self.asked if asked.target == target]


def _parse(block: bytes) -> Asked:
    first, *lines = block.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines if line)
    return Asked(method, target, {n.lower(): v.strip() for n, _, v in pairs})


def head_of(status: int, headers: dict[str, str] | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} Scripted"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer(status: int, head: int | None = None, **headers: str) -> Script:
    """Answer with a status (another one to HEAD if `head`), keep the connection; no body is ever sent.

    A GET is told the same length as HEAD: a look ends it after the header block.
    """

    async def script(asked: Asked, writer: asyncio.StreamWriter) -> None:
        code = head if head is not None and asked.method == "HEAD" else status
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if "content-length" not in named:
            named["content-length"] = "777"
        writer.write(head_of(code, named))
        await writer.drain()

    return script


def raw(data: bytes, *, close: bool = True) -> Script:
    async def script(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if close:
            writer.close()

    return script


def dribble(data: bytes, pause: float, times: int = 40) -> Script:
    """Send a header in pieces for a while, and never end it."""

    async def script(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(times):
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(pause)
        await silent(asked, writer)

    return script


async def reset(_: Asked, writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


async def silent(_: Asked, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


@dataclass
class NameServer(asyncio.DatagramProtocol):
    """A name server that says what it is told: `names` maps a name to addresses, a CNAME or an outcome.

    `failing` maps a name and a type to an outcome of this one query.
    """

    names: dict[str, object] = field(default_factory=dict)
    name_servers: dict[str, list[str]] = field(default_factory=dict)
    failing: dict[tuple[str, str], str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    truncate: bool = False
    forge: bool = False
    ttl: int = 60

    async def start(self) -> "NameServer":
        """Listen on one free port over TCP and UDP."""
        loop = asyncio.get_running_loop()
        while True:
            self.tcp = await asyncio.start_server(self._tcp, "127.0.0.1", 0)
            self.port = self.tcp.sockets[0].getsockname()[1]
            try:
                await loop.create_datagram_endpoint(
                    lambda: self, local_addr=("127.0.0.1", self.port)
                )
            except OSError:
                self.tcp.close()
            else:
                return self

    async def stop(self) -> None:
        self.transport.close()
        self.tcp.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        pass

    def datagram_received(self, data: bytes, addr: tuple) -> None:
        answer = self._answer(data)
        if answer is None:
            return
        if self.forge:
            forged = dns.message.from_wire(answer.to_wire())
            forged.id ^= 1
            self.transport.sendto(forged.to_wire(), addr)
        if self.truncate:
            answer.flags |= dns.flags.TC
            answer.answer.clear()
        self.transport.sendto(answer.to_wire(), addr)

    async def _tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2))
        answer = self._answer(await reader.readexactly(size))
        if answer is not None:
            wire = answer.to_wire(max_size=65_535)
            writer.write(len(wire).to_bytes(2) + wire)
            await writer.drain()
        writer.close()

    def _answer(self, data: bytes) -> dns.message.Message | None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), question.rdtype.name
        self.asked.append((name, kind))
        if (name, kind) in self.failing:
            said: object = self.failing[name, kind]
        elif kind == "NS":
            said = [("NS", f"{n}.") for n in self.name_servers.get(name, [])]
        else:
            said = self.names.get(name, "nxdomain")
        if said == "timeout":
            return None
        answer = dns.message.make_response(query, recursion_available=True)
        if isinstance(said, str):
            answer.set_rcode(dns.rcode.from_text(said))
            if answer.rcode() == dns.rcode.NXDOMAIN:
                answer.authority.append(soa_of(question.name.parent()))
            return answer
        for rtype, value in self._records(said):
            if rtype in (kind, "CNAME"):
                rrset = dns.rrset.from_text(question.name, self.ttl, "IN", rtype, value)
                _add(answer, rrset)
        return answer

    def _records(self, said: object) -> list[tuple[str, str]]:
        if isinstance(said, tuple):
            return [("CNAME", f"{said[0]}.")]
        return [
            a if isinstance(a, tuple) else ("AAAA" if ":" in a else "A", a)
            for a in said  # type: ignore[attr-defined]
        ]


def soa_of(zone: dns.name.Name) -> dns.rrset.RRset:
    """Write the SOA record with which a zone says that a name under it does not exist."""
    return dns.rrset.from_text(zone, 60, "IN", "SOA", "ns.test. admin.test. 1 3600 600 86400 60")


def _add(answer: dns.message.Message, rrset: dns.rrset.RRset) -> None:
    for known in answer.answer:
        if known.rdtype == rrset.rdtype:
            known.update(rrset)
            return
    answer.answer.append(rrset)
