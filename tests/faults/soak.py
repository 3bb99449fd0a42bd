"""The soak: a monitor under a steady load for an hour; its memory and its descriptors have to stay where they are.

The cases are the same for the whole time, so that the prober's list does not grow: reported once, looked at by another
vantage again and again, as of now as its looks are, while the probers look at them too. An hour of the simulation takes
a minute: a log grows to some 500 looks then, as those of real cases do. With hours of two seconds it grew to 5,000, and
the ledgers with it, which fold a case again from its whole log.
"""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.faults.arrangements import Own
from tests.faults.endurance import Watch, median, most
from tests.faults.judgement import Lost
from tests.faults.load import Sender
from tests.faults.run import Run, standing
from tests.faults.schedule import SERVERS
from tests.integration.ledger_kit import START, look, notice, report

_CASES = 2000
_HOUR_SECONDS = 60.0
_BATCH = 20
_SAMPLE_SECONDS = 15.0
_GROWTH_MB, _GROWTH_SHARE, _GROWTH_FILES = 8.0, 0.1, 4


async def soak(
    folder: Path, seed: int, minutes: float, rate: float, say: Callable[[str], None]
) -> None:
    """Hold a monitor under so many events a second; raises `Lost` where it grew, lost or doubled anything."""
    (folder / "data").mkdir(parents=True)
    async with standing(folder, Own(), seed, say, hour_seconds=_HOUR_SECONDS) as run:
        watch = Watch(run, say, _SAMPLE_SECONDS)
        watching = asyncio.create_task(watch.follow())
        async with run.played():
            sent = await _steady(run, seed, minutes * 60, rate)
        watching.cancel()
        await run.works()
        await run.compare()
    say(f"{sent} events of {_CASES} cases in {minutes:g} min")
    _compare(watch, say)


async def _steady(run: Run, seed: int, seconds: float, rate: float) -> int:
    loop, rng, sender = asyncio.get_running_loop(), random.Random(seed), run.sent
    await _report(sender)
    begun, sent = loop.time(), 0
    while loop.time() - begun < seconds:
        # A look is sent once it is over, and `look` lets it take half a second.
        now = datetime.now(UTC) - timedelta(seconds=0.5)
        numbers = rng.sample(range(_CASES), _BATCH)
        await sender.send([look(number, now, "online") for number in numbers])
        sent += _BATCH
        await asyncio.sleep(max(0.0, begun + sent / rate - loop.time()))
    return sent


async def _report(sender: Sender) -> None:
    for number in range(_CASES):
        await sender.send([report(number), notice(number, START + timedelta(minutes=5))])


def _compare(watch: Watch, say: Callable[[str], None]) -> None:
    """Compare the second quarter with the last; the first is what caches need to fill."""
    end = watch.samples[-1].at
    say(f"warm-up: the first {end / 240:.0f} min, then a quarter is compared with the last")
    early, late = watch.between(end / 4, end / 2), watch.between(end * 3 / 4, end + 1)
    say(
        f"{'process':<14}{'MB then':>10}{'MB now':>10}{'most':>8}{'files then':>12}{'files now':>11}"
    )
    grown = []
    for name in late[-1].uses:
        before, after, top = median(early, name), median(late, name), most(watch.samples, name)
        say(
            f"{name:<14}{before.memory:>10.1f}{after.memory:>10.1f}{top.memory:>8.1f}"
            f"{before.files:>12}{after.files:>11}"
        )
        bound = before.memory * (1 + _GROWTH_SHARE) + _GROWTH_MB
        if name in SERVERS:  # they fill what they are given: a heap, shared buffers
            continue
        if after.memory > bound or after.files > before.files + _GROWTH_FILES:
            grown.append(name)
    if grown:
        raise Lost(f"{', '.join(grown)} grew during the soak")
