"""The protocol of one connection: one timer for all answers, and what ends the waiting."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from services.probing.http.deadlines import Deadlines
from services.probing.http.header_handler import HeaderHandler

ANSWER = b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n"


class Timer:
    """A timer of the loop below."""

    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at, self.call, self.active = at, call, True

    def when(self) -> float:
        """When it rings."""
        return self.at

    def cancel(self) -> None:
        """Take it back."""
        self.active = False


class Loop:
    """A loop whose time a test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []
        self.deadlines: Deadlines | None = None
        self.create_future = asyncio.get_running_loop().create_future

    def time(self) -> float:
        """Tell the time."""
        return self.now

    def call_at(self, at: float, call: Callable[[], None]) -> Timer:
        """Set a timer."""
        self.timers.append(Timer(at, call))
        return self.timers[-1]

    def go_to(self, at: float) -> None:
        """Let time pass, and timers ring."""
        self.now = at
        for timer in [one for one in self.timers if one.active and one.at <= at]:
            timer.active = False
            timer.call()


class Transport:
    """A transport that takes down what is done to it."""

    def __init__(self) -> None:
        self.aborted = False

    def is_closing(self) -> bool:
        """Tell whether it was aborted."""
        return self.aborted

    def abort(self) -> None:
        """Break it."""
        self.aborted = True


def connected(loop: Loop) -> tuple[HeaderHandler, Transport]:
    """Give a handler with a connection."""
    deadlines = loop.deadlines = Deadlines(loop)  # type: ignore[arg-type]
    handler, transport = HeaderHandler(loop, deadlines), Transport()  # type: ignore[arg-type]
    handler.connection_made(transport)  # type: ignore[arg-type]
    return handler, transport


async def begin(handler: HeaderHandler, seconds: float, *, head: bool = True) -> asyncio.Task[Any]:
    """Begin to wait for an answer."""
    handler.expect(head=head)
    waiting = asyncio.ensure_future(handler.answer(seconds))
    await asyncio.sleep(0)
    return waiting


async def test_a_later_request_has_its_whole_time() -> None:
    """The timer of the first request does not end the second, which times out at its own instant."""
    loop = Loop()
    handler, _ = connected(loop)
    first = await begin(handler, 10.0)
    handler.data_received(ANSWER)
    assert (await first).status == 404
    loop.go_to(9.0)
    second = await begin(handler, 10.0)
    loop.go_to(18.9)
    await asyncio.sleep(0)
    assert not second.done()
    loop.go_to(19.0)
    with pytest.raises(TimeoutError):
        await second
    assert len(loop.timers) == 2


async def test_a_shorter_time_is_kept() -> None:
    """A second request with less time ends before the timer of the first would ring."""
    loop = Loop()
    handler, _ = connected(loop)
    first = await begin(handler, 10.0)
    handler.data_received(ANSWER)
    await first
    second = await begin(handler, 2.0)
    loop.go_to(2.0)
    with pytest.raises(TimeoutError):
        await second


async def test_a_lost_connection_leaves_no_timer() -> None:
    """The end of the connection ends the waiting and takes the timer back."""
    loop = Loop()
    handler, _ = connected(loop)
    waiting = await begin(handler, 10.0)
    handler.connection_lost(None)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await waiting
    assert loop.deadlines is not None
    loop.deadlines.close()
    assert [timer.active for timer in loop.timers] == [False]
    assert handler.closed is None


async def test_one_timer_serves_many_connections() -> None:
    """Whoever waits expires at an instant of his own, though only the first of them sets a timer."""
    loop = Loop()
    deadlines = Deadlines(loop)  # type: ignore[arg-type]
    waiting = []
    for seconds in (3.0, 4.0, 5.0):
        handler = HeaderHandler(loop, deadlines)  # type: ignore[arg-type]
        handler.connection_made(Transport())  # type: ignore[arg-type]
        waiting.append(await begin(handler, seconds))
    assert len(loop.timers) == 1
    for gone, at in enumerate((3.0, 4.0, 5.0), 1):
        loop.go_to(at)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [one.done() for one in waiting] == [True] * gone + [False] * (3 - gone)
        assert repr(deadlines) == f"<Deadlines of {3 - gone}>"
    assert all(isinstance(one.exception(), TimeoutError) for one in waiting)


async def test_what_still_waits_keeps_the_timer() -> None:
    """A wait that outlasts the closing of all idle connections expires all the same."""
    loop = Loop()
    handler, _ = connected(loop)
    waiting = await begin(handler, 3.0)
    assert loop.deadlines is not None
    loop.deadlines.close()
    loop.go_to(3.0)
    with pytest.raises(TimeoutError):
        await waiting


@pytest.mark.parametrize("head", [True, False])
async def test_bytes_after_the_block_are_dropped_with_the_connection(head: bool) -> None:
    """What follows a header block in the same segment reaches nothing, and no second answer is read from it."""
    handler, transport = connected(Loop())
    waiting = await begin(handler, 10.0, head=head)
    handler.data_received(ANSWER + b"not found")
    assert (await waiting).length == 9
    assert transport.aborted
    assert handler.should_close
