"""How often an address, a network and all together are asked: pure, with time as an argument."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.probing.limits.rates import Politeness, network_of
from tests.as_configured import politeness_limits

LIMITS = politeness_limits(
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
    core = Politeness(politeness_limits(total_per_second=10.0, total_burst=2))
    assert core.enter("192.0.2.1", 0.0)
    assert core.enter("198.51.100.1", 0.0)
    assert not core.enter("203.0.113.1", 0.0)
    assert core.wait("203.0.113.1", 0.0) == pytest.approx(0.1)
    free = Politeness(politeness_limits())
    assert all(free.enter(f"192.0.{n}.1", 0.0) for n in range(255))


@given(
    st.lists(st.tuples(st.floats(0, 3), st.integers(0, 3)), min_size=1, max_size=60),
    st.integers(1, 5),
)
def test_no_window_holds_more_than_the_rate_and_a_burst(steps, burst: int) -> None:
    """Whatever the arrivals, an address gets at most rate x window + burst in any window."""
    core = Politeness(
        politeness_limits(address_per_second=1.0, address_burst=burst, network_per_second=1e9)
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


def test_network_of() -> None:
    """An IPv4 address belongs to its /24, an IPv6 address to its /48."""
    assert network_of("192.0.2.7") == network_of("192.0.2.200") != network_of("192.0.3.7")
    assert (
        network_of("2001:db8:1::1")
        == network_of("2001:db8:1:ffff::2")
        != network_of("2001:db8:2::1")
    )
