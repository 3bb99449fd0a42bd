"""Politeness, self-check and identity: pure decisions with time as an argument."""

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigError
from services.probing.guard.families import BOTH, routed_families
from services.probing.limits import backoff
from services.probing.limits.backoff import BackOff
from services.probing.limits.daily_cap import DailyCap
from services.probing.limits.gate import CONFIRMING, DEADLINE, REST, Deferred, Gate
from services.probing.limits.rates import Politeness, PolitenessLimits, network_of
from services.probing.look.identity import identified_agent, require_identity
from services.probing.look.selfcheck import SelfCheck, SelfCheckLimits

LIMITS = PolitenessLimits(
    address_per_second=1.0,
    address_burst=2,
    network_per_second=2.0,
    network_burst=4,
    max_wait_seconds=10.0,
)


def granted(core: Politeness, address: str, now: float, end: float) -> list[float]:
    """Enter and leave whenever the rates allow it, and give the instants."""
    found = []
    while (now := now + max(core.wait(address, now), 0.0)) <= end:
        assert core.enter(address, now)
        core.leave(address, now)
        found.append(now)
    return found


def test_an_address_is_asked_at_its_rate() -> None:
    """After a burst an address is asked once per step."""
    core = Politeness(LIMITS)
    assert granted(core, "192.0.2.1", 0.0, 2.0) == [0.0, 0.0, 1.0, 2.0]
    assert core.wait("192.0.2.1", 100.0) <= 0.0


def test_a_network_is_asked_at_its_rate() -> None:
    """Many addresses of one /24 share its rate, those of another do not."""
    core = Politeness(LIMITS)
    for number in range(4):
        assert core.enter(f"192.0.2.{number}", 0.0)
    assert not core.enter("192.0.2.9", 0.0)
    assert core.wait("192.0.2.9", 0.0) == 0.5
    assert core.enter("198.51.100.1", 0.0)


def test_all_together_are_asked_at_the_global_rate() -> None:
    """The global cap counts every address, wherever it is; without one there is none."""
    core = Politeness(PolitenessLimits(total_per_second=10.0, total_burst=2))
    assert core.enter("192.0.2.1", 0.0)
    assert core.enter("198.51.100.1", 0.0)
    assert not core.enter("203.0.113.1", 0.0)
    assert core.wait("203.0.113.1", 0.0) == pytest.approx(0.1)
    free = Politeness(PolitenessLimits())
    assert all(free.enter(f"192.0.{n}.1", 0.0) for n in range(255))


@given(
    st.lists(st.tuples(st.floats(0, 3), st.integers(0, 3)), min_size=1, max_size=60),
    st.integers(1, 5),
)
def test_no_window_holds_more_than_the_rate_and_a_burst(steps, burst: int) -> None:
    """Whatever the arrivals, an address gets at most rate x window + burst in any window."""
    core = Politeness(
        PolitenessLimits(address_per_second=1.0, address_burst=burst, network_per_second=1e9)
    )
    now, sent = 0.0, {n: [] for n in range(4)}
    for pause, number in steps:
        now += pause
        address = f"192.0.2.{number}"
        if core.enter(address, now):
            core.leave(address, now)
            sent[number].append(now)
    for times in sent.values():
        for first, start in enumerate(times):
            for last in range(first, len(times)):
                assert last - first + 1 <= (times[last] - start) + burst + 1e-6


def test_retry_after_has_a_ceiling() -> None:
    """A wish for a day is honoured for an hour; a negative one for nothing."""
    asked = BackOff(LIMITS)
    assert asked.pushed_back("192.0.2.1", "a.example", 0.0, 86_400.0) == 3600.0
    assert asked.pushed_back("192.0.2.2", "a.example", 0.0, -5.0) == 0.0


def test_back_off_doubles_until_an_answer() -> None:
    """Without a wish, each 429 in a row doubles the pause, up to its ceiling; those of one burst are no row."""
    asked, now, pauses = BackOff(LIMITS), 0.0, []
    for _ in range(10):
        pauses.append(asked.pushed_back("192.0.2.1", "a.example", now, None))
        assert asked.pushed_back("192.0.2.1", "a.example", now + 1.0, None) == pauses[-1]
        now += pauses[-1] + 1.0
    assert pauses[:4] == [5.0, 10.0, 20.0, 40.0]
    assert pauses[-1] == 900.0
    asked.answered("192.0.2.1", "a.example", now - 10.0)
    assert asked.wait("192.0.2.1", "a.example", now - 10.0) > 0, (
        "a late answer takes nothing of the wish"
    )
    asked.answered("192.0.2.1", "a.example", now)
    assert asked.pushed_back("192.0.2.1", "a.example", now, None) == 5.0


def test_a_host_that_pushes_back_hides_no_neighbour() -> None:
    """Others at its address are asked as before: one answer of one site must not blind a prober to a whole server."""
    asked = BackOff(LIMITS)
    asked.pushed_back("192.0.2.1", "a.example", 0.0, 3600.0)
    assert asked.wait("192.0.2.1", "a.example", 1.0) == 3599.0
    assert asked.wait("192.0.2.1", "b.example", 1.0) <= 0
    assert asked.wait("192.0.2.2", "a.example", 1.0) <= 0


