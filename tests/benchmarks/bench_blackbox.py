"""Looks per CPU-second beside Debian's blackbox_exporter and `openssl s_time`, each in the same run.

Sites, exporter and its client are processes of their own. CPU is that of the prober's process and that of the
exporter's, read from the kernel; rounds alternate, medians count. Both ask once, by HEAD, at addresses of loopback: the
exporter by literals, so that it resolves nothing; the prober by names, which its resolver remembers. The cases have the
history of a watch list, as nearly every look has: earlier looks saw the URL served. The prober's one random sibling
per host and day is asked before the clock runs.

Beside them the limit of this process: the same requests by bare protocols, on uvloop's transports and as a look opens
connections, which know no guard and no rule, and, but for those over connections that are kept, no event.
"""

import asyncio
import contextlib
import importlib
import importlib.util
import os
import re
import resource
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from schemas.events import Fingerprint
from schemas.urls import canonical
from services.attribution.providermap import ProviderMap
from services.probing.dns.resolver import Resolver
from services.probing.guard.guard import Guard
from services.probing.http.connector import tls_context
from services.probing.look.looker import Looker, Target
from tests.as_configured import look_limits, looker_options, politeness_limits
from tests.benchmarks.figures import Figure, figure
from tests.benchmarks.one_request import OneRequest
from tests.benchmarks.websites import CLOSING, KEEPING, TLS, websites
from tests.blackbox import HEAD_MODULE, Blackbox, blackbox
from tests.integration.looksites import NameServer

# A former build that is measured by this file has no such module.
_OWN = "tests.benchmarks.prober_process"
OWN: Any = importlib.import_module(_OWN) if importlib.util.find_spec(_OWN) else None
CONCURRENCY = 50
LOOKS = 4_000
TLS_LOOKS = 1_500
# Of an odd number the middle one counts: a neighbour on the machine spoils one or two.
ROUNDS = 5
GIANTS_SHARE = 0.94
GIANT_HOSTS, OTHER_HOSTS = 54, 200
NEW_TARGET, KEPT_TARGET, TLS_TARGET = 4.0, 7.0, 0.75
SEEN = Fingerprint(content_type="image/*", content_length=48_213, method="HEAD", sibling="404")
TICKS = os.sysconf("SC_CLK_TCK")
MAP = '[[provider]]\nid = "giant"\nname = "Giant"\n[[provider.prefix]]\ncidr = "127.0.0.0/8"\n'


def address_of(host: int) -> str:
    return f"127.20.{host // 200}.{host % 200 + 1}"


def looker(names: NameServer) -> Looker:
    """Make the prober's own looker, with a politeness that never holds it up."""
    guard = Guard("simulated", None)
    return Looker(
        guard=guard,
        resolver=Resolver([("127.0.0.1", names.port)], guard),
        vantage="bench",
        clock=lambda: datetime.now(UTC),
        providers=ProviderMap.parse(MAP),
        **looker_options(
            limits=look_limits(connections_per_host=CONCURRENCY),
            politeness=politeness_limits(
                address_per_second=1e9,
                network_per_second=1e9,
                address_concurrency=CONCURRENCY,
                network_concurrency=CONCURRENCY,
            ),
        ),
    )


def targets(hosts: Sequence[int], scheme: str, port: int, per_host: int) -> list[Target]:
    """Name cases: so many on each host."""
    return [
        Target(
            f"{n:032x}",
            canonical(f"{scheme}://h{host}.example:{port}/case/known-{n}.jpg"),
            known_online=True,
            baseline=SEEN,
        )
        for n, host in enumerate(host for host in hosts for _ in range(per_host))
    ]


def skewed(port_kept: int, port_closing: int) -> list[Target]:
    """Spread cases as the article found them: 94 % on one provider's hosts, kept alive; the others close."""
    per_host = 40
    giants = targets(range(GIANT_HOSTS), "http", port_kept, per_host)
    rest = round(len(giants) * (1 - GIANTS_SHARE) / GIANTS_SHARE)
    others = targets(range(GIANT_HOSTS, GIANT_HOSTS + rest), "http", port_closing, 1)
    return giants + others


async def looks(made: Looker, cases: Sequence[Target], count: int) -> tuple[float, float]:
    """Make looks, `CONCURRENCY` at a time, in the order of hosts; returns looks per CPU- and per user-CPU-second."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            found = await made.look(cases[number % len(cases)], datetime.now(UTC))
            if found.verdict != "online":
                raise RuntimeError(f"the bench site must be online, not {found.reason}")

    cpu, user = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_utime
    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    cpu = time.process_time() - cpu
    user = resource.getrusage(resource.RUSAGE_SELF).ru_utime - user
    return count / cpu, count / max(user, 1 / TICKS)


# -- the others ------------------------------------------------------------------------------------


def cpu_seconds(pid: int) -> float:
    """Read how much CPU a process has used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


