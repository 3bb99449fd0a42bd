"""Who may ask an address now, and who goes first."""

import asyncio
import dataclasses

import pytest

from services.probing.limits.gate import CONFIRMING, DEADLINE, REST, Deferred, Gate
from tests.as_configured import politeness_limits

LIMITS = politeness_limits(
    address_per_second=1.0,
    address_burst=2,
    network_per_second=2.0,
    network_burst=4,
    max_wait_seconds=10.0,
)


async def test_places_are_first_come_first_served() -> None:
    """No more than the places of an address are taken at once, in order of arrival."""
    gate = Gate(
        politeness_limits(address_per_second=1e6, address_burst=100, address_concurrency=2),
        monotonic=lambda: 0.0,
    )
    order: list[int] = []

    async def visit(number: int) -> None:
        await gate.acquire("192.0.2.1")
        order.append(number)
        assert gate.core.accounts("192.0.2.1", 0.0)[0].inside <= 2
        await asyncio.sleep(0)
        gate.release("192.0.2.1")

    await asyncio.gather(*(visit(n) for n in range(8)))
    assert order == list(range(8))
    assert gate.core.accounts("192.0.2.1", 0.0)[0].inside == 0


async def test_a_cancelled_look_gives_its_place_back() -> None:
    """Cancelling looks that wait or hold leaves no place taken and nobody in line."""
    gate = Gate(
        politeness_limits(address_per_second=1e6, address_burst=100, address_concurrency=1),
        monotonic=lambda: 0.0,
    )
    await gate.acquire("192.0.2.1")
    waiting = [asyncio.create_task(gate.acquire("192.0.2.1")) for _ in range(3)]
    await asyncio.sleep(0)
    assert gate.waiting == 3
    waiting[0].cancel()
    await asyncio.sleep(0)
    gate.release("192.0.2.1")
    assert await waiting[1]
    waiting[2].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    gate.release("192.0.2.1")
    assert [a.inside for a in gate.core.accounts("192.0.2.1", 0.0)] == [0, 0]
    assert repr(gate) == "<Gate 0 waiting for 0 networks>"


async def test_a_look_that_is_cancelled_as_its_turn_comes_gives_it_back() -> None:
    """A place that was granted in the same turn of the loop as the cancellation is not lost."""
    gate = Gate(
        politeness_limits(address_per_second=1e6, address_burst=100, address_concurrency=1),
        monotonic=lambda: 0.0,
    )
    await gate.acquire("192.0.2.1")
    task = asyncio.create_task(gate.acquire("192.0.2.1"))
    await asyncio.sleep(0)
    gate.release("192.0.2.1")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gate.enter("192.0.2.1")


async def test_the_most_urgent_goes_first() -> None:
    """A near deadline passes a confirmation, that passes the rest; equals go in order of arrival."""
    gate = Gate(
        politeness_limits(address_per_second=1e6, address_burst=100, address_concurrency=1),
        monotonic=lambda: 0.0,
    )
    order: list[str] = []

    async def visit(name: str, priority: int) -> None:
        await gate.acquire("192.0.2.1", priority)
        order.append(name)
        gate.release("192.0.2.1")

    await gate.acquire("192.0.2.1")
    arrivals = [("r1", REST), ("c1", CONFIRMING), ("r2", REST), ("d1", DEADLINE), ("d2", DEADLINE)]
    tasks = [asyncio.create_task(visit(*arrival)) for arrival in arrivals]
    await asyncio.sleep(0)
    gate.release("192.0.2.1")
    await asyncio.gather(*tasks)
    assert order == ["d1", "d2", "c1", "r1", "r2"]


async def test_a_slow_address_holds_up_no_other_of_its_network() -> None:
    """Who waits for one address of a network lets those for its other addresses pass."""
    gate = Gate(
        politeness_limits(address_per_second=1e6, address_burst=100, address_concurrency=1),
        monotonic=lambda: 0.0,
    )
    await gate.acquire("192.0.2.1")
    held = asyncio.create_task(gate.acquire("192.0.2.1", DEADLINE))
    await asyncio.sleep(0)
    await gate.acquire("192.0.2.2", REST)
    assert not held.done()
    gate.release("192.0.2.1")
    await held


async def test_the_line_moves_with_the_rate() -> None:
    """Whoever waits for a rate alone goes on by itself once it allows it."""
    gate = Gate(
        politeness_limits(
            address_per_second=200.0,
            address_burst=1,
            address_concurrency=9,
            network_per_second=1e6,
        )
    )
    begun = gate.now()
    assert not await gate.acquire("192.0.2.1")
    assert await gate.acquire("192.0.2.1")
    assert gate.now() - begun >= 0.005


async def test_those_behind_a_long_line_are_deferred_at_once() -> None:
    """What the rate can't serve in time is refused before it waits; a higher priority looks past the line."""
    limits = politeness_limits(address_per_second=1.0, address_burst=1, max_wait_seconds=3.0)
    gate = Gate(limits, monotonic=lambda: 0.0)
    await gate.acquire("192.0.2.1")
    tasks = [asyncio.create_task(gate.acquire("192.0.2.1")) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Deferred):
        await gate.acquire("192.0.2.1")
    first = asyncio.create_task(gate.acquire("192.0.2.1", DEADLINE))
    await asyncio.sleep(0)
    assert not first.done()
    for task in [*tasks, first]:
        task.cancel()
    await asyncio.gather(*tasks, first, return_exceptions=True)
    gate.close()


async def test_too_long_a_wait_is_deferred() -> None:
    """A look that would wait longer than allowed is told so at once."""
    gate = Gate(dataclasses.replace(LIMITS, address_per_second=0.001), monotonic=lambda: 0.0)
    while gate.enter("192.0.2.1"):
        gate.release("192.0.2.1")
    with pytest.raises(Deferred) as deferred:
        await gate.acquire("192.0.2.1")
    assert deferred.value.seconds == pytest.approx(1000.0)
