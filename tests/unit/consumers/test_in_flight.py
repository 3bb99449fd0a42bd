"""Looks in flight: what is broken off, what is put off, and who takes a place."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consumers.prober.in_flight import InFlightLooks
from schemas.events import Event, LookMade, LookMissed, WatchEntry
from schemas.methodology import parse
from schemas.sealing import Keyring
from schemas.urls import canonical
from services.probing.limits.rates import Deferred
from services.probing.look.looker import Target
from services.probing.schedule.scheduler import Schedule

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = Keyring(naming=secrets.token_bytes(32), sealing={"k": secrets.token_bytes(32)}, active="k")
PLAIN = parse(
    'id = "plain"\nversion = 1\ntitle = "Every hour"\n[cadence]\nsteps = [{every = "1h"}]\njitter = "0s"\n',
    "plain",
)


class Kept:
    """A recorder that keeps what it is given, once it may."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.open = asyncio.Event()
        self.open.set()

    async def record(self, events: Sequence[Event]) -> None:
        await self.open.wait()
        self.events += events


class Looks:
    """A looker that does what it is told."""

    held = 0

    def __init__(self, do: Callable[[], Awaitable[None]]) -> None:
        self._do = do

    async def look(self, target: Target, tick: datetime) -> LookMade:
        await self._do()
        return LookMade(
            vantage="v",
            tick=tick,
            started_at=NOW,
            finished_at=NOW,
            verdict="online",
            reason="served",
            layer="content",
            method="HEAD",
        )


class Flown:
    """One schedule with so many cases, all looks of which are launched."""

    def __init__(self, do: Callable[[], Awaitable[None]], cases: int = 1) -> None:
        self.recorder, self.landed = Kept(), 0
        self.flights = InFlightLooks(
            Looks(do),
            KEYS,
            self.recorder,  # type: ignore[arg-type]
            vantage="v",
            clock=lambda: NOW,
            limit_seconds=60.0,
            on_end=self._landed,
        )
        self.schedule = Schedule({"plain": PLAIN}, now=NOW)
        self.schedule.start(NOW)
        for number in range(cases):
            self._put(number)
        self.schedule.advance(NOW)
        while (work := self.schedule.take(NOW)) is not None:
            self.flights.start(self.schedule, work)

    def _put(self, number: int) -> None:
        url = canonical(f"http://host.example/{number}")
        entry = WatchEntry(
            sealed_url=KEYS.seal(url), category="csam", methodology="plain", watch_from=NOW
        )
        self.schedule.put(KEYS.case_id(url), entry, offset=0, listed_at=NOW, now=NOW)

    def _landed(self) -> None:
        self.landed += 1

    async def settled(self) -> None:
        """Let everything that can go on go on."""
        for _ in range(10):
            await asyncio.sleep(0)

    @property
    def said(self) -> list[str]:
        """What is recorded: the verdict of a look, or why there was none."""
        datas: list[Any] = [event.data for event in self.recorder.events]
        return [d.reason if isinstance(d, LookMissed) else d.verdict for d in datas]


async def forbidden() -> None:
    """Say that politeness asks for half a minute."""
    raise Deferred(30.0)


async def too_long() -> None:
    """Say that the URL has had its looks of the day."""
    raise Deferred(86_400.0)


async def for_ever() -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def at_once() -> None:
    """Answer."""


async def test_a_look_that_politeness_forbids_is_put_off() -> None:
    """Nothing is recorded, the place is free, and the look comes up again when politeness allows it."""
    flown = Flown(forbidden)
    await flown.settled()
    assert (len(flown.flights), flown.said, flown.schedule.put_off_count) == (0, [], 1)
    flown.schedule.advance(NOW + timedelta(seconds=31))
    again = flown.schedule.take(NOW + timedelta(seconds=31))
    assert again is not None
    assert again.tick == NOW


async def test_a_wait_that_is_too_long_is_recorded_as_missed() -> None:
    """With its reason; the watermark goes on."""
    flown = Flown(too_long)
    await flown.settled()
    assert flown.said == ["politeness"]
    assert flown.schedule.progress(1).watermark == NOW


@pytest.mark.parametrize("started", [True, False])
async def test_a_look_that_is_broken_off_is_recorded_as_missed(started: bool) -> None:
    """With the reason of whoever broke it off, whether it had begun or not."""
    flown = Flown(for_ever)
    if started:
        await flown.settled()
    assert await flown.flights.drain([flown.schedule], "shutdown", 0.0, 1.0)
    assert flown.said == ["shutdown"]
    assert flown.flights.failure is None


async def test_a_flight_that_is_ended_records_nothing() -> None:
    """Where the broker is away at the end the whole flight ends, and the watermark holds its tick."""
    flown = Flown(at_once)
    flown.recorder.open.clear()
    await flown.settled()
    assert not await flown.flights.drain([flown.schedule], "shutdown", 0.0, 0.0)
    await flown.settled()
    assert (len(flown.flights), flown.said, flown.flights.failure) == (0, [], None)
    assert flown.schedule.progress(1).watermark < NOW


async def test_a_look_that_waits_for_the_broker_takes_no_place() -> None:
    """What it saw is still to be written, but the next one may begin."""
    flown = Flown(at_once, cases=3)
    flown.recorder.open.clear()
    await flown.settled()
    assert (len(flown.flights), flown.flights.busy) == (3, 0)
    flown.recorder.open.set()
    await flown.settled()
    assert (len(flown.flights), flown.said, flown.landed) == (0, ["online"] * 3, 3)
