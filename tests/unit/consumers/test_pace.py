"""How many looks one process begins in a second."""

from bisect import bisect_right

from hypothesis import given
from hypothesis import strategies as st

from consumers.prober.pace import pace


@given(
    st.floats(0.5, 5000),
    st.lists(st.floats(0, 0.5), min_size=1, max_size=300),
)
def test_no_second_sees_more_than_its_pace(per_second: float, waits: list[float]) -> None:
    """Whenever it is asked, any second holds at most the pace and a quarter of it, and one."""
    rate, now, begun = pace(per_second), 1000.0, []
    for wait in waits:
        now += wait
        while rate.wait(now) <= 0 and len(begun) < 20_000:
            rate.charge(now)
            begun.append(now)
    most = max((bisect_right(begun, at + 1.0) - n for n, at in enumerate(begun)), default=0)
    assert most <= 1.25 * per_second + 2


def test_the_pace_is_reached() -> None:
    """A process that asks ten times a second still begins as many looks as it may."""
    rate, begun = pace(100), 0
    for turn in range(100):
        while rate.wait(turn / 10) <= 0:
            rate.charge(turn / 10)
            begun += 1
    assert 985 <= begun <= 1025
