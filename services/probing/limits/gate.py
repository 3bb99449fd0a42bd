"""Who may ask an address now, and who waits: the most urgent look goes first.

One line per network (/24, /48), because its addresses share places and a rate. Among equal priorities it is first
come, first served. Whoever would wait for too long is refused at once, so that nobody holds a look's place for it.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable

from services.probing.limits.rates import Deferred, Politeness, PolitenessLimits, network_of
from services.probing.priority import CONFIRMING, DEADLINE, REST, Priority


class Waiter:
    """One look that waits for its turn."""

    __slots__ = ("key", "place")

    def __init__(self, priority: Priority, number: int) -> None:
        self.key = (priority, number)
        self.place: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __lt__(self, other: "Waiter") -> bool:
        return self.key < other.key


class Line:
    """Who waits for one network, by address, and the timer that looks again when a rate allows the next."""

    __slots__ = ("timer", "waiting")

    def __init__(self) -> None:
        self.waiting: dict[str, list[Waiter]] = {}
        self.timer: asyncio.TimerHandle | None = None

    def first(self, address: str) -> Waiter | None:
        """Give who is first in line for an address; those who gave up are taken out."""
        heap = self.waiting[address]
        while heap and heap[0].place.done():
            heapq.heappop(heap)
        if heap:
            return heap[0]
        del self.waiting[address]
        return None

    def stop(self) -> None:
        """Stop the timer."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Gate:
    """Let looks through to an address, politely; `now` is the clock that its schedules run on."""

    def __init__(
        self, limits: PolitenessLimits, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.core = Politeness(limits)
        self.now = monotonic
        self._lines: dict[str, Line] = {}
        self._numbers = itertools.count()
        self.waiting = 0

    def __repr__(self) -> str:
        return f"<Gate {self.waiting} waiting for {len(self._lines)} networks>"

    def enter(self, address: str) -> bool:
        """Go through at once if nothing stands against it and nobody waits; else take `acquire`."""
        if self._lines and network_of(address) in self._lines:
            return False
        return self.core.enter(address, self.now())

    async def acquire(self, address: str, priority: Priority = REST) -> bool:
        """Wait until an address may be asked; tell whether that took any waiting. Pair it with `release`.

        Raises `Deferred` where it would take longer than `max_wait_seconds`.
        """
        if self.enter(address):
            return False
        network, most = network_of(address), self.core.limits.max_wait_seconds
        wait = self._estimate(address, network, priority)
        if wait > most:
            raise Deferred(wait)
        waiter = Waiter(priority, next(self._numbers))
        line = self._lines.setdefault(network, Line())
        heapq.heappush(line.waiting.setdefault(address, []), waiter)
        await self._turn(waiter, address, network, most)
        return True

    def release(self, address: str) -> None:
        """Give the place back."""
        self.core.leave(address, self.now())
        if self._lines:
            self._serve(network_of(address))

    def close(self) -> None:
        """Stop every timer."""
        for line in self._lines.values():
            line.stop()

    # -- parts -------------------------------------------------------------------------------------

    def _estimate(self, address: str, network: str, priority: Priority) -> float:
        """Reckon how long the rates would make a look wait behind those that go first."""
        now, line = self.now(), self._lines.get(network)
        of_address, of_network = self.core.accounts(address, now)
        ahead = {} if line is None else {a: _before(h, priority) for a, h in line.waiting.items()}
        return max(
            of_address.wait(now) + ahead.get(address, 0) * of_address.step,
            of_network.wait(now) + sum(ahead.values()) * of_network.step,
            self.core.total.wait(now),
            0.0,
        )

    async def _turn(self, waiter: Waiter, address: str, network: str, most: float) -> None:
        self.waiting += 1
        self._serve(network)
        try:
            async with asyncio.timeout(most):
                await waiter.place
        except TimeoutError:
            # The place may have come in the same turn of the loop.
            if waiter.place.cancelled():
                raise Deferred(most) from None
        except asyncio.CancelledError:
            if not waiter.place.cancelled():
                self.release(address)
            raise
        finally:
            self.waiting -= 1
            if waiter.place.cancelled():
                self._serve(network)

    def _serve(self, network: str) -> None:
        """Let everybody through who may go now, the best first."""
        line = self._lines.get(network)
        if line is None:
            return
        line.stop()
        while (step := self._next(line))[0] is not None:
            address, waiter = step[0]
            heapq.heappop(line.waiting[address])
            waiter.place.set_result(None)
        if not line.waiting:
            del self._lines[network]
        elif step[1] is not None:
            loop = asyncio.get_running_loop()
            line.timer = loop.call_later(step[1], self._serve, network)

    def _next(self, line: Line) -> tuple[tuple[str, Waiter] | None, float | None]:
        """Let the best of those in whose way nothing stands enter; else say in how many seconds to look again."""
        now, pause = self.now(), None
        heads = [(a, w) for a in list(line.waiting) if (w := line.first(a)) is not None]
        for address, waiter in sorted(heads, key=lambda head: head[1].key):
            if self.core.enter(address, now):
                return (address, waiter), None
            if not self.core.full(address, now):
                wait = max(self.core.wait(address, now), 0.001)
                pause = wait if pause is None else min(pause, wait)
        return None, pause


def _before(heap: list[Waiter], priority: Priority) -> int:
    return sum(waiter.key[0] <= priority for waiter in heap if not waiter.place.done())


__all__ = ["CONFIRMING", "DEADLINE", "REST", "Deferred", "Gate", "PolitenessLimits", "Priority"]
