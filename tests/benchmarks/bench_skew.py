"""Looks on the article's skew: nearly all cases at one provider, each looked at from its report until it is gone.

Looks per CPU-second of `Looker`, and the requests that they took, as the site counts them. Every case lives as in the
article's year (`article_year`): half is gone in eight hours, a tenth lasts for more than three days. Looks of one step
of the cadence go out together, 50 at a time; each case knows of its former looks what the watch list would say.

It measures a former build as well (`python -m tests.benchmarks before COMMIT skew`), so it takes what it needs from
where that build has it.
"""

import asyncio
import importlib
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from random import Random
from typing import Any

import uvloop
from msgspec import Struct

from schemas.urls import CanonicalUrl, canonical
from tests.benchmarks.apart import apart
from tests.benchmarks.figures import Figure, figure
from tests.integration.looksites import NameServer

CASES = 1_500
SEED = 2024
CONCURRENCY = 50
GIANT_SHARE = 0.94
GIANT_HOSTS, SMALL_HOSTS = 20, 40
CONFIRMED = 3
MOST_REQUESTS = 1.5
STEPS = (0, 1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 22, 23, 23.75, 24.05, 24.25, 26, 48, 72)
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 153\r\n\r\n"


def _from(name: str, *modules: str) -> Any:
    """Take a name from the first of the modules that this build has."""
    for module in modules:
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            continue
    raise ImportError(f"no module has {name}")


Guard = _from("Guard", "services.probing.guard.guard", "services.probing.guard")
Resolver = _from("Resolver", "services.probing.dns.resolver", "services.probing.resolver")
Looker = _from("Looker", "services.probing.look.looker", "services.probing.look")
Target = _from("Target", "services.probing.look.looker", "services.probing.look")
LookLimits = _from("LookLimits", "services.probing.look.looker", "services.probing.look")
PolitenessLimits = _from(
    "PolitenessLimits", "services.probing.limits.rates", "services.probing.politeness"
)


class Story(Struct):
    """One case: when it really goes, and what its looks have said."""

    case_id: str
    url: CanonicalUrl
    gone_hours: float
    known_online: bool = False
    baseline: Any = None
    removals: int = 0


def stories(port: int) -> Iterator[Story]:
    """Give the cases."""
    random = Random(SEED)
    for number in range(CASES):
        giant = random.random() < GIANT_SHARE
        host = f"g{random.randrange(GIANT_HOSTS)}" if giant else f"s{random.randrange(SMALL_HOSTS)}"
        url = canonical(f"http://{host}.example:{port}/case/{number}.jpg")
        yield Story(f"{number * 7_919:032x}"[::-1], url, random.weibullvariate(14.0, 0.7))


class _Site(asyncio.Protocol):
    """Serve the cases that are not gone yet, and count what is asked; `/step/N` sets the time, `/requests` tells."""

    gone_hours: tuple[float, ...] = ()
    hours = 0.0
    requests = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        method, target = data.split(b" ", 2)[:2]
        if target.startswith(b"/step/"):
            _Site.hours = STEPS[int(target[6:])]
            self.transport.write(b"%d\n" % _Site.requests)
            return
        _Site.requests += 1
        name = target.removeprefix(b"/case/").removesuffix(b".jpg")
        self.transport.write(_answer(name, get=method == b"GET"))
        if method == b"GET":
            self.transport.close()


def _answer(name: bytes, *, get: bool) -> bytes:
    number = int(name) if name.isdigit() and int(name) < CASES else None
    if number is None or _Site.gone_hours[number] <= _Site.hours:
        return MISSING
    length = 20_000 + number
    head = b"206 Partial Content" if get else b"200 OK"
    size = b"Content-Range: bytes 0-0/%d\r\nContent-Length: 1" if get else b"Content-Length: %d"
    return (
        b"HTTP/1.1 " + head + b"\r\nServer: nginx\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
        b"Content-Type: image/jpeg\r\n" + size % length + b'\r\nETag: "5e-abc"\r\n'
        b"Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n\r\n" + b"x" * get
    )


async def _serve(pipe: Connection) -> None:
    server = await asyncio.get_running_loop().create_server(_Site, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    _Site.gone_hours = tuple(story.gone_hours for story in stories(port))
    hosts = [f"g{n}.example" for n in range(GIANT_HOSTS)]
    hosts += [f"s{n}.example" for n in range(SMALL_HOSTS)]
    names = await NameServer({host: ["127.0.0.1"] for host in hosts}, ttl=3600).start()
    pipe.send((port, names.port))
    await server.serve_forever()


async def _step(port: int, number: int) -> int:
    """Set the site's time; gives how many requests it has had."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /step/%d HTTP/1.1\r\n\r\n" % number)
    count = int(await reader.readline())
    writer.close()
    await writer.wait_closed()
    return count


def _looker(name_server: int) -> Any:
    guard = Guard("simulated", None)
    many = {
        f"{of}_{what}": 10**9 for of in ("address", "network") for what in ("burst", "concurrency")
    }
    endless = PolitenessLimits(
        **many,
        address_per_second=1e9,
        network_per_second=1e9,
        max_wait_seconds=30.0,
        backoff_ceiling_seconds=900.0,
    )
    return Looker(
        guard=guard,
        resolver=Resolver([("127.0.0.1", name_server)], guard),
        vantage="bench",
        clock=lambda: datetime.now(UTC),
        canary_interval_seconds=60.0,
        agent_kind="identified",
        limits=LookLimits(total_seconds=20.0, connections_per_host=4),
        politeness=endless,
    )


async def _look(looker: Any, story: Story) -> None:
    target = Target(
        story.case_id,
        story.url,
        confirming=0 < story.removals < CONFIRMED,
        known_online=story.known_online,
        baseline=story.baseline,
    )
    made = await looker.look(target, datetime.now(UTC))
    if made.verdict == "online":
        story.known_online, story.baseline = True, story.baseline or made.fingerprint
    story.removals += made.verdict == "removed"


async def _measure(port: int, name_server: int) -> tuple[float, float]:
    cases, looks, seconds = list(stories(port)), 0, 0.0
    async with _looker(name_server) as looker:
        for number in range(len(STEPS)):
            await _step(port, number)
            due = iter([story for story in cases if story.removals < CONFIRMED])

            async def worker(due: Iterator[Story] = due) -> int:
                return sum([await _look(looker, story) is None for story in due])

            before = time.process_time()
            looks += sum(await asyncio.gather(*(worker() for _ in range(CONCURRENCY))))
            seconds += time.process_time() - before
    return looks / seconds, await _step(port, 0) / looks


def run() -> list[Figure]:
    """Measure; two rows."""
    with apart(_serve) as ports, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rate, requests = runner.run(_measure(*ports))
    return [
        figure("looks on the article's skew", rate, "looks/cpu-s"),
        figure("requests a look on the skew", requests, "requests", at_most=MOST_REQUESTS),
    ]


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
