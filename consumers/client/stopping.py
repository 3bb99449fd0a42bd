"""Stop a Kafka client without waiting for ever."""

import asyncio
from typing import Any

SECONDS = 2.0


async def stop_client(client: Any, seconds: float = SECONDS) -> BaseException | None:
    """Stop a client of aiokafka, but wait no longer; give what kept it from stopping.

    `TimeoutError`: it is abandoned, and ends with its connections.

    Through TLS aiokafka 0.14 waits in `stop` for the broker to close each connection. A broker does not do so while it
    holds back the answer to a fetch, and asyncio gives the farewell 30 s.
    """
    stopping = asyncio.ensure_future(client.stop())
    await asyncio.wait({stopping}, timeout=seconds)
    if not stopping.done():
        stopping.cancel()
        return TimeoutError()
    error: BaseException | None = stopping.exception()
    return error
