"""The prober on a real broker: entries in, looks out, whatever happens to it."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from aiokafka.structs import OffsetAndMetadata

from consumers.client.watchdog import Stuck
from consumers.prober import progress
from schemas import ids
from schemas.events import LookMade, LookMissed
from services.core.cadence import ticks_between
from services.exporter import metrics
from services.probing.schedule.works import Progress
from tests.conftest import OwnKafka
from tests.integration.prober_world import (
    METHOD,
    OTHER_KEYS,
    SETTINGS,
    ScriptedLooker,
    World,
    clock,
    running,
    world,
)
from tests.servers import REPOSITORY, eventually

SECOND = timedelta(seconds=1)


@pytest.fixture
async def here(kafka_bootstrap: str) -> AsyncIterator[World]:
    async with world(kafka_bootstrap) as made:
        yield made


async def looks_of(here: World, case_id: str) -> list[LookMade]:
    """Give the looks of one case."""
    found = [r for r in await here.records() if r.subject == case_id]
    return [r.data for r in found if isinstance(r.data, LookMade)]


async def assert_no_tick_is_lost(here: World, until: datetime) -> None:
    """Hold that every tick was made or missed, from the listing and the vantage's first start on."""
    born = max(p.born for p in (await here.progress()).values() if p is not None)
    assert born - min(here.listed.values()) < 20 * SECOND
    for case_id, (made, missed) in (await here.ticks_by_case()).items():
        since = max(here.listed[case_id], born)
        owed = set(ticks_between(here.entries[case_id], case_id, METHOD, since, until))
        lost = owed - {*made} - {*missed}
        assert not lost, f"{len(lost)} ticks of {case_id}"


async def test_entries_in_looks_out(here: World) -> None:
    """A case on the list is looked at, tick after tick, by event ids that are functions of the facts."""
    case_id = await here.watch(1)
    async with running(here.prober()):
        await eventually("three looks", lambda: enough(here, case_id, 3))
    records = [r for r in await here.records() if isinstance(r.data, LookMade)]
    for record in records:
        look = record.data
        assert isinstance(look, LookMade)
        assert record.id == ids.look_id(case_id, here.vantage, look.tick, look.started_at)
        assert (record.subject, record.time) == (case_id, look.finished_at)
        assert look.started_at >= look.tick
    ticks = [r.data.tick for r in records]  # type: ignore[union-attr]
    assert ticks == sorted(set(ticks))


async def enough(here: World, case_id: str, count: int) -> bool:
    return len(await looks_of(here, case_id)) >= count


async def test_the_broker_keeps_the_progress_in_the_commit(here: World) -> None:
    """What is committed as metadata is read back, and an untouched partition reads as never started."""
    assert await here.progress() == {0: None, 1: None, 2: None}
    await here.watch(1)
    before = clock()
    async with running(here.prober()):
        await eventually("progress", lambda: here.done_until(before + SECOND))
    stored = await here.progress()
    assert sum(p.offset for p in stored.values() if p is not None) == 1
    assert all(p is not None and p.born < p.watermark <= clock() for p in stored.values())


def test_progress_survives_its_text() -> None:
    """A progress is the same after it was written and read; a foreign commit is none."""
    at = clock()
    kept = Progress(at - SECOND, at, 7)
    assert progress.from_metadata(progress.to_metadata(kept)) == kept
    for text in ("", "p1", "p1 x y", "p2 2026-01-01T00:00:00Z 2026-01-01T00:00:00Z"):
        assert progress.from_metadata(OffsetAndMetadata(7, text)) is None


async def test_a_restart_resumes_the_same_ticks(here: World) -> None:
    """After a clean stop no look is repeated, and what passed meanwhile is looked at late or missed."""
    cases = [await here.watch(number) for number in range(10)]
    async with running(here.prober()):
        await eventually("looks", lambda: enough(here, cases[0], 2))
    await asyncio.sleep(2.5)
    async with running(here.prober()):
        until = clock()
        await eventually("progress", lambda: here.done_until(until + SECOND))
    await assert_no_tick_is_lost(here, until)
    by_case = await here.ticks_by_case()
    for made, missed in by_case.values():
        assert max(made.values()) == 1, "a clean stop leaves no crash window"
        assert max(missed.values(), default=1) == 1
        assert not {*made} & {*missed}
    reasons = {look.reason for look in await here.seen() if isinstance(look, LookMissed)}
    # A machine that stands still for a second is too late for some others.
    assert "prober_down" in reasons
    assert reasons <= {"prober_down", "overload"}


