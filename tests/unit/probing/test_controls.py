"""The control of a host is asked once a day; one that got no answer is no control, and is asked again sooner."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest

from schemas.events import Fingerprint
from services.probing.limits.rates import Deferred
from services.probing.look.comparison import remembered
from services.probing.look.controls import ControlProbe, Controls, HostControl
from services.probing.look.driver import SharedParts
from services.probing.look.operations import Now, Share

KEY = ("a.example", "HEAD")
ANSWERED = ControlProbe(Fingerprint(status=404))
SILENT = ControlProbe(fault="response_timeout")
FORBIDDEN = ControlProbe(Fingerprint(status=403), fault="blocked_forbidden")


SOFT = ControlProbe(Fingerprint(status=200, content_type="text/html", content_length=4000))
WALL = ControlProbe(Fingerprint(status=200, content_type="text/html", content_length=900))


Ask = Callable[[], Awaitable[ControlProbe]]


class Looks:
    """Ask for controls as concurrent looks do: by the protocol, with its parts shared."""

    def __init__(self, controls: Controls) -> None:
        self.controls = controls
        self.shared = SharedParts()

    async def of(self, now: float, ask: Ask, since: float | None = None) -> HostControl:
        def part():
            return (yield ask)

        protocol = remembered(self.controls, KEY, part, since)
        return (await self.drive(protocol, now))[0]

    async def drive(self, protocol, now: float):
        try:
            operation = next(protocol)
            while True:
                operation = protocol.send(await self.perform(operation, now))
        except StopIteration as stop:
            return stop.value

    async def perform(self, operation, now: float):
        if isinstance(operation, Now):
            return now
        if isinstance(operation, Share):
            return await self.shared.run(operation.key, lambda: self.drive(operation.part(), now))
        return await operation()


async def fill(
    controls: Controls, probes: list[ControlProbe], instants: list[float]
) -> list[HostControl]:
    """Ask for the control at each instant, which gives the next of the probes."""
    given = iter(probes)

    async def ask() -> ControlProbe:
        return next(given)

    return [await Looks(controls).of(now, ask) for now in instants]


async def times_asked(probe: ControlProbe, instants: list[float]) -> int:
    """Ask for the control at each instant; count how often the host was asked."""
    controls, asked = Controls(86_400.0, retry_seconds=300.0), 0

    async def ask() -> ControlProbe:
        nonlocal asked
        asked += 1
        return probe

    for now in instants:
        if controls.get(KEY, now) is None:
            await Looks(controls).of(now, ask)
    return asked


@pytest.mark.parametrize(
    ("probe", "asked"),
    [(ANSWERED, [1, 1, 2]), (SILENT, [1, 2, 3]), (FORBIDDEN, [1, 2, 3])],
    ids=["answered", "silent", "forbidden"],
)
async def test_a_control_holds_for_a_day_if_it_got_an_answer(
    probe: ControlProbe, asked: list[int]
) -> None:
    """Within five minutes nobody is asked twice; after them who gave none, or a block; after a day everybody."""
    assert [
        await times_asked(probe, [0.0, 299.0]),
        await times_asked(probe, [0.0, 301.0]),
        await times_asked(probe, [0.0, 301.0, 86_401.0]),
    ] == asked


async def test_what_meets_the_same_block_again_is_believed_for_longer() -> None:
    """A host that forbids all that it doesn't have is asked after 5, 10, 20 minutes and so on: nine times a day."""
    minutes = [60.0 * minute for minute in range(24 * 60)]
    assert await times_asked(FORBIDDEN, minutes) == 9


async def test_whichever_fault_it_meets_it_is_left_alone_for_longer() -> None:
    """A host that forbids one sibling and holds up the next is asked as seldom as one that forbids them all (G9)."""
    faults = (FORBIDDEN, SILENT, ControlProbe(fault="blocked_rate_limited"))
    probes = itertools.cycle(faults)
    controls, asked = Controls(86_400.0, retry_seconds=300.0), 0

    async def ask() -> ControlProbe:
        nonlocal asked
        asked += 1
        return next(probes)

    for minute in range(24 * 60):
        await Looks(controls).of(60.0 * minute, ask)
    assert asked == 9


async def test_a_plain_answer_ends_the_patience() -> None:
    """What answers again is believed for a day, and a block after that for five minutes."""
    controls, probes = Controls(86_400.0, retry_seconds=300.0), [FORBIDDEN, FORBIDDEN, ANSWERED]
    await fill(controls, probes, [0.0, 300.0, 900.0])
    assert controls.get(KEY, 87_299.0) is not None
    await fill(controls, [FORBIDDEN], [87_300.0])
    assert controls.get(KEY, 87_599.0) is not None
    assert controls.get(KEY, 87_600.0) is None


async def test_each_key_has_a_control_of_its_own() -> None:
    """What one handler says to one method is no measure of another."""
    controls = Controls(86_400.0)
    await fill(controls, [ANSWERED], [0.0])
    assert controls.get(KEY, 1.0) is not None
    assert controls.get(("a.example", "GET"), 1.0) is None


async def test_a_new_kind_of_fault_is_told_from_one_that_is_met_again() -> None:
    """Blocks that answer and silence are a kind each; whoever changes between them is believed from the third on."""
    controls = Controls(86_400.0, retry_seconds=300.0)
    probes = [FORBIDDEN, SILENT, FORBIDDEN, SILENT, ANSWERED, SILENT]
    instants = [100_000.0 * n for n in range(6)]
    made = await fill(controls, probes, instants)
    assert [one.novel for one in made] == [True, True, False, False, False, True]


