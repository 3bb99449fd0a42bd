"""Looks per CPU-second of `Looker`, beside a bare aiohttp HEAD loop in the same run; and GETs over new connections.

All ask one kept-alive loopback site in another process, by uvloop, 50 at a time; rounds alternate, medians count.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
import uvloop

from schemas.events import Fingerprint
from schemas.urls import canonical
from services.attribution.providermap import ProviderMap
from services.probing.dns.resolver import Resolver
from services.probing.guard.guard import Guard
from services.probing.http.exchange import Exchanger
from services.probing.look.looker import Looker, Target
from tests.as_configured import look_limits, looker_options, politeness_limits
from tests.benchmarks.apart import apart
from tests.benchmarks.figures import Figure, figure
from tests.integration.looksites import NameServer

CONCURRENCY = 50
LOOKS = 6_000
ROUNDS = 3
TARGET_RATIO = 0.6
TARGET_NEW = 1.7
MAP = '[[provider]]\nid = "giant"\nname = "Giant"\n[[provider.prefix]]\ncidr = "127.0.0.0/8"\n'
OK = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
    b'Content-Type: image/jpeg\r\nContent-Length: 48213\r\nETag: "5e-abc"\r\n'
    b"Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nConnection: keep-alive\r\n\r\n"
)
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class _Site(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(OK if b" /case/known-" in data else MISSING)


async def _serve(pipe: Connection) -> None:
    server = await asyncio.get_running_loop().create_server(_Site, "127.0.0.1", 0)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _round(ask: Callable[[int], Awaitable[None]]) -> float:
    """Make `LOOKS` requests, `CONCURRENCY` at a time; returns requests per CPU-second."""
    numbers = iter(range(LOOKS))

    async def worker() -> None:
        for number in numbers:
            await ask(number)

    before = time.process_time()
    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    return LOOKS / (time.process_time() - before)


def _looker(names: NameServer) -> Looker:
    guard = Guard("simulated", None)
    endless = politeness_limits(
        address_per_second=1e9,
        network_per_second=1e9,
        address_concurrency=CONCURRENCY,
        network_concurrency=CONCURRENCY,
    )
    return Looker(
        guard=guard,
        resolver=Resolver([("127.0.0.1", names.port)], guard),
        vantage="bench",
        clock=lambda: datetime.now(UTC),
        providers=ProviderMap.parse(MAP),
        **looker_options(limits=look_limits(connections_per_host=CONCURRENCY), politeness=endless),
    )


async def _measure(port: int) -> tuple[list[float], list[float]]:
    names = await NameServer({"bench.example": ["127.0.0.1"]}, ttl=3600).start()
    # Of nearly every look earlier ones saw the URL served, as the watch list says.
    seen = Fingerprint(content_type="image/*", content_length=48_213, method="HEAD", sibling="404")
    targets = [
        Target(
            f"{n:032x}",
            canonical(f"http://bench.example:{port}/case/known-{n}.jpg"),
            known_online=True,
            baseline=seen,
        )
        for n in range(500)
    ]
    bare_urls = [f"http://127.0.0.1:{port}/case/known-{n}.jpg" for n in range(500)]
    looks, bare = [], []
    connector = aiohttp.TCPConnector(limit=0, limit_per_host=CONCURRENCY)
    async with aiohttp.ClientSession(connector=connector) as session, _looker(names) as looker:

        async def look(number: int) -> None:
            made = await looker.look(targets[number % 500], datetime.now(UTC))
            if made.verdict != "online":
                raise RuntimeError(f"the bench site must be online, not {made.reason}")

        async def head(number: int) -> None:
            async with session.head(bare_urls[number % 500]) as response:
                if response.status != 200:
                    raise RuntimeError("the bench site must answer 200")

        for _ in range(ROUNDS):
            bare.append(await _round(head))
            looks.append(await _round(look))
    await names.stop()
    return looks, bare


async def _measure_new(port: int) -> tuple[list[float], list[float]]:
    """GET over a connection of its own: an exchange of ours, and aiohttp's session with the header block alone."""
    url = canonical(f"http://bench.example:{port}/case/known-1.jpg")
    bare_url = f"http://127.0.0.1:{port}/case/known-1.jpg"
    ours, bare = [], []
    exchanger = Exchanger(Guard("simulated", None), agent="bench")
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def exchange(_: int) -> None:
            reply = await exchanger.ask("GET", url, "127.0.0.1", 10.0)
            if reply.status != 200:
                raise RuntimeError(f"the bench site must answer 200, not {reply.fault}")

        async def get(_: int) -> None:
            async with session.get(bare_url) as response:
                response.close()

        for _ in range(ROUNDS):
            bare.append(await _round(get))
            ours.append(await _round(exchange))
    await exchanger.close()
    return ours, bare


def run() -> list[Figure]:
    """Measure; two rows."""
    with apart(_serve) as port, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        looks, bare = runner.run(_measure(port))
        exchanges, gets = runner.run(_measure_new(port))
    value, baseline = statistics.median(looks), statistics.median(bare)
    new, bare_new = statistics.median(exchanges), statistics.median(gets)
    return [
        figure(
            "GET over a new connection, beside aiohttp's",
            new,
            "requests/cpu-s",
            baseline=bare_new,
            at_least=TARGET_NEW * bare_new,
        ),
        figure(
            "kept-alive looks, beside aiohttp HEAD",
            value,
            "looks/cpu-s",
            baseline=baseline,
            at_least=TARGET_RATIO * baseline,
        )
    ]


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
