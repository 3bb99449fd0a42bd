"""After a pause: what is owed is caught up with at the set pace, the rest is recorded as missed, nothing is lost."""

import asyncio
import signal
import sys
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import pytest

from schemas.events import LookMade, LookMissed
from tests.integration.prober_world import SETTINGS, World, clock, running, world
from tests.integration.test_prober import assert_no_tick_is_lost, total
from tests.servers import REPOSITORY, eventually

SECOND = timedelta(seconds=1)
CASES = 30
# The cases make 30 looks a second; unpaced, the half second after a pause would see 15 of those and 30 of the backlog.
PACE = 34.0
# What the pace allows in half a second, its burst, and as many again that a busy machine held up.
MOST = round(PACE * (0.5 + 0.25 + 0.25))


@pytest.fixture
async def here(kafka_bootstrap: str) -> AsyncIterator[World]:
    async with world(kafka_bootstrap) as made:
        for number in range(CASES):
            await made.watch(number)
        yield made


def densest(begun: Sequence[float]) -> int:
    """Count the looks of the half second that saw most of them."""
    instants = sorted(begun)
    return max(bisect_right(instants, at + 0.5) - n for n, at in enumerate(instants))


async def test_a_process_that_stood_still_catches_up_at_its_pace(here: World) -> None:
    """SIGSTOP for longer than the group's session: one late look a case, the other ticks missed, no burst."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.prober_world",
        here.kafka.bootstrap_servers,
        here.vantage,
        here.watchlist.name,
        here.observations.name,
        str(PACE),
        cwd=REPOSITORY,
    )
    await eventually("looks", lambda: total(here, 3 * CASES), seconds=40)
    process.send_signal(signal.SIGSTOP)
    stopped = clock()
    await asyncio.sleep(SETTINGS.session_seconds + 6)
    process.send_signal(signal.SIGCONT)
    resumed = clock()
    await eventually("progress", lambda: here.done_until(resumed + 3 * SECOND), seconds=40)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 20) == 0
    await assert_no_tick_is_lost(here, resumed + 3 * SECOND)
    looks = [look for look in await here.seen() if isinstance(look, LookMade)]
    after = [look.started_at.timestamp() for look in looks if look.started_at > resumed]
    assert densest(after) <= MOST
    pause = (stopped + SECOND, resumed - 2 * SECOND)
    assert_missed(await here.seen(), pause)


def assert_missed(seen: Sequence[LookMade | LookMissed], pause: tuple[datetime, datetime]) -> None:
    """Hold that the ticks well inside a pause were missed, but for those that looks were late for."""
    inside = [look for look in seen if pause[0] < look.tick < pause[1]]
    missed = [look for look in inside if isinstance(look, LookMissed)]
    seconds = (pause[1] - pause[0]) / SECOND
    assert len(missed) >= CASES * (seconds - 2)
    assert {look.reason for look in missed} <= {"prober_down", "overload"}


async def test_a_restart_after_minutes_owes_one_look_a_case(here: World) -> None:
    """Ten minutes later each case has one late look, and its 600 ticks in between are missed once."""
    async with running(here.prober()):
        await eventually("looks", lambda: total(here, 2 * CASES))
    later = timedelta(minutes=10)
    restarted = clock() + later
    async with running(here.prober(clock=lambda: clock() + later)):
        await eventually("progress", lambda: here.done_until(restarted + 3 * SECOND), seconds=40)
    await assert_no_tick_is_lost(here, restarted + 3 * SECOND)
    for made, missed in (await here.ticks_by_case()).values():
        assert max(made.values()) == 1, "a clean stop leaves no crash window"
        assert max(missed.values()) == 1
        assert not {*made} & {*missed}
        pause = [tick for tick in missed if restarted - later < tick <= restarted]
        assert 595 <= len(pause) <= 600
