"""Budgets, circuit breakers and the cache by prefix, in time that is an argument."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from services.attribution.lookup import Lookup, NoAnswer, SourceAnswer, SourceSilence
from services.attribution.prefix_cache import PrefixCache
from services.attribution.source_guard import GuardedSource
from services.attribution.source_limits import Breaker, Budget, SourceLimits

NOW = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def limits(**more: float) -> SourceLimits:
    given = {"per_second": 5, "per_day": 100, "failures": 5, "pause_seconds": 10}
    return SourceLimits(**(given | more))  # type: ignore[arg-type]


def answer(prefix: str | None) -> SourceAnswer:
    return SourceAnswer(prefix=prefix, answered_at=NOW)


def test_budget_a_second_and_a_day() -> None:
    """A burst of two seconds is allowed, then the rate, then the day's number; the next day begins anew."""
    budget = Budget(limits(per_second=2, per_day=6))
    assert [budget.take(0.0) for _ in range(5)] == [True] * 4 + [False]
    assert [budget.take(0.5), budget.take(0.5)] == [True, False]
    assert [budget.take(60.0), budget.take(61.0)] == [True, False]
    assert budget.take(86_400.0)


def test_breaker() -> None:
    """Failures in a row open it; one trial after the pause decides, and pauses grow to their limit."""
    breaker = Breaker(limits(failures=2, pause_seconds=10, longest_pause_seconds=25))
    breaker.fail(0.0)
    breaker.succeed()
    breaker.fail(0.0)
    assert breaker.admits(0.0)
    breaker.fail(0.0)
    assert [breaker.admits(9.0), breaker.admits(10.0), breaker.admits(10.0)] == [False, True, False]
    breaker.fail(10.0)
    assert [breaker.admits(29.0), breaker.admits(30.0)] == [False, True]
    breaker.fail(30.0)
    assert [breaker.admits(54.0), breaker.admits(55.0)] == [False, True]
    breaker.succeed()
    assert [breaker.admits(55.0), breaker.is_open] == [True, False]


def test_source_that_asks_for_less() -> None:
    """A source that says to ask less is left alone at once."""
    breaker = Breaker(limits(failures=5, pause_seconds=10))
    breaker.fail(0.0, wait_seconds=30.0)
    assert [breaker.admits(29.0), breaker.admits(30.0)] == [False, True]


def test_the_pause_that_a_source_names_is_bounded() -> None:
    """It holds where it is longer than ours, up to the longest pause; a date that has passed changes nothing."""
    for wish, pause in ((300.0, 300.0), (86_400.0 * 365, 3_600.0), (-60.0, 10.0)):
        breaker = Breaker(limits(failures=5, pause_seconds=10))
        breaker.fail(0.0, wait_seconds=wish)
        assert [breaker.admits(pause - 1), breaker.admits(pause)] == [False, True]


class _Limited:
    """A source that wants to be left alone for two minutes."""

    name = "limited"

    def __init__(self) -> None:
        self.asked_for = 0

    async def look_up(self, address: str) -> Lookup:
        self.asked_for += 1
        return NoAnswer(failure="limited", wait_seconds=120.0)


async def test_a_source_is_left_alone_for_as_long_as_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Until then no question reaches it, for any address; then one goes out."""
    loop, source = asyncio.get_running_loop(), _Limited()
    now = loop.time()
    guarded = GuardedSource(source, limits(), lambda: NOW, keep=HOUR)
    answers = []
    for seconds in (0, 1, 119, 121):
        monkeypatch.setattr(loop, "time", lambda at=now + seconds: at, raising=False)
        answers.append(await guarded._ask(f"192.0.2.{seconds}"))
    assert [getattr(answer, "failure", "") for answer in answers] == [
        "limited",
        "outage",
        "outage",
        "limited",
    ]
    assert source.asked_for == 2


def test_longest_prefix_of_the_cache() -> None:
    """The longest prefix that holds an address is given; other families and prefixes are not touched."""
    cache = PrefixCache(HOUR)
    wide, narrow, six = answer("192.0.2.0/24"), answer("192.0.2.128/25"), answer("2001:db8::/48")
    for address, one in (("192.0.2.1", wide), ("192.0.2.129", narrow), ("2001:db8::1", six)):
        assert cache.keep(address, one, NOW)
    assert cache.find("192.0.2.2", NOW) is wide
    assert cache.find("192.0.2.200", NOW) is narrow
    assert cache.find("2001:db8::ffff", NOW) is six
    assert cache.find("192.0.3.1", NOW) is None


def test_answer_of_another_prefix_is_not_kept() -> None:
    """An answer whose prefix does not hold the address asked for is not kept."""
    cache = PrefixCache(HOUR)
    assert not cache.keep("192.0.2.1", answer("198.51.100.0/24"), NOW)
    assert not cache.keep("192.0.2.1", answer("2001:db8::/32"), NOW)
    assert len(cache) == 0


def test_cache_forgets() -> None:
    """Old answers go, and beyond the limit those that were used longest ago."""
    cache = PrefixCache(HOUR, most=2)
    for n in (1, 2, 3):
        cache.keep(f"192.0.2.{n}", SourceSilence(answered_at=NOW), NOW)
        cache.find("192.0.2.1", NOW)
    kept = [cache.find(f"192.0.2.{n}", NOW) is not None for n in (1, 2, 3)]
    assert kept == [True, False, True]
    assert cache.find("192.0.2.1", NOW + HOUR) is None
    assert len(cache) == 1
