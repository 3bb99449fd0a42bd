"""Stalls, floods and resets at every phase of TLS: each ends in its reason, in time and in little memory."""

import asyncio
import json
import shutil
import ssl
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.certificates import self_signed
from tests.integration.lab import FAST, RUDE, Lab
from tests.integration.looksites import answer
from tests.integration.test_hostile import TURN_CPU_SECONDS, Turns, bounded_memory
from tests.servers import REPOSITORY, unavailable

LOOK_CPU_SECONDS = 1.0
RESET = {"blocked_reset"}
EXPECTED = {
    "silent": {"tls_timeout"},
    "half_hello": {"tls_timeout"},
    "after_hello": {"tls_timeout"},
    "dribble": {"tls_timeout"},
    "no_finished": {"tls_timeout"},
    "after_finished": {"response_timeout"},
    "alert": {"tls_failed"},
    "warnings": {"tls_failed"},
    "empty_records": {"tls_failed"},
    "huge_message": {"tls_failed"},
    "garbage": {"tls_failed"},
    "tickets": {"served", "never_seen_served"},
    "reset_at_once": RESET,
    "reset_after_hello": RESET,
    "reset_in_flight": RESET,
    "reset_after_finished": RESET,
    "reset_in_headers": RESET,
    "reset_in_body": {"not_found"},
    "cut": {"disconnected", "blocked_reset"},
}


@pytest.fixture
async def ports() -> AsyncIterator[dict[str, int]]:
    """Run the servers; yield the port of each."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.tls_child"),
        cwd=REPOSITORY,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    try:
        yield json.loads(await child.stdout.readline())
    finally:
        child.kill()
        await child.communicate()


async def test_every_phase_of_tls(lab: Lab, ports: dict[str, int]) -> None:
    """Each server ends in its reason within the timeout; none holds the loop or fills the memory."""
    assert set(ports) == set(EXPECTED)
    await lab.look(f"https://a.example:{ports['alert']}/x")
    found: dict[str, str] = {}
    for name, port in ports.items():
        with Turns() as turns, bounded_memory():
            spent, begun = time.thread_time(), time.monotonic()
            made = await lab.look(f"https://a.example:{port}/x")
            took, spent = time.monotonic() - begun, time.thread_time() - spent
        found[name] = made.reason
        assert took < FAST.total_seconds + 1, name
        assert turns.worst < TURN_CPU_SECONDS, name
        assert spent < LOOK_CPU_SECONDS, name
    wrong = {name: reason for name, reason in found.items() if reason not in EXPECTED[name]}
    assert wrong == {}


async def test_renegotiation_is_refused_on_the_wire(lab: Lab, tmp_path: Path) -> None:
    """A server that asks for a second handshake in one TLS 1.2 connection gets none, and the look a reason."""
    tool = shutil.which("openssl")
    if tool is None:
        unavailable("openssl", "its package is not installed")
    self_signed(tmp_path)
    child = await asyncio.create_subprocess_exec(
        *(tool, "s_server", "-accept", "127.0.0.1:0", "-tls1_2", "-msg"),
        *("-cert", str(tmp_path / "pair.pem"), "-key", str(tmp_path / "pair.pem")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert child.stdin is not None
    said: list[bytes] = []
    try:
        port = await _listening(child, said)
        looking = asyncio.create_task(lab.look(f"https://a.example:{port}/x"))
        await _until(child, said, b"HEAD /x")
        child.stdin.write(b"r\n")
        await child.stdin.drain()
        made = await looking
        await _rest(child, said)
    finally:
        child.kill()
        await child.wait()
    text = b"".join(said)
    assert made.verdict == "undetermined"
    assert text.count(b"HelloRequest") == 1
    assert text.count(b"ClientHello") == 1


async def _listening(child: asyncio.subprocess.Process, said: list[bytes]) -> int:
    line = await _until(child, said, b"ACCEPT")
    return int(line.rpartition(b":")[2])


async def _until(child: asyncio.subprocess.Process, said: list[bytes], text: bytes) -> bytes:
    assert child.stdout is not None
    async with asyncio.timeout(10):
        while line := await child.stdout.readline():
            said.append(line)
            if text in line:
                return line
    raise AssertionError(b"".join(said))


async def _rest(child: asyncio.subprocess.Process, said: list[bytes]) -> None:
    """Read what the server still says, for a while."""
    assert child.stdout is not None
    try:
        async with asyncio.timeout(0.5):
            while line := await child.stdout.readline():
                said.append(line)
    except TimeoutError:
        pass


async def test_a_site_that_stalls_in_tls_holds_up_no_other(
    lab: Lab, ports: dict[str, int], tmp_path: Path
) -> None:
    """While a hundred handshakes hang, looks at an honest TLS site take no longer than they must."""
    context: ssl.SSLContext = self_signed(tmp_path)
    site = await lab.site(x=answer(200), tls=context)
    # With places for a hundred only, the honest looks would wait for those of the stalls.
    room = replace(RUDE, address_concurrency=1000, network_concurrency=1000)
    looker = lab.looker(politeness=room)
    names = ("silent", "after_hello", "dribble", "after_finished")
    stalls = [
        asyncio.create_task(
            lab.look(f"https://a.example:{ports[name]}/x", looker, case_id=f"{n:032x}")
        )
        for n, name in enumerate(names * 25)
    ]
    for _ in range(10):
        begun = time.monotonic()
        made = await lab.look(f"https://a.example:{site.port}/x", looker)
        assert made.verdict == "online"
        assert time.monotonic() - begun < FAST.exchange_seconds
    found = await asyncio.gather(*stalls)
    assert {look.verdict for look in found} == {"undetermined"}
