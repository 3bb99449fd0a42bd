"""A source behind its limits: what it said before, its budget, its circuit breaker.

There is one question for an address at a time, and whoever else asks for it waits for the same answer.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from services.attribution.lookup import AddressSource, Lookup, NoAnswer, SourceAnswer
from services.attribution.prefix_cache import PrefixCache
from services.attribution.source_limits import Breaker, Budget, SourceLimits

Count = Callable[[str, str], None]
"""Hears the name of a source and what came of a question: `answer`, `nothing`, or the failure."""


class GuardedSource:
    """Asks a source within its limits. What failed is never kept, so that it is asked again."""

    def __init__(
        self,
        source: AddressSource,
        limits: SourceLimits,
        clock: Callable[[], datetime],
        *,
        keep: timedelta,
        count: Count = lambda source, result: None,
    ) -> None:
        self._source = source
        self._clock = clock
        self._count = count
        self._budget = Budget(limits)
        self._breaker = Breaker(limits)
        self._cache = PrefixCache(keep)
        self._pending: dict[str, asyncio.Future[Lookup]] = {}

    def __repr__(self) -> str:
        return f"<GuardedSource {self.name} {self._breaker!r} {self._cache!r}>"

    @property
    def name(self) -> str:
        """Give the name of the source behind it."""
        return self._source.name

    def remembered(self, address: str) -> Lookup | None:
        """Give what it said before, without asking; None where it has to be asked."""
        return self._cache.find(address, self._clock())

    async def look_up(self, address: str) -> Lookup:
        """Ask for an address, or give what was said of its prefix before."""
        before = self.remembered(address)
        if before is not None:
            return before
        pending = self._pending.get(address)
        if pending is None:
            pending = self._pending[address] = asyncio.ensure_future(self._ask(address))
            pending.add_done_callback(lambda _: self._pending.pop(address, None))
        # Shielded: whoever gives up does not take the answer from the others.
        return await asyncio.shield(pending)

    async def _ask(self, address: str) -> Lookup:
        loop = asyncio.get_running_loop()
        if not self._breaker.admits(loop.time()):
            return self._counted(NoAnswer(failure="outage"))
        if not self._budget.take(loop.time()):
            return self._counted(NoAnswer(failure="budget"))
        answer = await self._source.look_up(address)
        if isinstance(answer, NoAnswer):
            self._breaker.fail(loop.time(), wait_seconds=_wait(answer))
        else:
            self._breaker.succeed()
            if not self._cache.keep(address, answer, self._clock()):
                return self._counted(NoAnswer(failure="unreadable"))
        return self._counted(answer)

    def _counted(self, answer: Lookup) -> Lookup:
        result = answer.failure if isinstance(answer, NoAnswer) else "nothing"
        self._count(self.name, "answer" if isinstance(answer, SourceAnswer) else result)
        return answer


def _wait(answer: NoAnswer) -> float | None:
    """Give for how long a source wants to be left alone; None where it did not ask for that."""
    return (answer.wait_seconds or 0.0) if answer.failure == "limited" else None
