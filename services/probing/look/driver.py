"""Drive the protocol of a look: do what it yields, in time and in turn, and send back what came of it."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime
from types import CoroutineType
from typing import Any, TypeVar

from services.probing.dns.resolver import Resolution, Resolver
from services.probing.guard.literals import literal_of
from services.probing.http.exchange import Exchanger, Reply
from services.probing.limits.backoff import BackOff, retry_after_seconds
from services.probing.limits.gate import Deferred, Gate, Priority
from services.probing.look.memory import LookLimits, Step
from services.probing.look.operations import (
    Ask,
    AskSibling,
    Enter,
    Explain,
    ExtendTime,
    HonourBackoff,
    Leave,
    Note,
    Now,
    Protocol,
    Resolve,
    Share,
    TimeLeft,
    Token,
)
from services.probing.look.redirects import registrable_domain

T = TypeVar("T")
_PUSHED_BACK = frozenset({429, 503})


class SharedParts:
    """Parts of looks that are under way and that other looks wait for, by their key."""

    def __init__(self) -> None:
        self._futures: dict[Hashable, asyncio.Future[Any]] = {}

    async def run(self, key: Hashable, ask: Callable[[], Any]) -> tuple[Any, bool]:
        """Give the result of a part, and whether it was run here.

        Who waits for another's part that is given up runs it in its place; what `ask` raises is the asker's own.
        """
        while (future := self._futures.get(key)) is not None:
            await asyncio.wait([future])
            if not future.cancelled():
                return future.result(), False
        future = self._futures[key] = asyncio.get_running_loop().create_future()
        try:
            result = await ask()
        except BaseException:
            future.cancel()
            raise
        else:
            future.set_result(result)
        finally:
            del self._futures[key]
        return result, True


class Driver:
    """The waiting half of one look: it holds its time, its place at an address, and what it took down.

    `started_at` is the instant of its first request. What politeness takes is none of the far side's time. Without
    `honours_backoff` the host's wish to be left alone does not hold: for the canary, which is the operator's own.
    """

    def __init__(
        self,
        *,
        resolver: Resolver,
        exchanger: Exchanger,
        gate: Gate,
        backoff: BackOff,
        shared: SharedParts,
        limits: LookLimits,
        clock: Callable[[], datetime],
        priority: Priority,
        honours_backoff: bool = True,
        steps: list[Step] | None = None,
    ) -> None:
        self._resolver = resolver
        self._exchanger = exchanger
        self._gate = gate
        self._backoff = backoff
        self._shared = shared
        self._limits = limits
        self._clock = clock
        self._priority = priority
        self._honours_backoff = honours_backoff
        self._steps = steps
        self._begun = gate.now()
        self._waited = 0.0
        self._place: str | None = None
        self._charged = False
        self._has_begun = False
        self.started_at = clock()
        self.phases: dict[str, float] = {}
        self.rules: list[str] = []
        self.resolution_age: float | None = None

    async def run(self, protocol: Protocol[T]) -> T:
        """Run a protocol to its end and give its result; raises `Deferred` where it does not catch that itself."""
        try:
            return await self._drive(protocol)
        finally:
            protocol.close()
            self._leave()

    async def _drive(self, protocol: Protocol[T]) -> T:
        try:
            operation = next(protocol)
            while True:
                try:
                    # Most of what a look asks needs no waiting: only what does gives a coroutine.
                    result = _DO[type(operation)](self, operation)
                    if isinstance(result, CoroutineType):
                        result = await result
                except Deferred as deferred:
                    operation = protocol.throw(deferred)
                else:
                    operation = protocol.send(result)
        except StopIteration as stop:
            value: T = stop.value
            return value

    def _now(self, _: Now) -> float:
        return self._gate.now()

    def _token(self, _: Token) -> str:
        return secrets.token_hex(8)

    def _time_left(self, _: TimeLeft | None = None) -> float:
        """Tell how many seconds of the look's time are left."""
        return self._begun + self._limits.total_seconds - self._gate.now()

    def _extend_time(self, _: ExtendTime) -> None:
        self._begun += max(self._limits.exchange_seconds - self._time_left(), 0.0)

    def _note(self, note: Note) -> None:
        if self._steps is not None:
            self._steps[-1].redirect = note.redirect

    def _explain(self, explain: Explain) -> None:
        if self._steps is not None:
            self.rules.append(explain.rule)

    async def _share(self, share: Share) -> tuple[Any, bool]:
        return await self._shared.run(share.key, lambda: self._drive(share.part()))

    # -- names -------------------------------------------------------------------------------------

    def _resolve(self, resolve: Resolve) -> Resolution | Awaitable[Resolution]:
        host, fresh = resolve
        recalled = self._resolver.recall(host, fresh=fresh)
        if recalled is None:
            return self._resolve_anew(host, fresh)
        self._keep_age(recalled)
        return recalled

    async def _resolve_anew(self, host: str, fresh: bool) -> Resolution:
        before = self._gate.now()
        resolution = await self._resolver.resolve(host, fresh=fresh)
        took = self._gate.now() - before
        self.phases["resolve"] = self.phases.get("resolve", 0.0) + took
        self._keep_age(resolution)
        return resolution

    def _keep_age(self, resolution: Resolution) -> None:
        """Keep the age of the oldest resolution that the look rests on."""
        age = round(self._resolver.age_of(resolution), 1)
        self.resolution_age = max(self.resolution_age or 0.0, age)

    async def _ask_sibling(self, sibling: AskSibling) -> tuple[Any, tuple[str, ...] | None]:
        return await asyncio.gather(self._drive(sibling.ask()), self._name_servers(sibling.host))

    async def _name_servers(self, host: str) -> tuple[str, ...] | None:
        """Name the name servers of a host's domain; None where none of ours answered."""
        if literal_of(host) is not None:
            return ()
        try:
            async with asyncio.timeout(self._limits.exchange_seconds):
                return await self._resolver.name_servers(registrable_domain(host))
        except TimeoutError:
            return None

    # -- places ------------------------------------------------------------------------------------

    def _enter(self, enter: Enter) -> Awaitable[None] | None:
        """Take a place at an address, or wait for one; raises `Deferred`."""
        address, host = enter
        if (seconds := self._forbidden(address, host)) > 0:
            raise Deferred(seconds)
        if not self._gate.enter(address):
            return self._wait_for_place(address, host)
        self._place, self._charged = address, True
        return None

    async def _wait_for_place(self, address: str, host: str) -> None:
        gate = self._gate
        before = gate.now()
        try:
            waited = await gate.acquire(address, self._priority)
        finally:
            took = gate.now() - before
            self._begun += took
            self._waited += took
        self._place, self._charged = address, True
        if not waited:
            return
        # Meanwhile the host may have asked to be left alone.
        if (seconds := self._forbidden(address, host)) > 0:
            self._leave()
            raise Deferred(seconds)
        if not self._has_begun:
            self.started_at = self._clock()

    def _leave(self, _: Leave | None = None) -> None:
        place, self._place = self._place, None
        if place is not None:
            self._gate.release(place)

    def _forbidden(self, address: str, host: str) -> float:
        """Tell for how many seconds a host is to be left alone: by its own wish, or this look has waited enough."""
        most = self._gate.core.limits.max_wait_seconds
        wish = 0.0
        if self._honours_backoff:
            wish = self._backoff.wait(address, host, self._gate.now())
        return most if wish <= 0 and self._waited > most else wish

    def _honour_backoff(self, honour: HonourBackoff) -> None:
        address, host, reply = honour
        if not self._honours_backoff:
            return
        if reply.status in _PUSHED_BACK:
            wish = retry_after_seconds(reply.retry_after, self._clock)
            self._backoff.record_pushback(address, host, self._gate.now(), wish)
        elif reply.status is not None:
            self._backoff.record_answer(address, host, self._gate.now())

    # -- requests ----------------------------------------------------------------------------------

    async def _ask(self, ask: Ask) -> Reply:
        purpose, method, url, address, neutral = ask
        if self._charged:
            self._charged = False
        else:
            self._gate.core.charge(address, self._gate.now())
        self._has_begun = True
        left = min(self._time_left(), self._limits.exchange_seconds)
        if left <= 0:
            reply = Reply(method=method, fault="response_timeout")
        else:
            reply = await self._exchanger.ask(method, url, address, left, neutral=neutral)
        if purpose == "url":
            self.phases.update(reply.phases)
        if self._steps is not None:
            self._steps.append(Step(purpose, address, reply, neutral=neutral))
        return reply


_DO: dict[type, Callable[[Driver, Any], Any]] = {
    Ask: Driver._ask,
    AskSibling: Driver._ask_sibling,
    Enter: Driver._enter,
    Explain: Driver._explain,
    ExtendTime: Driver._extend_time,
    HonourBackoff: Driver._honour_backoff,
    Leave: Driver._leave,
    Note: Driver._note,
    Now: Driver._now,
    Resolve: Driver._resolve,
    Share: Driver._share,
    TimeLeft: Driver._time_left,
    Token: Driver._token,
}
"""How each operation is done: each gives its result, or a coroutine where it has to wait."""
