"""What the process of this build's prober has, and a former one may not: its collector and its own sockets."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager

from consumers.client.heap import YOUNG_OBJECTS_OF_LOOKS, rare_collections
from services.probing.guard.guard import Guard
from services.probing.http.connector import guarded_socket
from services.probing.http.deadlines import Deadlines
from services.probing.http.plain_sockets import PlainSockets
from tests.benchmarks.one_request import OneRequest


def collector_of_looks() -> AbstractContextManager[None]:
    """Collect as rarely as the prober."""
    return rare_collections(YOUNG_OBJECTS_OF_LOOKS)


async def opened(addresses: Sequence[str], port: int, count: int, concurrency: int) -> float:
    """Ask over new connections as a look opens them, and do nothing else; returns requests per CPU-second."""
    loop, numbers, guard = asyncio.get_running_loop(), iter(range(count)), Guard("simulated", None)
    sockets = PlainSockets(loop, Deadlines(loop))

    async def worker() -> None:
        for number in numbers:
            host = number % len(addresses)
            request = f"HEAD /case/known-{number}.jpg HTTP/1.1\r\nHost: h{host}.example\r\n\r\n"
            at, protocol = (addresses[host], port), OneRequest(request.encode())
            link = await sockets.connect(guarded_socket(guard, at), at, 5.0)
            link.attach(protocol)
            await protocol.over

    cpu = time.process_time()
    await asyncio.gather(*(worker() for _ in range(concurrency)))
    sockets.close()
    return count / (time.process_time() - cpu)