async def probes(exporter: Blackbox, port: int, count: int) -> float:
    """Drive /probe over kept-alive connections; returns probes per CPU-second of the exporter."""
    numbers = iter(range(count))

    async def worker() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", exporter.port)
        for number in numbers:
            target = f"http://{address_of(number % GIANT_HOSTS)}:{port}/case/known-{number}.jpg"
            path = exporter.path(target, "head")
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            body = await _body(head, reader)
            if b"\nprobe_success 1" not in body:
                raise RuntimeError("the exporter must find the bench site up")
        writer.close()

    before = cpu_seconds(exporter.pid)
    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    return count / (cpu_seconds(exporter.pid) - before)


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    length = re.search(rb"content-length: (\d+)", head.lower())
    if length is not None:
        return await reader.readexactly(int(length[1]))
    body = b""
    while size := int((await reader.readline()).strip(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return body


def openssl_new(port: int, seconds: int = 3) -> float:
    """Ask `openssl s_time` for its new connections per second of user CPU."""
    done = subprocess.run(
        ["openssl", "s_time", "-connect", f"{address_of(0)}:{port}", "-new", "-time", str(seconds)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"(\d+) connections in ([\d.]+)s;", done.stdout)
    if found is None:
        raise RuntimeError(f"openssl s_time said: {done.stderr[-200:]}")
    return int(found[1]) / float(found[2])


async def bare(port: int, count: int, *, encrypted: bool = False) -> float:
    """Ask over new connections by bare protocols; returns requests per CPU-second, with TLS per user-CPU-second."""
    loop, numbers = asyncio.get_running_loop(), iter(range(count))
    context = tls_context() if encrypted else None

    async def worker() -> None:
        for number in numbers:
            host = number % GIANT_HOSTS
            request = f"HEAD /case/known-{number}.jpg HTTP/1.1\r\nHost: h{host}.example\r\n\r\n"
            _, protocol = await loop.create_connection(
                partial(OneRequest, request.encode()),
                address_of(host),
                port,
                ssl=context,
                server_hostname=f"h{host}.example" if encrypted else None,
            )
            await protocol.over

    cpu, user = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_utime
    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    user = resource.getrusage(resource.RUSAGE_SELF).ru_utime - user
    # What the kernel takes for user time is coarse: of a round without TLS it may be none.
    return count / (user if encrypted else time.process_time() - cpu)


# -- the rounds ------------------------------------------------------------------------------------


async def _measure(ports: dict[str, int], exporter: Blackbox) -> dict[str, list[float]]:
    known = {f"h{host}.example": [address_of(host)] for host in range(GIANT_HOSTS + OTHER_HOSTS)}
    names = await NameServer(known, ttl=3600).start()
    new = targets(range(GIANT_HOSTS), "http", ports[CLOSING], 20)
    kept = skewed(ports[KEEPING], ports[CLOSING])
    tls = targets(range(GIANT_HOSTS), "https", ports[TLS], 20)
    found: dict[str, list[float]] = defaultdict(list)
    async with looker(names) as made:
        for cases in (new, kept, tls):
            await looks(made, cases, len(cases))
        for _ in range(ROUNDS):
            found["box"].append(await probes(exporter, ports[CLOSING], LOOKS))
            found["new"].append((await looks(made, new, LOOKS))[0])
            found["kept"].append((await looks(made, kept, 2 * LOOKS))[0])
            openssl = asyncio.to_thread(openssl_new, ports[TLS])
            found["openssl"].append(await openssl)
            found["tls"].append((await looks(made, tls, TLS_LOOKS))[1])
            found["bare"].append(await bare(ports[CLOSING], LOOKS))
            if OWN is not None:
                hosts = [address_of(host) for host in range(GIANT_HOSTS)]
                found["plain"].append(await OWN.opened(hosts, ports[CLOSING], LOOKS, CONCURRENCY))
                found["again"].append(await OWN.kept(hosts, ports[KEEPING], 2 * LOOKS, CONCURRENCY))
            if hasattr(OWN, "opened_by_tls"):
                by_tls = OWN.opened_by_tls(hosts, ports[TLS], TLS_LOOKS, CONCURRENCY)
                found["plain tls"].append(await by_tls)
            found["bare tls"].append(await bare(ports[TLS], TLS_LOOKS, encrypted=True))
    await names.stop()
    return found


@contextlib.contextmanager
def _sites() -> Iterator[dict[str, int]]:
    with websites([address_of(host) for host in range(GIANT_HOSTS + OTHER_HOSTS)]) as ports:
        yield ports


async def _all(ports: dict[str, int]) -> dict[str, list[float]]:
    with contextlib.nullcontext() if OWN is None else OWN.collector_of_looks():
        async with blackbox({"head": HEAD_MODULE}) as exporter:
            return await _measure(ports, exporter)


def run() -> list[Figure]:
    """Measure; three rows, and the limits beside two of them."""
    with _sites() as ports, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = {name: statistics.median(made) for name, made in runner.run(_all(ports)).items()}
    figures = [
        _beside(
            "looks, new connections, beside blackbox_exporter",
            found["new"],
            found["box"],
            NEW_TARGET,
        ),
        _beside(
            "looks, kept alive, the article's skew, beside it",
            found["kept"],
            found["box"],
            KEPT_TARGET,
        ),
        _beside(
            "looks, new TLS, beside openssl s_time (user)",
            found["tls"],
            found["openssl"],
            TLS_TARGET,
        ),
        _limit("new connections of bare protocols, beside looks", found["bare"], found["new"]),
        _limit("new TLS of bare protocols, beside looks (user)", found["bare tls"], found["tls"]),
    ]
    if OWN is not None:
        opened = "new connections as a look opens them, beside looks"
        figures.append(_limit(opened, found["plain"], found["new"]))
        if found.get("plain tls"):
            name = "new TLS as a look opens it, beside looks (user)"
            figures.append(_limit(name, found["plain tls"], found["tls"]))
        again = "kept-alive requests and their events, nothing else, beside looks"
        figures.append(_limit(again, found["again"], found["kept"]))
    return figures


def _beside(name: str, ours: float, theirs: float, ratio: float) -> Figure:
    return figure(
        name, ours, "looks/cpu-s", baseline=round(theirs, 1), at_least=round(ratio * theirs, 1)
    )


def _limit(name: str, bare_rate: float, ours: float) -> Figure:
    return figure(name, bare_rate, "requests/cpu-s", baseline=round(ours, 1))


if __name__ == "__main__":
    for made in run():
        print(made, f"ratio {made['figure'] / (made['baseline'] or 1):.2f}")
