"""Requests by bare protocols, which know no guard, no rule and no event."""

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


class KeptRequests(asyncio.Protocol):
    """Write one request after the other; the first bytes of an answer are the answer."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the bench site must keep it open"))

    def ask(self, request: bytes) -> "asyncio.Future[bytes]":
        """Write a request; gives what waits for its answer."""
        self._answer = self._loop.create_future()
        self._transport.write(request)
        return self._answer

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()
