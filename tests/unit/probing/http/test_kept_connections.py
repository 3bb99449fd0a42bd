"""Which connections are kept between requests, and who waits for a place."""

import asyncio

import pytest

from services.probing.http.kept_connections import KeptConnections


class Line:
    """A connection that is nothing but its state."""

    def __init__(self) -> None:
        self.should_close = False
        self.up = True
        self.closed: asyncio.Future[None] | None = None

    def is_connected(self) -> bool:
        return self.up

    def close(self) -> None:
        self.up = False

    abort = close


def pool_of(per_route: int = 1, keepalive_seconds: float = 30.0) -> KeptConnections[str, Line]:
    return KeptConnections(per_route=per_route, keepalive_seconds=keepalive_seconds)


async def test_a_connection_is_used_again() -> None:
    """The next request of the same route gets the connection of the one before; another route does not."""
    pool, line = pool_of(), Line()
    assert await pool.enter("a", 1.0) is None
    pool.release("a", line)
    assert pool.idle("b") is None
    assert pool.idle("a") is line


@pytest.mark.parametrize("state", ["should_close", "down"])
async def test_what_is_not_reusable_is_closed(state: str) -> None:
    """A connection that broke, or that was not to be used again, is kept for nobody."""
    pool, line = pool_of(), Line()
    await pool.enter("a", 1.0)
    line.should_close, line.up = state == "should_close", state != "down"
    pool.release("a", line)
    assert (pool.idle("a"), line.up) == (None, False)
    assert repr(pool) == "<KeptConnections 0 routes, 0 taken>"


async def test_a_connection_that_broke_while_it_was_kept_is_let_go() -> None:
    """Whoever comes next opens one of his own."""
    pool, line = pool_of(), Line()
    await pool.enter("a", 1.0)
    pool.release("a", line)
    line.up = False
    assert pool.idle("a") is None
    assert await pool.enter("a", 1.0) is None


async def test_the_next_in_turn_gets_the_place() -> None:
    """Requests over the limit wait, and are given place and connection in their order."""
    pool, line = pool_of(), Line()
    await pool.enter("a", 1.0)
    first, second = (asyncio.ensure_future(pool.enter("a", 5.0)) for _ in range(2))
    await asyncio.sleep(0)
    pool.release("a", line)
    assert await first is line
    assert not second.done()
    pool.leave("a")
    assert await second is None


async def test_who_waits_too_long_leaves_no_place_taken() -> None:
    """A wait ends with its time, a cancelled one at once; a place that came too late goes to the next."""
    pool = pool_of()
    await pool.enter("a", 1.0)
    with pytest.raises(TimeoutError):
        await pool.enter("a", 0.0)
    cancelled, next_one = (asyncio.ensure_future(pool.enter("a", 5.0)) for _ in range(2))
    await asyncio.sleep(0)
    pool.leave("a")
    cancelled.cancel()
    assert await next_one is None
    pool.leave("a")
    assert repr(pool) == "<KeptConnections 0 routes, 0 taken>"


async def test_connections_that_nobody_uses_are_closed() -> None:
    """After the time of keep-alive the pool closes what is idle, and forgets the route."""
    pool, line = pool_of(keepalive_seconds=0.0), Line()
    await pool.enter("a", 1.0)
    pool.release("a", line)
    assert pool._sweeping is not None
    pool._sweeping.cancel()
    pool._sweep()
    assert (line.up, repr(pool)) == (False, "<KeptConnections 0 routes, 0 taken>")


async def test_close_ends_idle_ones_at_once_and_others_as_they_come_back() -> None:
    """After the end of the pool nothing is kept."""
    pool, idle, used = pool_of(per_route=2), Line(), Line()
    await pool.enter("a", 1.0)
    await pool.enter("a", 1.0)
    pool.release("a", idle)
    await pool.close()
    assert (idle.up, used.up) == (False, True)
    pool.release("a", used)
    assert not used.up
