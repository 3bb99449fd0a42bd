"""The guard of the test run refuses what would leave this machine, before it leaves."""

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import uvloop

from tests.socketguard import OutsideConnection

OUTSIDE = "192.0.2.1"  # RFC 5737: documentation, never routed


@pytest.mark.parametrize("call", ["connect", "connect_ex"])
def test_plain_sockets_are_refused(call: str, outside_attempts: list[str]) -> None:
    """A blocking connect to an outside address raises without a packet."""
    with socket.socket() as sock, pytest.raises(OutsideConnection):
        getattr(sock, call)((OUTSIDE, 80))
    assert outside_attempts == [OUTSIDE]
    outside_attempts.clear()


@pytest.mark.parametrize("address", [("2001:db8::1", 53), ("::ffff:192.0.2.1", 53)])
def test_datagrams_are_refused(address: tuple[str, int], outside_attempts: list[str]) -> None:
    """A datagram to an outside address raises too, mapped addresses included."""
    datagram = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with datagram as sock, pytest.raises(OutsideConnection):
        sock.sendto(b"query", address)
    outside_attempts.clear()


@pytest.mark.parametrize("new_loop", [asyncio.SelectorEventLoop, uvloop.new_event_loop])
@pytest.mark.parametrize("host", [OUTSIDE, "host.example"])
def test_event_loops_are_refused(
    new_loop: type[asyncio.AbstractEventLoop], host: str, outside_attempts: list[str]
) -> None:
    """Neither asyncio's loop nor uvloop's connects outside or asks for an outside name."""

    async def dial() -> None:
        await asyncio.open_connection(host, 80)

    with asyncio.Runner(loop_factory=new_loop) as runner, pytest.raises(OutsideConnection):
        runner.run(dial())
    assert set(outside_attempts) == {host}
    outside_attempts.clear()


@pytest.mark.parametrize("new_loop", [asyncio.SelectorEventLoop, uvloop.new_event_loop])
def test_sock_connect_is_refused(
    new_loop: type[asyncio.AbstractEventLoop], outside_attempts: list[str]
) -> None:
    """The way that aiohttp dials, loop.sock_connect, is refused on both loops."""

    async def dial() -> None:
        with socket.socket() as sock:
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, (OUTSIDE, 80))

    with asyncio.Runner(loop_factory=new_loop) as runner, pytest.raises(OutsideConnection):
        runner.run(dial())
    assert outside_attempts == [OUTSIDE]
    outside_attempts.clear()


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_loopback_is_allowed(family: socket.AddressFamily) -> None:
    """Loopback of both families is open to the tests."""
    with socket.socket(family) as server, socket.socket(family) as client:
        server.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        server.listen(1)
        client.connect(server.getsockname())


def test_swallowed_attempt_fails_the_test(tmp_path: Path) -> None:
    """A test whose code swallows the refusal fails all the same."""
    (tmp_path / "test_swallows.py").write_text(
        "import contextlib, socket\n"
        "def test_swallows():\n"
        "    with contextlib.suppress(Exception), socket.socket() as s:\n"
        "        s.connect(('192.0.2.1', 80))\n"
    )
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", tmp_path],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed, 1 error" in result.stdout
    assert "tried to reach 192.0.2.1" in result.stdout
