"""The overload: ten times the sustained rate for minutes, in evidence and in looks, then recovery.

Evidence: the ledger is sent so many events a second that it falls behind, or shows that it does not.
Looks: the probers are allowed a tenth of the looks that their cases owe, so that the schedule has to choose.
"""

import asyncio
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg
from msgspec import Struct

from schemas.events import Event
from tests.faults.arrangements import Own
from tests.faults.endurance import Watch, metric, most
from tests.faults.judgement import Lost
from tests.faults.run import Run, standing
from tests.faults.schedule import SERVERS
from tests.faults.urgency import urgency
from tests.integration.ledger_kit import KEYRING, START, look, notice, report
from tests.streams import evidence

_CASES = 4000
_BATCH = 250
_CALM_SECONDS = 60.0
_WORLD_CASES, _HOUR_SECONDS = 600, 6.0
_SOON_SHARE = 12
_ROLE_MB = 400.0
_RECOVERY_SECONDS = 1800.0
_BACKLOGS = ("takedown_consumer_lag_records", "takedown_looks_waiting")


class Overload(Struct, frozen=True):
    """What an overload is: minutes, events a second before it, how many times that, looks a second that are allowed."""

    minutes: float
    rate: float
    factor: float
    looks: float


async def overload(folder: Path, seed: int, what: Overload, say: Callable[[str], None]) -> None:
    """Overload a monitor, and see that it bounds its memory, shows its backlog and recovers; raises `Lost`."""
    (folder / "data").mkdir(parents=True)
    limited = {"TAKEDOWN_PROBE_LOOKS_PER_SECOND": f"{what.looks:g}"}
    async with standing(
        folder, Own(), seed, say, cases=_WORLD_CASES, hour_seconds=_HOUR_SECONDS, variables=limited
    ) as run:
        watch = Watch(run, say, 5.0, talk=30.0)
        watching = asyncio.create_task(watch.follow())
        backlogs = asyncio.create_task(_backlogs(run))
        async with run.played():
            await _phases(run, seed, what, watch, say)
        backlogs.cancel()
        highest = await backlogs
        watching.cancel()
        await _choice(run, say)
        await run.compare()
    _bounded(watch, say)
    _visible(highest, say)


async def _phases(
    run: Run, seed: int, what: Overload, watch: Watch, say: Callable[[str], None]
) -> None:
    stream = Stream(run, seed)
    await stream.report()
    await stream.send(_CALM_SECONDS, what.rate)
    calm = watch.behind
    say(f"sustained: {what.rate:g} events a second, {calm} behind")
    sent = await stream.send(what.minutes * 60, what.rate * what.factor)
    say(f"overload: {sent / what.minutes / 60:.0f} events a second sent, {watch.behind} behind")
    await _recovered(stream, what, watch, say)


async def _recovered(
    stream: "Stream", what: Overload, watch: Watch, say: Callable[[str], None]
) -> None:
    """Go on with the sustained rate until the ledger is no more than two seconds of it behind."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while watch.behind is None or watch.behind > 2 * what.rate:
        if loop.time() - begun > _RECOVERY_SECONDS:
            raise Lost(f"{watch.behind} behind {_RECOVERY_SECONDS:g} s after the overload")
        await stream.send(2.0, what.rate)
    say(f"recovered {loop.time() - begun:.0f} s after the overload, under the sustained rate")


class Stream:
    """Another vantage's looks at the same cases, minute after minute, at any rate."""

    def __init__(self, run: Run, seed: int) -> None:
        self._sender = run.sent
        self._rng = random.Random(seed)
        self._minutes = dict.fromkeys(range(_CASES), 10)

    def __repr__(self) -> str:
        return f"<Stream cases={len(self._minutes)}>"

    async def report(self) -> None:
        """Report every case."""
        for first in range(0, _CASES, _BATCH):
            cases = range(first, min(first + _BATCH, _CASES))
            notices = [notice(number, START + timedelta(minutes=5)) for number in cases]
            await self._sender.send([*map(report, cases), *notices])

    async def send(self, seconds: float, rate: float) -> int:
        """Send at a rate for a while; return how many events."""
        loop = asyncio.get_running_loop()
        begun, sent = loop.time(), 0
        while loop.time() - begun < seconds:
            await self._sender.send(self._looks())
            sent += _BATCH
            await asyncio.sleep(max(0.0, begun + sent / rate - loop.time()))
        return sent

    def _looks(self) -> list[Event]:
        numbers = self._rng.sample(range(_CASES), _BATCH)
        for number in numbers:
            self._minutes[number] += 1
        return [
            look(number, START + timedelta(minutes=self._minutes[number]), "online")
            for number in numbers
        ]


async def _backlogs(run: Run) -> dict[str, float]:
    """Give the most that the metrics showed of each backlog until this is cancelled."""
    highest: dict[str, float] = {}
    try:
        while True:
            for address in run.places().http.values():
                for name in _BACKLOGS:
                    highest[name] = max(highest.get(name, 0.0), await metric(address, name))
            await asyncio.sleep(5.0)
    except asyncio.CancelledError:
        return highest


async def _choice(run: Run, say: Callable[[str], None]) -> None:
    """State which looks were made; raises `Lost` where those near a deadline did not go first."""
    by_case = await evidence(run.places().bootstrap_servers, KEYRING)
    watched = {case.case_id for case in run.world.cases}
    deadlines = {c: at for c, at in (await _deadlines(run)).items() if c in watched}
    hour = timedelta(seconds=_HOUR_SECONDS)
    found = urgency(by_case, deadlines, 24 * hour / _SOON_SHARE, hour)
    found.say(say)
    if found.near.made <= found.others.made:
        raise Lost("looks near a deadline did not go before others that came due at the same time")


async def _deadlines(run: Run) -> dict[str, datetime]:
    session = await asyncpg.connect(run.places().database_url)
    try:
        rows = await session.fetch(
            "SELECT case_id, deadline FROM spells WHERE spell = 1 AND deadline IS NOT NULL"
        )
    finally:
        await session.close()
    return {row["case_id"]: row["deadline"] for row in rows}


def _bounded(watch: Watch, say: Callable[[str], None]) -> None:
    calm = [one for one in watch.samples if one.at < _CALM_SECONDS] or watch.samples[:1]
    say(f"{'process':<14}{'MB before':>11}{'MB at most':>12}{'files at most':>15}")
    grown = []
    for name in calm[-1].uses:
        before, top = most(calm, name), most(watch.samples, name)
        say(f"{name:<14}{before.memory:>11.1f}{top.memory:>12.1f}{top.files:>15}")
        if name not in SERVERS and top.memory > _ROLE_MB:
            grown.append(name)
    if grown:
        raise Lost(f"{', '.join(grown)} took more than {_ROLE_MB:g} MB")


def _visible(highest: dict[str, float], say: Callable[[str], None]) -> None:
    for name in _BACKLOGS:
        say(f"{name} at most {highest.get(name, 0.0):.0f}")
        if not highest.get(name):
            raise Lost(f"{name} never showed a backlog")
