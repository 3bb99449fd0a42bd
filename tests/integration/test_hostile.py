"""Hostile answers from another process: each ends in its reason, in time, in little memory, and holds up nobody.

What is held against the loop is its own CPU time between two turns: how busy the machine is else plays no part.
"""

import asyncio
import gc
import ssl
import sys
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

from services.probing.http.connector import tls_context
from tests.integration.certificates import self_signed
from tests.integration.lab import Lab
from tests.integration.looksites import answer
from tests.servers import REPOSITORY

TURN_CPU_SECONDS = 0.1
LOOK_CPU_SECONDS = 0.5
GROWTH_KB = 24 * 1024

EXPECTED = {
    "slow_headers": "blocked_tarpit",
    "slow_bytes": "blocked_tarpit",
    "slow_body": "not_found",
    "interim_100": "interim_flood",
    "interim_102": "interim_flood",
    "interim_allowed": "not_found",
    "header_byte_too_many": "header_flood",
    "line_without_end": "header_flood",
    "encoded_body": "not_found",
    "chunked_body": "not_found",
    "body_past_the_buffer": "not_found",
    "trailer": "not_found",
    "long_location": "redirect_broken",
    "loop": "redirect_loop",
    "nul_reason": "bad_response",
    "nul_header": "bad_response",
    "nul_type": "bad_response",
    "http09": "bad_response",
    "http2_preface": "bad_response",
    "ssh": "bad_response",
    "status_999": "odd_status",
    "two_lengths": "bad_response",
    "short_body": "not_found",
    "long_body": "not_found",
    "empty": "disconnected",
    "rst_at_once": "blocked_reset",
    "rst_in_status": "blocked_reset",
    "rst_in_headers": "blocked_reset",
    "rst_in_body": "not_found",
    "silence": "response_timeout",
    "half": "blocked_tarpit",
}


@pytest.fixture
async def ports() -> AsyncIterator[tuple[int, int]]:
    """Run a hostile and an honest site, each in its own process; yield their ports."""
    children = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.integration.hostile_child"),
            cwd=REPOSITORY,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(2)
    ]
    try:
        yield tuple([int(await child.stdout.readline()) for child in children])  # type: ignore[misc,union-attr]
    finally:
        for child in children:
            child.kill()
            await child.communicate()


class Turns:
    """The most CPU time that this thread spent between two turns of the loop, while the block lasts.

    What stood before is kept from the garbage collector: to go through a whole suite takes it 0.1 s.
    """

    def __init__(self) -> None:
        self.worst = 0.0

    def __enter__(self) -> Self:
        gc.freeze()
        self._watching = asyncio.create_task(self._watch())
        return self

    def __exit__(self, *_: object) -> None:
        self._watching.cancel()
        gc.unfreeze()

    async def _watch(self) -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(0.002)
            now = time.thread_time()
            self.worst = max(self.worst, now - before)
            before = now


@contextmanager
def bounded_memory() -> Iterator[None]:
    """Hold that this process's memory does not grow by more than a few megabytes, not even for a moment."""
    Path("/proc/self/clear_refs").write_text(
        "5"
    )  # forget the peak of before: it would hide this one
    before = peak_kb()
    yield
    assert peak_kb() - before < GROWTH_KB


def peak_kb() -> int:
    """Read the peak of this process's memory."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


async def test_hostile_answers(lab: Lab, ports: tuple[int, int]) -> None:
    """Each ends in its reason, in bounded CPU and memory, while looks at an honest site go on in time."""
    hostile, honest = ports
    looker = lab.looker()
    await lab.look(f"http://a.example:{honest}/honest", looker)
    # The first header flood loads what it needs.
    await lab.look(f"http://a.example:{hostile}/header_byte_too_many", looker)
    found: dict[str, str] = {}
    for name in EXPECTED:
        with Turns() as turns, bounded_memory():
            spent = time.thread_time()
            attack = asyncio.create_task(lab.look(f"http://a.example:{hostile}/{name}", looker))
            beside = 0
            while not attack.done() or not beside:
                made = await lab.look(f"http://a.example:{honest}/honest", looker)
                assert made.verdict == "online", name
                beside += 1
                await asyncio.sleep(0.01)
            spent = time.thread_time() - spent
        found[name] = (await attack).reason
        assert turns.worst < TURN_CPU_SECONDS, name
        assert spent < LOOK_CPU_SECONDS + 0.01 * beside, name
    assert found == EXPECTED


async def test_no_hostile_answer_is_ever_taken_for_a_removal_but_by_get(
    lab: Lab, ports: tuple[int, int]
) -> None:
    """What says 404 says it twice, before any body; everything else is undetermined."""
    for name, reason in EXPECTED.items():
        made = await lab.look(f"http://a.example:{ports[0]}/{name}")
        assert made.verdict == ("removed" if reason == "not_found" else "undetermined"), name
        assert made.method == "GET" or reason != "not_found", name


async def test_a_hundred_hostile_looks_at_once(lab: Lab, ports: tuple[int, int]) -> None:
    """A hundred answers past a limit, in parallel, neither pile up memory nor hold the loop."""
    names = [
        *("interim_102", "line_without_end", "encoded_body", "chunked_body"),
        "header_byte_too_many",
    ] * 20
    with Turns() as turns, bounded_memory():
        made = await asyncio.gather(
            *(lab.look(f"http://a.example:{ports[0]}/{name}") for name in names)
        )
    assert len(made) == 100
    assert turns.worst < 5 * TURN_CPU_SECONDS


# -- TLS -------------------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path) -> ssl.SSLContext:
    """Make a server's context."""
    return self_signed(tmp_path)


async def test_an_old_server_is_understood(lab: Lab, certificate: ssl.SSLContext) -> None:
    """A server that speaks nothing newer than TLS 1.0 is still looked at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        certificate.minimum_version = ssl.TLSVersion.TLSv1
        certificate.maximum_version = ssl.TLSVersion.TLSv1
    certificate.set_ciphers("ALL:@SECLEVEL=0")
    site = await lab.site(x=answer(200), tls=certificate)
    assert (await lab.look(f"https://a.example:{site.port}/x")).verdict == "online"


async def test_a_server_that_knows_no_such_name(lab: Lab, certificate: ssl.SSLContext) -> None:
    """A fatal alert for the name is a fault of TLS and no removal."""
    asked: list[str | None] = []

    def refuse(_: object, name: str | None, __: object) -> int:
        asked.append(name)
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    certificate.sni_callback = refuse
    site = await lab.site(x=answer(200), tls=certificate)
    made = await lab.look(f"https://a.example:{site.port}/x")
    # asyncio's server resets the connection behind its alert, and the reset may come first.
    assert made.reason in ("tls_failed", "blocked_reset")
    assert made.verdict == "undetermined"
    assert asked[0] == "a.example"


def test_renegotiation_is_refused() -> None:
    """A server can't make us shake hands again and again within one connection."""
    assert tls_context().options & ssl.OP_NO_RENEGOTIATION
