"""An SMTP server that answers by script: what a recipient's local part names, it does; and it keeps what is for us."""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

OURS = "hotline.example"


class Line(NamedTuple):
    """What to say, and to which command: RCPT, or DATA for the end of the mail; no words: hang up."""

    at: str
    words: str


class ScriptedServer:
    """Takes mail for our own domain, and refuses what the script says, by the recipient."""

    def __init__(self, script: Mapping[str, Line]) -> None:
        self.script = script
        self.received: list[tuple[str, bytes]] = []
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> "ScriptedServer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**22)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # it was killed, or the test is over
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx.host.example ESMTP\r\n")
        recipient = ""
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb in (b"EHLO", b"HELO"):
                writer.write(b"250-mx.host.example\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n")
            elif verb == b"RCPT":
                recipient = line.decode().partition("<")[2].partition(">")[0]
                if not self._answer(writer, recipient, "RCPT", "250 2.1.5 ok"):
                    return
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                raw = await self._mail(reader)
                if not self._answer(writer, recipient, "DATA", "250 2.0.0 taken"):
                    return
                if recipient.endswith(OURS):
                    self.received.append((recipient, raw))
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                return
            else:
                writer.write(b"250 2.0.0 ok\r\n")

    def _answer(self, writer: asyncio.StreamWriter, recipient: str, at: str, ok: str) -> bool:
        """Say what the script has for a recipient; False where it hangs up."""
        line = self.script.get(recipient.partition("@")[0])
        if line is None or line.at != at or recipient.endswith(OURS):
            writer.write(f"{ok}\r\n".encode())
            return True
        writer.write(f"{line.words}\r\n".encode() if line.words else b"")
        return bool(line.words)

    async def _mail(self, reader: asyncio.StreamReader) -> bytes:
        lines = []
        while (line := await reader.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)
