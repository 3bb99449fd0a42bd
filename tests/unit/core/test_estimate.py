"""Turnbull's estimate and the bootstrap by provider."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.estimate import turnbull
from services.core.incidence import Ending, Incidence, state_at
from services.core.intervals import outward
from services.core.resample import by_provider, draws, words

REFERENCE = json.loads(
    (Path(__file__).parents[2] / "data" / "estimates.reference.json").read_text()
)


def test_a_textbook_example() -> None:
    """Four intervals whose maximum is known by hand: half the mass on each innermost interval."""
    found = turnbull([(0, 2), (1, 3), (4, 6), (5, 7)])
    assert list(zip(found.lefts, found.rights, strict=True)) == [(1, 2), (5, 6)]
    assert found.masses == pytest.approx((0.5, 0.5))


def test_a_share_inside_a_gap_is_an_interval() -> None:
    """Within an innermost interval the curve isn't identifiable, so the share is bounded."""
    assert turnbull([(0, 10), (20, 30)]).gone_by(25) == pytest.approx((0.5, 1.0))


def test_a_median_that_is_not_reached() -> None:
    """With most still online the median is not reached, and the plateau says how many are left."""
    found = turnbull([(0, 10), (10, None), (10, None)])
    assert found.plateau == pytest.approx(2 / 3)
    assert found.quantile(0.5) is None
    assert found.quantile(0.3) == (0, 10)


def test_exact_follow_up_gives_plain_shares() -> None:
    """Without overlap the estimate is the empirical distribution."""
    found = turnbull([(t - 1, t) for t in range(1, 11)])
    assert found.gone_by(5) == pytest.approx((0.5, 0.5))


def test_an_empty_interval_is_refused() -> None:
    """An interval that ends where it begins holds no removal."""
    with pytest.raises(ValueError, match="left end before"):
        turnbull([(5, 5)])


intervals = st.lists(
    st.tuples(st.integers(0, 50), st.one_of(st.none(), st.integers(1, 30))).map(
        lambda pair: (float(pair[0]), None if pair[1] is None else float(pair[0] + pair[1]))
    ),
    min_size=1,
    max_size=40,
)


@given(intervals)
def test_masses_are_a_distribution(observed: list[tuple[float, float | None]]) -> None:
    """The masses are not negative, add up to one, and the curve grows with time."""
    found = turnbull(observed)
    assert sum(found.masses) == pytest.approx(1)
    assert min(found.masses) >= 0
    lowers = [found.gone_by(t)[0] for t in range(0, 90, 3)]
    assert lowers == sorted(lowers)


@given(intervals)
def test_the_estimate_lies_within_the_counting_bounds(
    observed: list[tuple[float, float | None]],
) -> None:
    """At any time the estimate lies between what is certainly gone and what may be."""
    found = turnbull(observed)
    for t in (0, 10, 25, 60):
        certain = sum(right is not None and right <= t for _, right in observed) / len(observed)
        possible = sum(left < t for left, _ in observed) / len(observed)
        lower, upper = found.gone_by(t)
        assert upper >= certain - 1e-6
        assert lower <= possible + 1e-6


def test_the_bootstrap_is_a_function_of_its_input() -> None:
    """Equal counts and digest give an equal interval, another digest another one."""
    counts = [(100, 90, 92), (50, 10, 12), (30, 20, 30), (10, 1, 9), (71, 33, 40), (17, 3, 5)]
    (one,) = by_provider([counts], "a" * 64)
    assert [one, None] == by_provider([counts, counts[:1]], "a" * 64)
    assert [one] != by_provider([counts], "b" * 64)
    assert one is not None
    assert one[0] < (90 + 10 + 20 + 1 + 33 + 3) / 278 < one[1]


def test_one_provider_has_no_bootstrap() -> None:
    """Nothing can be said about providers from a single one."""
    assert by_provider([[(100, 90, 92), (0, 0, 0)]], "a" * 64) == [None]


def test_the_draws_are_even() -> None:
    """The draws spread evenly, and each replicate has its own."""
    seen = draws(words("a" * 64, 0, 10_000), 10).tolist()
    assert all(850 < seen.count(d) < 1150 for d in range(10))
    assert seen != draws(words("a" * 64, 1, 10_000), 10).tolist()
    assert seen[:500] == draws(words("a" * 64, 0, 500), 10).tolist()


@given(intervals)
def test_the_estimate_brings_its_certificate(
    observed: list[tuple[float, float | None]],
) -> None:
    """No other masses are likelier by more than the certificate says (a tenth of a unit at most)."""
    assert 0 <= turnbull(observed).gap * len(observed) < 0.1


@pytest.mark.parametrize("package", ["lifelines", "surpyval"])
@pytest.mark.parametrize("sample", sorted(REFERENCE["samples"]))
def test_two_independent_packages_agree(sample: str, package: str) -> None:
    """On samples of different shape the share certainly gone is that of lifelines and of surpyval."""
    data = REFERENCE["samples"][sample]
    if data[package] is None:
        # lifelines takes intervals as closed, so ties mean something else there: `whole_hours` has none.
        assert (sample, package) == ("whole_hours", "lifelines")
        return
    found = turnbull((left, right) for left, right in data["intervals"])
    ours = [found.gone_by(time)[0] for time in REFERENCE["times"]]
    assert ours == pytest.approx(data[package], abs=2e-3)


def test_incidence_agrees_with_aalen_and_johansen() -> None:
    """Where every ending is known exactly, the bounds close on the Aalen-Johansen estimate."""
    data, total = REFERENCE["competing"], Incidence(certain={}, possible={})
    for time, cause in data["endings"]:
        ending = Ending("removed" if cause == 1 else "moved", time, time)
        total.add(*state_at(ending, data["at"]))
    for cause, share in data["shares"].items():
        assert total.shares()[cause] == pytest.approx((share, share), abs=1e-9)


endings = st.builds(
    lambda cause, after, width: Ending(cause, after, after + width if cause else None),
    st.sampled_from([None, "removed", "moved", "held"]),
    st.floats(0, 50),
    st.floats(0, 30),
)


@given(st.lists(endings, min_size=1, max_size=30), st.floats(0, 60))
def test_incidence_bounds_hold_a_whole(many: list[Ending], seconds: float) -> None:
    """Lower bounds add up to at most one, upper bounds to at least one, and none is above its upper one."""
    total = Incidence(certain={}, possible={})
    for ending in many:
        total.add(*state_at(ending, seconds))
    pairs = total.shares().values()
    assert all(0 <= low <= high <= 1 for low, high in pairs)
    assert sum(low for low, _ in pairs) <= 1 + 1e-9
    assert sum(high for _, high in pairs) >= 1 - 1e-9


@given(st.floats(0, 1e6), st.floats(0, 1e5), st.sampled_from([0.1, 2.5, 60.0]))
def test_rounding_goes_outward(left: float, width: float, step: float) -> None:
    """The rounded interval holds the true one, is not empty, and is at most two steps wider (three, if empty)."""
    low, high = outward((left, left + width), step)
    assert high is not None
    assert low <= left + 1e-6
    assert left + width <= high + 1e-6
    assert low < high
    assert high - low <= width + 3 * step + 1e-6


def test_rounding_keeps_what_falls_on_the_norm() -> None:
    """An end exactly at the norm stays there, so that estimate and counts agree."""
    assert outward((86400.0, 90000.0), 60.0) == (86400.0, 90000.0)
    assert outward((86400.0, None), 60.0) == (86400.0, None)
