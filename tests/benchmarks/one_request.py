"""One request by a bare protocol, which knows no guard, no rule and no event."""

import asyncio
from typing import Any


class OneRequest(asyncio.Protocol):
    """Write one request, wait for the first bytes, close."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set_result(None)