async def test_every_tick_is_made_or_missed_through_a_kill(here: World) -> None:
    """Kill -9 in the middle of the looks loses nothing; what it repeats was not stored yet."""
    for number in range(30):
        await here.watch(number)
    for killed in range(1, 4):
        process = await spawn(here)
        await eventually("looks", lambda n=killed: total(here, 100 * n), seconds=40)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    process = await spawn(here)
    until = clock()
    await eventually("progress", lambda: here.done_until(until + SECOND), seconds=40)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 20) == 0
    await assert_no_tick_is_lost(here, until)
    for made, _ in (await here.ticks_by_case()).values():
        assert len(made) >= 5
        # The crash windows are shorter than the steps between ticks: each kill repeats one look at most.
        assert sum(made.values()) - len(made) <= 3


async def total(here: World, count: int) -> bool:
    return sum(isinstance(look, LookMade) for look in await here.seen()) >= count


async def spawn(here: World) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.prober_world",
        here.kafka.bootstrap_servers,
        here.vantage,
        here.watchlist.name,
        here.observations.name,
        cwd=REPOSITORY,
    )


async def test_a_tombstone_stops_the_looks(here: World) -> None:
    """A case whose watch ended is left alone; the others go on."""
    ended, other = await here.watch(1), await here.watch(2)
    async with running(here.prober()):
        await eventually("a look at each", lambda: enough(here, ended, 1))
        await here.end(ended)
        await eventually("the tombstone is read", lambda: all_read(here, 3))
        read = clock()
        await eventually("looks of before are stored", lambda: here.done_until(read))
        count = len(await looks_of(here, ended))
        going_on = len(await looks_of(here, other)) + 3
        await eventually("looks at the other", lambda: enough(here, other, going_on))
        assert len(await looks_of(here, ended)) == count


async def all_read(here: World, count: int) -> bool:
    """Tell whether the prober has read, and said so, that many records of the list."""
    return sum(p.offset for p in (await here.progress()).values() if p is not None) == count


async def test_an_update_reschedules_at_once(here: World) -> None:
    """A suspicion that comes over the watch list brings its confirming look without delay."""
    looker = ScriptedLooker(here.vantage)
    case_id = await here.watch(1, watch_from=clock() + timedelta(hours=1))
    async with running(here.prober(looker)):
        await eventually("the list", lambda: here.done_until(clock() - SECOND))
        suspected = clock()
        await here.watch(1, watch_from=clock() + timedelta(hours=1), suspected_at=suspected)
        await eventually("the confirming look", lambda: enough(here, case_id, 1), seconds=5)
    (look,) = await looks_of(here, case_id)
    assert timedelta() <= look.tick - suspected - timedelta(seconds=0.3) < timedelta(seconds=0.25)
    assert [target.confirming for target in looker.seen] == [True]


async def test_two_probers_share_the_partitions_and_a_rebalance_loses_nothing(here: World) -> None:
    """A second member takes its share, leaves again, and every tick is still made or missed, once."""
    for number in range(30):
        await here.watch(number)
    first, second = (ScriptedLooker(here.vantage, seconds=0.05) for _ in range(2))
    async with running(here.prober(first)):
        await eventually("a first look", lambda: has_seen(first, 30))
        async with running(here.prober(second)):
            await eventually("looks by the second", lambda: has_seen(second, 30))
            cases = {target.case_id for target in second.seen}
            assert 0 < len(cases) < 30
        left = len(first.seen)
        await eventually("all cases again with the first", lambda: all_after(first, left, 30))
        until = clock()
        await eventually("progress", lambda: here.done_until(until + SECOND))
    await assert_no_tick_is_lost(here, until)
    for made, missed in (await here.ticks_by_case()).values():
        assert max(made.values()) == 1
        assert not {*made} & {*missed}


async def test_an_outage_of_the_broker_is_waited_out(own_kafka: OwnKafka) -> None:
    """The broker is killed and comes back: the prober goes on by itself, and no tick is lost."""
    broker = await own_kafka()
    async with world(broker.bootstrap_servers) as here:
        for number in range(10):
            await here.watch(number)
        looker = ScriptedLooker(here.vantage)
        async with running(here.prober(looker)):
            await eventually("looks", lambda: total(here, 20))
            await broker.kill()
            await asyncio.sleep(3)
            await broker.start()
            until = clock()
            await eventually("progress", lambda: here.done_until(until + SECOND), seconds=60)
        await assert_no_tick_is_lost(here, until)


