"""Liveness and readiness, without a clock and without a dependency."""

import asyncio

import pytest

from services.exporter.health import Health


class Ticks:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def health(ticks: Ticks) -> Health:
    return Health(monotonic=ticks, check_seconds=0.05)


def test_alive_while_every_loop_turns(health: Health, ticks: Ticks) -> None:
    """A loop is alive up to its own limit after its last turn, and dead beyond it."""
    health.register("ledger", 10.0)
    health.register("relay", 60.0)
    ticks.now += 10.0
    assert health.live()[0]
    ticks.now += 0.1
    assert not health.live()[0]
    assert not health.live()[1]["loops"]["ledger"]["ok"]
    assert health.live()[1]["loops"]["relay"]["ok"]
    health.turned("ledger")
    assert health.live()[0]


def test_liveness_takes_a_time(health: Health) -> None:
    """The answer is for the given instant of the monotonic clock."""
    health.register("ledger", 10.0)
    assert health.live(105.0) == (
        True,
        {"loops": {"ledger": {"ok": True, "age_seconds": 5.0, "limit_seconds": 10.0}}},
    )


def test_a_loop_that_ended_is_not_expected(health: Health, ticks: Ticks) -> None:
    """A drained role does not make its process look dead."""
    health.register("ledger", 10.0)
    health.unregister("ledger")
    health.turned("ledger")
    ticks.now += 1000.0
    assert health.live() == (True, {"loops": {}})


async def test_ready_names_each_check(health: Health) -> None:
    """Readiness says what each dependency said, and fails if one does."""

    async def postgres() -> str:
        return "18.4"

    health.add_check("postgres", postgres)
    assert await health.ready() == (True, {"checks": {"postgres": {"ok": True, "said": "18.4"}}})

    async def kafka() -> str:
        raise ConnectionError("10.1.2.3 refused us")

    health.add_check("kafka", kafka)
    ok, said = await health.ready()
    assert not ok
    assert said["checks"]["postgres"]["ok"]
    assert said["checks"]["kafka"] == {"ok": False, "said": "ConnectionError"}


async def test_a_check_that_hangs_fails(health: Health) -> None:
    """A dependency that does not answer makes us unready in bounded time."""

    async def silent() -> str:
        await asyncio.Event().wait()
        return "never"

    health.add_check("postgres", silent)
    ok, said = await health.ready()
    assert not ok
    assert said["checks"]["postgres"]["said"] == "no answer within 0.05 s"


def test_repr_names_loops_and_checks(health: Health) -> None:
    """What is watched can be read from a log or a debugger."""
    health.register("relay", 1.0)
    assert repr(health) == "<Health loops=['relay'] checks=[]>"
