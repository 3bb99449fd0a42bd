"""Fast sites for the benchmarks, in a process of their own: keeping connections, closing them, and behind TLS."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from services.simulation.certificate import careless_context
from tests.benchmarks.apart import apart

KEEPING, CLOSING, TLS = "keeping", "closing", "tls"
_HEAD = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
    b'Content-Type: image/jpeg\r\nContent-Length: 48213\r\nETag: "5e-abc"\r\n'
    b"Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nConnection: %s\r\n\r\n"
)
_MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class _Site(asyncio.Protocol):
    def __init__(self, closes: bool) -> None:
        self.closes = closes
        self.answer = _HEAD % (b"close" if closes else b"keep-alive")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(self.answer if b" /case/known-" in data else _MISSING)
        if self.closes:
            self.transport.close()


async def _serve(addresses: Sequence[str], pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    ports: dict[str, int] = {}
    for kind in (KEEPING, CLOSING, TLS):
        context = careless_context(lambda _: True) if kind == TLS else None
        site = partial(_Site, kind != KEEPING)
        for address in addresses:
            server = await loop.create_server(
                site, address, ports.get(kind, 0), ssl=context, backlog=1024
            )
            ports[kind] = server.sockets[0].getsockname()[1]
    pipe.send(ports)
    await asyncio.Event().wait()


def websites(addresses: Sequence[str]) -> AbstractContextManager[dict[str, int]]:
    """Serve at every address; yield the port of each kind."""
    return apart(partial(_serve, addresses))