async def test_name_servers_that_say_nothing_are_asked_again() -> None:
    """Their silence is no fault of the sibling: what it gave counts, for five minutes, and so does what was known."""
    parked = ControlProbe(SOFT.fingerprint, parked=True)
    controls = Controls(86_400.0, retry_seconds=300.0)
    unnamed = ControlProbe(SOFT.fingerprint, unnamed=True)
    made = await fill(controls, [parked, unnamed], [0.0, 86_400.0])
    assert (made[1].result.parked, made[1].novel, made[1].result.fingerprint) == (
        *(True, False),
        SOFT.fingerprint,
    )
    assert controls.get(KEY, 86_699.0) is not None
    assert controls.get(KEY, 86_700.0) is None


# -- what was told apart ---------------------------------------------------------------------------


async def test_what_was_told_apart_holds_for_the_same_answer() -> None:
    """One 503 at the renewal, or another answer in between, takes nothing from it; another answer has nothing of it."""
    controls = Controls(86_400.0, retry_seconds=300.0)
    (first,) = await fill(controls, [SOFT], [0.0])
    first.tell_apart()
    probes = [SOFT, ControlProbe(fault="blocked_unavailable"), SOFT, WALL, SOFT]
    made = await fill(controls, probes, [100_000.0 * (n + 1) for n in range(5)])
    assert [one.told_apart for one in made] == [True, False, True, False, True]


async def test_what_was_told_apart_is_there_when_the_probe_is() -> None:
    """Whoever asked goes on at once, and knows of it without a turn of the loop."""
    controls, seen = Controls(10.0), []
    looks = Looks(controls)
    (first,) = await fill(controls, [SOFT], [0.0])
    first.tell_apart()

    async def ask() -> ControlProbe:
        return SOFT

    waiting = asyncio.create_task(looks.of(11.0, ask))
    waiting.add_done_callback(lambda task: seen.append(task.result().told_apart))
    made = await looks.of(11.0, ask)
    assert made.told_apart
    await waiting
    assert seen == [True]


async def test_what_is_in_doubt_is_believed_for_minutes_until_it_is_told_apart() -> None:
    """It may be a wall of the moment; a host that never tells anything apart is asked nine times a day."""
    controls = Controls(86_400.0, retry_seconds=300.0)
    asked = 0

    async def ask() -> ControlProbe:
        nonlocal asked
        asked += 1
        return SOFT

    for minute in range(24 * 60):
        (await Looks(controls).of(60.0 * minute, ask)).doubt()
    assert asked == 9
    made = await Looks(controls).of(200_000.0, ask)
    made.doubt()
    made.tell_apart()
    made.doubt()
    assert controls.get(KEY, 286_399.0) is made
    later = await Looks(controls).of(286_400.0, ask)
    later.doubt()
    assert controls.get(KEY, 372_799.0) is later


# -- probes that were not made ---------------------------------------------------------------------


@pytest.mark.parametrize("error", [Deferred(60.0), asyncio.CancelledError()])
async def test_a_probe_that_was_not_made_leaves_what_was_known(error: BaseException) -> None:
    """What was told apart outlives it, and the next look asks."""
    controls = Controls(10.0)
    (first,) = await fill(controls, [SOFT], [0.0])
    first.tell_apart()

    async def ask() -> ControlProbe:
        raise error

    with pytest.raises(type(error)):
        await Looks(controls).of(11.0, ask)
    assert controls.get(KEY, 11.0) is None
    (made,) = await fill(controls, [SOFT], [11.0])
    assert made.told_apart


@pytest.mark.parametrize("ended", ["cancelled", "deferred"])
async def test_who_waits_for_a_probe_that_is_given_up_asks_instead(ended: str) -> None:
    """One of them asks, and the others have its answer; nobody is told that there is nothing to compare with."""
    looks, asking, asked = Looks(Controls(10.0)), asyncio.Event(), 0

    async def give_up() -> ControlProbe:
        await asking.wait()
        raise Deferred(60.0)

    async def ask() -> ControlProbe:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return SOFT

    first = asyncio.create_task(looks.of(0.0, give_up))
    await asyncio.sleep(0)
    waiters = [asyncio.create_task(looks.of(1.0, ask)) for _ in range(3)]
    await asyncio.sleep(0)
    asking.set() if ended == "deferred" else first.cancel()
    made = await asyncio.gather(*waiters)
    with pytest.raises((Deferred, asyncio.CancelledError)):
        await first
    assert [one.result for one in made] == [SOFT] * 3
    assert asked == 1


async def test_a_control_of_before_an_instant_can_be_refused() -> None:
    """A front page that was seen before the sibling is asked for again."""
    controls = Controls(86_400.0)
    (old,) = await fill(controls, [SOFT], [100.0])
    assert controls.get(KEY, 200.0, 100.0) is old
    assert controls.get(KEY, 200.0, 101.0) is None

    async def ask() -> ControlProbe:
        return WALL

    made = await Looks(controls).of(200.0, ask, 101.0)
    assert (made.result, controls.get(KEY, 200.0, 101.0)) == (WALL, made)
