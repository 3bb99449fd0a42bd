"""What the process of this build's prober has, and a former one may not: its collector and its own sockets."""

import asyncio
import resource
import ssl
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from consumers.client.heap import YOUNG_OBJECTS_OF_LOOKS, rare_collections
from schemas.events import Fingerprint, LookMade, Served
from services.probing.guard.guard import Guard
from services.probing.http.connector import guarded_socket, tls_context
from services.probing.http.deadlines import Deadlines
from services.probing.http.plain_sockets import PlainSockets
from services.probing.http.tls_link import encrypt
from tests.benchmarks.one_request import KeptRequests, OneRequest


def collector_of_looks() -> AbstractContextManager[None]:
    """Collect as rarely as the prober."""
    return rare_collections(YOUNG_OBJECTS_OF_LOOKS)


async def opened(addresses: Sequence[str], port: int, count: int, concurrency: int) -> float:
    """Ask over new connections as a look opens them, and do nothing else; returns requests per CPU-second."""
    cpu = time.process_time()
    await _open(addresses, port, count, concurrency, None)
    return count / (time.process_time() - cpu)


async def opened_by_tls(addresses: Sequence[str], port: int, count: int, concurrency: int) -> float:
    """Do so by TLS; returns requests per user-CPU-second."""
    user = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    await _open(addresses, port, count, concurrency, tls_context())
    return count / (resource.getrusage(resource.RUSAGE_SELF).ru_utime - user)


async def _open(
    addresses: Sequence[str],
    port: int,
    count: int,
    concurrency: int,
    context: ssl.SSLContext | None,
) -> None:
    loop, numbers, guard = asyncio.get_running_loop(), iter(range(count)), Guard("simulated", None)
    sockets = PlainSockets(loop, deadlines := Deadlines(loop))

    async def worker() -> None:
        for number in numbers:
            host = number % len(addresses)
            request = f"HEAD /case/known-{number}.jpg HTTP/1.1\r\nHost: h{host}.example\r\n\r\n"
            at, protocol = (addresses[host], port), OneRequest(request.encode())
            link = await sockets.connect(guarded_socket(guard, at), at, 5.0)
            if context is None:
                link.attach(protocol)
            else:
                await encrypt(link, protocol, context, f"h{host}.example", deadlines, 5.0)
            await protocol.over

    await asyncio.gather(*(worker() for _ in range(concurrency)))
    sockets.close()
    deadlines.close()


async def kept(addresses: Sequence[str], port: int, count: int, concurrency: int) -> float:
    """Ask over connections of a look's kind that are kept, and make each event; returns requests per CPU-second.

    Each worker has one connection. No head is read, no deadline is set, and every event says the same but its instants.
    """
    loop, numbers, guard = asyncio.get_running_loop(), iter(range(count)), Guard("simulated", None)
    sockets = PlainSockets(loop, Deadlines(loop))

    async def worker(place: int) -> None:
        at, link = (addresses[place % len(addresses)], port), KeptRequests()
        (await sockets.connect(guarded_socket(guard, at), at, 5.0)).attach(link)
        tail = f" HTTP/1.1\r\nHost: h{place}.example\r\n{_HEADERS}\r\n"
        for number in numbers:
            begun = datetime.now(UTC)
            await link.ask(f"HEAD /case/known-{number}.jpg{tail}".encode())
            _event(at[0], begun, datetime.now(UTC))
        link.close()

    cpu = time.process_time()
    await asyncio.gather(*(worker(place) for place in range(concurrency)))
    sockets.close()
    return count / (time.process_time() - cpu)


_HEADERS = "User-Agent: takedown-monitor\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"


def _event(address: str, begun: datetime, over: datetime) -> LookMade:
    served = Served(address=address, provider="giant", method="map", online=True, gone=False)
    return LookMade(
        vantage="bench",
        tick=begun,
        started_at=begun,
        finished_at=over,
        verdict="online",
        reason="served",
        served=(served,),
        fingerprint=Fingerprint(status=200, content_type="image/jpeg", content_length=48_213),
        phases={"first_byte": 0.001},
        resolution_age_seconds=0.0,
        providers_left_out=(),
    )
