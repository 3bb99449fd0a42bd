"""No hostile answer makes another look late: by the clock on the wall, in the loop that production has."""

import asyncio
import json
import socket
import sys

import pytest
import uvloop

from schemas.urls import canonical
from services.probing.guard.guard import Guard
from services.probing.http import connector as wire
from services.probing.http.exchange import Exchanger
from tests.integration.test_hostile import EXPECTED, GROWTH_KB
from tests.integration.test_hostile import ports as http_ports
from tests.integration.test_hostile_tls import EXPECTED as EXPECTED_TLS
from tests.integration.test_hostile_tls import ports as tls_ports
from tests.servers import REPOSITORY

__all__ = ["http_ports", "tls_ports"]

LATE_SECONDS = 2.0
# What was on its way behind a reset may be lost with it, or come before it; what answers once per connection may keep
# its sibling waiting.
RACES = {
    "rst_in_status": "disconnected",
    "rst_in_headers": "disconnected",
    "tls_tickets": "suspected_wall",
}


def host_of(name: str) -> str:
    """Give each hostile answer a host of its own, so that none waits for another."""
    return f"{name.replace('_', '-')}.example"


def percentile(ordered: list[float], percent: int) -> float:
    return ordered[len(ordered) * percent // 100]


async def test_innocent_looks_are_in_time_while_others_are_hostile(
    http_ports: tuple[int, int], tls_ports: dict[str, int]
) -> None:
    """All hostile answers at once, again and again, some for ten seconds: new looks at other hosts are over in time."""
    hostile, honest = http_ports
    urls = {name: f"http://{host_of(name)}:{hostile}/{name}" for name in EXPECTED}
    urls |= {f"tls_{n}": f"https://{host_of(n)}:{port}/x" for n, port in tls_ports.items()}
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.lateness_child", str(honest), json.dumps(urls)),
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        out, _ = await asyncio.wait_for(child.communicate(), 120)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert child.returncode == 0, "an innocent look was not online"
    calm, attacked, found, grown_kb = json.loads(out.splitlines()[-1])
    lates = {"calm": calm, "attacked": attacked}
    told = {who: (percentile(late, 99), late[-1]) for who, late in lates.items()}
    assert len(attacked) > 300
    assert percentile(attacked, 99) < max(LATE_SECONDS, 10 * percentile(calm, 99)), told
    assert attacked[-1] < max(2.5 * LATE_SECONDS, 10 * calm[-1]), told
    assert grown_kb < 2 * GROWTH_KB
    expected = {name: {reason} for name, reason in EXPECTED.items()}
    expected |= {f"tls_{name}": reasons for name, reasons in EXPECTED_TLS.items()}
    expected |= {name: expected[name] | {other} for name, other in RACES.items()}
    assert set(found) == set(urls)
    assert {name: reason for name, reason in found.items() if reason not in expected[name]} == {}


async def test_a_connection_that_breaks_at_once_closes_no_other(
    tls_ports: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop owns each descriptor once it has it: no socket is left that would close the number again."""
    made: list[socket.socket] = []
    plain = wire.guarded_socket

    def spy(*args: object) -> socket.socket:
        made.append(plain(*args))
        return made[-1]

    monkeypatch.setattr(wire, "guarded_socket", spy)
    url = canonical(f"https://a.example:{tls_ports['reset_at_once']}/x")

    async def ask() -> set[str | None]:
        exchanger = Exchanger(Guard("simulated", None), agent="x")
        found = {(await exchanger.ask("HEAD", url, "127.0.0.1", 2.0)).fault for _ in range(50)}
        await exchanger.close()
        return found

    def apart() -> set[str | None]:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(ask())

    faults = await asyncio.to_thread(apart)
    left = [sock for sock in made if sock.fileno() != -1]
    count = len(left)
    for sock in left:
        sock.detach()
    assert (faults, len(made), count) == ({"blocked_reset"}, 50, 0)
