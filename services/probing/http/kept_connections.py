"""Connections that are kept alive between requests, by route: so many at once to each, the others wait in turn."""

import asyncio
from collections import deque
from collections.abc import Iterator
from time import monotonic
from typing import Generic, Protocol, TypeVar

Route = TypeVar("Route")


class _Link(Protocol):
    """A connection as the pool knows it."""

    should_close: bool

    @property
    def closed(self) -> "asyncio.Future[None] | None": ...
    def is_connected(self) -> bool: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


Connection = TypeVar("Connection", bound=_Link)


class _Lane(Generic[Connection]):
    """What one route has: connections that are idle, places that are taken, requests that wait for one."""

    __slots__ = ("idle", "taken", "waiting")

    def __init__(self) -> None:
        self.idle: list[tuple[Connection, float]] = []
        self.taken = 0
        self.waiting: deque[asyncio.Future[None]] = deque()


class KeptConnections(Generic[Route, Connection]):
    """The pool. Whoever took a place, by `idle` or `enter`, gives it back by `release` or `leave`."""

    def __init__(self, *, per_route: int, keepalive_seconds: float) -> None:
        self._per_route = per_route
        self._keepalive_seconds = keepalive_seconds
        self._lanes: dict[Route, _Lane[Connection]] = {}
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False

    def __repr__(self) -> str:
        taken = sum(lane.taken for lane in self._lanes.values())
        return f"<KeptConnections {len(self._lanes)} routes, {taken} taken>"

    def idle(self, route: Route) -> Connection | None:
        """Take a place with a connection that is ready, if there is one."""
        lane = self._lanes.get(route)
        if lane is None or lane.taken >= self._per_route:
            return None
        connection = self._newest(lane)
        if connection is not None:
            lane.taken += 1
        return connection

    async def enter(self, route: Route, seconds: float) -> Connection | None:
        """Take a place, with a connection that has become ready meanwhile; raises `TimeoutError`."""
        lane = self._lanes.get(route)
        if lane is None:
            lane = self._lanes[route] = _Lane()
        if lane.taken < self._per_route:
            lane.taken += 1
        else:
            await self._turn(route, lane, seconds)
        return self._newest(lane)

    async def _turn(self, route: Route, lane: _Lane[Connection], seconds: float) -> None:
        """Wait until a place is handed over."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lane.waiting.append(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except BaseException:
            if not waiter.cancelled():
                self.leave(route)
            raise

    def release(self, route: Route, connection: Connection) -> None:
        """Give a place back, and keep the connection where another request may use it."""
        if self._closed or connection.should_close or not connection.is_connected():
            connection.close()
        else:
            self._lanes[route].idle.append((connection, monotonic()))
            self._sweep_later()
        self.leave(route)

    def leave(self, route: Route) -> None:
        """Give a place back, to the first that waits for one."""
        lane = self._lanes[route]
        while lane.waiting:
            waiter = lane.waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        lane.taken -= 1
        self._forget(route, lane)

    async def close(self) -> None:
        """Close every connection that is idle; those in use are closed as they are given back."""
        self._closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        ending = list(self._ended(list(self._lanes)))
        await asyncio.gather(*(end for end in ending if end is not None))

    def _ended(self, routes: list[Route]) -> "Iterator[asyncio.Future[None] | None]":
        for route in routes:
            lane = self._lanes[route]
            for connection, _ in lane.idle:
                connection.abort()
                yield connection.closed
            lane.idle.clear()
            self._forget(route, lane)

    def _newest(self, lane: _Lane[Connection]) -> Connection | None:
        """Give the connection that was used last: of all it is the least likely to be cut by now."""
        since = monotonic() - self._keepalive_seconds
        while lane.idle:
            connection, at = lane.idle.pop()
            if at >= since and connection.is_connected():
                return connection
            connection.close()
        return None

    def _sweep_later(self) -> None:
        if self._sweeping is None:
            loop = asyncio.get_running_loop()
            self._sweeping = loop.call_later(self._keepalive_seconds, self._sweep)

    def _sweep(self) -> None:
        """Close what nobody has used for long; comes again while anything is kept."""
        self._sweeping = None
        since = monotonic() - self._keepalive_seconds
        for route, lane in list(self._lanes.items()):
            for connection, at in lane.idle:
                if at < since:
                    connection.close()
            lane.idle = [one for one in lane.idle if one[1] >= since and one[0].is_connected()]
            self._forget(route, lane)
        if any(lane.idle for lane in self._lanes.values()):
            self._sweep_later()

    def _forget(self, route: Route, lane: _Lane[Connection]) -> None:
        if not (lane.idle or lane.taken or lane.waiting):
            self._lanes.pop(route, None)
