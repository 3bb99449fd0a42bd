"""Names resolved per CPU-second, beside dnspython's own resolver in the same run.

Both ask for A and AAAA of names that nobody knows yet, from a responder in another process, by uvloop, 50 at a time;
rounds alternate, medians count. The cached figure is that of a name that is remembered.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Any

import dns.asyncresolver
import uvloop

from services.probing.dns.resolver import Resolver
from services.probing.guard.guard import Guard
from tests.benchmarks.apart import apart
from tests.benchmarks.figures import Figure, figure

CONCURRENCY = 50
NAMES = 3_000
CACHED = 100_000
ROUNDS = 3
_FOUND = {
    1: b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x7f\x00\x00\x01",
    28: b"\xc0\x0c\x00\x1c\x00\x01\x00\x00\x00\x3c\x00\x10" + bytes(15) + b"\x01",
}


class _Responder(asyncio.DatagramProtocol):
    """Says 127.0.0.1 and ::1 to every question."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        end = data.index(b"\x00", 12) + 5
        kind = int.from_bytes(data[end - 4 : end - 2], "big")
        head = data[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00"
        self.transport.sendto(head + data[12:end] + _FOUND[kind], addr)


async def _serve(pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(_Responder, local_addr=("127.0.0.1", 0))
    pipe.send(transport.get_extra_info("sockname")[1])
    await asyncio.Event().wait()


async def _round(count: int, ask: Callable[[int], Awaitable[None]]) -> float:
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await ask(number)

    before = time.process_time()
    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    return count / (time.process_time() - before)


def _theirs(port: int) -> dns.asyncresolver.Resolver:
    made = dns.asyncresolver.Resolver(configure=False)
    made.nameservers, made.port, made.cache = ["127.0.0.1"], port, None
    return made


async def _measure(port: int) -> dict[str, float]:
    ours, theirs = Resolver([("127.0.0.1", port)], Guard("simulated", None)), _theirs(port)
    found: dict[str, list[float]] = {"ours": [], "dnspython": [], "cached": []}
    for turn in range(ROUNDS):

        async def ask_theirs(number: int, turn: int = turn) -> None:
            host = f"t{turn}-{number}.example."
            await asyncio.gather(theirs.resolve(host, "A"), theirs.resolve(host, "AAAA"))

        async def ask_ours(number: int, turn: int = turn) -> None:
            answer = await ours.resolve(f"n{turn}-{number}.example")
            if answer.addresses != ("127.0.0.1", "::1"):
                raise RuntimeError(f"the responder knows every name, not {answer.status}")

        async def ask_cached(number: int, turn: int = turn) -> None:
            if ours.recall(f"n{turn}-{number % NAMES}.example") is None:
                raise RuntimeError("the name must be remembered")

        found["dnspython"].append(await _round(NAMES, ask_theirs))
        found["ours"].append(await _round(NAMES, ask_ours))
        found["cached"].append(await _round(CACHED, ask_cached))
    await ours.close()
    return {name: statistics.median(rates) for name, rates in found.items()}


def run() -> list[Figure]:
    """Measure; two rows."""
    with apart(_serve) as port, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(_measure(port))
    base = found["dnspython"]
    return [
        figure(
            "names resolved (A and AAAA), beside dnspython",
            found["ours"],
            "names/cpu-s",
            baseline=base,
            at_least=2 * base,
        ),
        figure("names remembered", found["cached"], "names/cpu-s", baseline=base),
    ]
