"""Scripted proxies on loopback: HTTP CONNECT and SOCKS5, which note what they were asked for."""

import asyncio
import contextlib
import ipaddress
from dataclasses import dataclass, field


@dataclass
class ScriptedProxy:
    """A proxy that connects where it is told, or says what `refusal` tells it to.

    `asked` holds (address, port) as the client wrote them; `logins` what it showed.
    """

    scheme: str
    refusal: bytes | None = None
    login: str | None = None
    early: bytes = b""
    silent: bool = False
    asked: list[tuple[str, int]] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    tasks: set[asyncio.Task] = field(default_factory=set)
    port: int = 0

    async def start(self) -> "ScriptedProxy":
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        self.server.close()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self.tasks.add(task)
        try:
            shake = self._http if self.scheme == "http" else self._socks5
            target = await shake(reader, writer)
            if target is None:
                await reader.read()
            else:
                await self._splice(target, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.tasks.discard(task)
            writer.transport.abort()

    async def _http(self, reader, writer) -> tuple[str, int] | None:
        block = (await reader.readuntil(b"\r\n\r\n")).decode()
        target = block.split(" ")[1]
        host, _, port = target.rpartition(":")
        self.asked.append((host.strip("[]"), int(port)))
        for line in block.split("\r\n"):
            if line.lower().startswith("proxy-authorization:"):
                self.logins.append(line.split(" ", 1)[1])
        return await self._answer(writer, b"HTTP/1.1 200 Connected\r\n\r\n")

    async def _socks5(self, reader, writer) -> tuple[str, int] | None:
        count = (await reader.readexactly(2))[1]
        offered = await reader.readexactly(count)
        if self.login is not None and 2 in offered:
            writer.write(b"\x05\x02")
            size = (await reader.readexactly(2))[1]
            name = await reader.readexactly(size)
            secret = await reader.readexactly((await reader.readexactly(1))[0])
            self.logins.append(f"{name.decode()}:{secret.decode()}")
            right = self.logins[-1] == self.login
            writer.write(b"\x01" + (b"\x00" if right else b"\x01"))
        else:
            writer.write(b"\x05\x00")
        _, _, _, kind = await reader.readexactly(4)
        packed = await reader.readexactly(4 if kind == 1 else 16)
        port = int.from_bytes(await reader.readexactly(2))
        self.asked.append((str(ipaddress.ip_address(packed)), port))
        return await self._answer(writer, b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50")

    async def _answer(self, writer, fine: bytes) -> tuple[str, int] | None:
        if self.silent:
            return None
        writer.write((self.refusal or fine) + self.early)
        await writer.drain()
        return None if self.refusal else self.asked[-1]

    async def _splice(self, target: tuple[str, int], reader, writer) -> None:
        far_reader, far_writer = await asyncio.open_connection(*target)

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await source.read(65_536):
                    sink.write(data)
                    await sink.drain()

        copies = [
            asyncio.create_task(copy(reader, far_writer)),
            asyncio.create_task(copy(far_reader, writer)),
        ]
        try:
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in copies:
                task.cancel()
            await asyncio.gather(*copies, return_exceptions=True)
            far_writer.transport.abort()