async def test_a_client_that_stands_still_is_built_anew(here: World) -> None:
    """When the watchdog says so, a new client takes over, and no tick is lost or repeated."""
    for number in range(10):
        await here.watch(number)
    prober = here.prober()
    before = metrics.CONSUMER_REBUILDS.labels("prober")._value.get()
    async with running(prober):
        await eventually("looks", lambda: total(here, 20))
        assert prober._assignment is not None
        prober._in_flight.failure = Stuck("as the watchdog would say")
        await eventually("a rebuild", lambda: rebuilt(before + 1))
        prober._in_flight.failure = None
        until = clock()
        await eventually("progress", lambda: here.done_until(until + SECOND))
    await assert_no_tick_is_lost(here, until)
    for made, missed in (await here.ticks_by_case()).values():
        assert max(made.values()) == 1
        assert not {*made} & {*missed}


async def rebuilt(count: float) -> bool:
    return bool(metrics.CONSUMER_REBUILDS.labels("prober")._value.get() >= count)


async def has_seen(looker: ScriptedLooker, count: int) -> bool:
    return len(looker.seen) >= count


async def all_after(looker: ScriptedLooker, start: int, count: int) -> bool:
    return len({target.case_id for target in looker.seen[start:]}) == count


async def test_a_look_that_hangs_holds_up_nobody(here: World) -> None:
    """Others go on; at the shutdown the hanging look is missed, and the drain ends in time."""
    looker = ScriptedLooker(here.vantage)
    hanging, other = await here.watch(1), await here.watch(2)
    looker.hang.add(hanging)
    async with running(here.prober(looker)) as finish:
        await eventually("looks at the other", lambda: enough(here, other, 3))
        asked = clock()
        await finish()
        assert clock() - asked < timedelta(seconds=10)
    assert await looks_of(here, hanging) == []
    missed = [look for look in await here.seen() if isinstance(look, LookMissed)]
    assert "shutdown" in {look.reason for look in missed}
    first = min(look.tick for look in missed)
    born = max(p.born for p in (await here.progress()).values() if p is not None)
    assert first <= max(born, here.listed[hanging]) + 2 * SECOND
    assert await here.done_until(first), "the abandoned look does not hold the progress"


async def test_a_seal_or_a_look_that_breaks_is_one_missed_look(here: World) -> None:
    """An unknown key, a bug in a look, a look without end: each has its reason, and the next tick comes."""
    looker = ScriptedLooker(here.vantage)
    sealed, broken, endless = (
        await here.watch(1, OTHER_KEYS),
        await here.watch(2),
        await here.watch(3),
    )
    looker.broken.add(broken)
    looker.hang.add(endless)
    quick = type(SETTINGS)(
        **{f: getattr(SETTINGS, f) for f in SETTINGS.__struct_fields__}
        | {"look_limit_seconds": 0.3}
    )

    async def reasons() -> bool:
        found = [(r.subject, getattr(r.data, "reason", "")) for r in await here.records()]
        wanted = [(sealed, "unreadable"), (broken, "failed"), (endless, "failed")]
        return all(found.count(each) >= 2 for each in wanted)

    async with running(here.prober(looker, quick)):
        await eventually("two missed looks each", reasons)
    assert sealed not in {target.case_id for target in looker.seen}
    count = metrics.LOOKS_MISSED.labels(here.vantage, "unreadable")._value.get()
    assert count >= 2


async def test_a_record_that_is_no_entry_is_passed_over(here: World) -> None:
    """Neither a foreign key nor a foreign value stops the list."""
    for key, value in ((b"not-a-case", b"{}"), (b"f" * 32, b"\xff"), (b"\xff", b"")):
        await here.producer.send_and_wait(here.watchlist.name, value, key=key)
    case_id = await here.watch(1)
    async with running(here.prober()):
        await eventually("a look", lambda: enough(here, case_id, 1))


async def test_a_second_vantage_looks_only_when_asked(here: World) -> None:
    """It leaves the entry alone until the entry asks for a second vantage."""
    case_id = await here.watch(1)
    async with running(here.prober(role="second")):
        await eventually("the list", lambda: here.done_until(clock() - SECOND))
        assert await here.seen() == []
        await here.watch(1, suspected_at=clock(), second_vantage=True)
        await eventually("a look", lambda: enough(here, case_id, 1), seconds=5)