def test_a_host_of_many_names_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many names are remembered and no more; whose time is over goes first, then the oldest."""
    monkeypatch.setattr(backoff, "_REMEMBERED", 3)
    asked = BackOff(LIMITS)
    for number, seconds in enumerate((1.0, 600.0, 600.0, 600.0, 600.0)):
        asked.pushed_back("192.0.2.1", f"h{number}.example", 2.0 * number, seconds)
    assert len(asked) == 3
    waits = [asked.wait("192.0.2.1", f"h{number}.example", 10.0) > 0 for number in range(5)]
    assert waits == [False, False, True, True, True]


def test_network_of() -> None:
    """An IPv4 address belongs to its /24, an IPv6 address to its /48."""
    assert network_of("192.0.2.7") == network_of("192.0.2.200") != network_of("192.0.3.7")
    assert (
        network_of("2001:db8:1::1")
        == network_of("2001:db8:1:ffff::2")
        != network_of("2001:db8:2::1")
    )


async def test_places_are_first_come_first_served() -> None:
    """No more than the places of an address are taken at once, in order of arrival."""
    gate = Gate(
        PolitenessLimits(address_per_second=1e6, address_burst=100, address_concurrency=2),
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
        PolitenessLimits(address_per_second=1e6, address_burst=100, address_concurrency=1),
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
        PolitenessLimits(address_per_second=1e6, address_burst=100, address_concurrency=1),
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


async def test_what_is_worth_most_goes_first() -> None:
    """A near deadline passes a confirmation, that passes the rest; equals go in order of arrival."""
    gate = Gate(
        PolitenessLimits(address_per_second=1e6, address_burst=100, address_concurrency=1),
        monotonic=lambda: 0.0,
    )
    order: list[str] = []

    async def visit(name: str, worth: int) -> None:
        await gate.acquire("192.0.2.1", worth)
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
        PolitenessLimits(address_per_second=1e6, address_burst=100, address_concurrency=1),
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
        PolitenessLimits(
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
    """What the rate can't serve in time is told so before it waits; a better worth looks past the line."""
    limits = PolitenessLimits(address_per_second=1.0, address_burst=1, max_wait_seconds=3.0)
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


def test_a_url_has_its_share_of_the_day() -> None:
    """A URL is looked at so often in a day and no more; the next day it begins anew, others count apart."""
    cap, noon = DailyCap(3), datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert [cap.take(7, noon) for _ in range(4)] == [0.0, 0.0, 0.0, 43_200.0]
    assert cap.take(8, noon) == 0.0
    assert cap.take(7, noon + timedelta(days=1)) == 0.0
    assert DailyCap(None).take(7, noon) == 0.0


async def test_too_long_a_wait_is_deferred() -> None:
    """A look that would wait longer than allowed is told so at once."""
    gate = Gate(dataclasses.replace(LIMITS, address_per_second=0.001), monotonic=lambda: 0.0)
    while gate.enter("192.0.2.1"):
        gate.release("192.0.2.1")
    with pytest.raises(Deferred) as deferred:
        await gate.acquire("192.0.2.1")
    assert deferred.value.seconds == pytest.approx(1000.0)


# -- self-check ------------------------------------------------------------------------------------


def test_many_unrelated_failures_blind() -> None:
    """Half of five unrelated hosts failing within the window voids it; four hosts say nothing."""
    check = SelfCheck(SelfCheckLimits(window_seconds=60, hosts=5, share=0.5))
    for n in range(4):
        check.note(f"h{n}.example", float(n), failed=True)
    assert not check.blind(4.0)
    check.note("h4.example", 4.0, failed=False)
    assert check.blind(4.0)


def test_one_host_counts_once() -> None:
    """Ten thousand dark URLs of one host are one dark host."""
    check = SelfCheck()
    for n in range(4):
        check.note(f"up{n}.example", 0.0, failed=False)
    for _ in range(1000):
        check.note("giant.example", 1.0, failed=True)
    assert not check.blind(1.0)


def test_sight_comes_back() -> None:
    """Failures leave the window with time, or when their hosts answer again."""
    check = SelfCheck()
    for n in range(6):
        check.note(f"h{n}.example", 0.0, failed=True)
    assert check.blind(59.0)
    assert not check.blind(61.0)
    for n in range(6):
        check.note(f"h{n}.example", 100.0, failed=True)
    for n in range(4):
        check.note(f"h{n}.example", 101.0, failed=False)
    assert not check.blind(101.0)


# -- identity --------------------------------------------------------------------------------------


def test_live_probing_needs_an_identity() -> None:
    """Without operator, contact and legal basis nothing public is looked at (G6)."""
    require_identity("Hotline", "desk@hotline.example", "Act 1")
    with pytest.raises(ConfigError, match="contact, legal_basis"):
        require_identity("Hotline", None, " ")


def test_the_agent_names_the_operator() -> None:
    """The User-Agent says whom to write to, and can't break out of its header."""
    agent = identified_agent("Hotline", "desk@hotline.example")
    assert agent.startswith("takedown-monitor/")
    assert "desk@hotline.example" in agent
    assert "\n" not in identified_agent("a\r\nX: y", "b)(c")


def test_families_without_a_route_are_told() -> None:
    """A vantage without IPv6 knows it; one without any route claims both and lets looks fail."""

    def only_v4(version: int, address: str) -> None:
        if version == 6:
            raise OSError

    def nothing(version: int, address: str) -> None:
        raise OSError

    assert routed_families(only_v4) == {4}
    assert routed_families(lambda version, address: None) == BOTH == routed_families(nothing)
