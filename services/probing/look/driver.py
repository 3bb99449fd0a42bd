"""Drive the protocol of a look: do what it yields, in time and in turn, and send back what came of it."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime
from types import CoroutineType
from typing import Any, NamedTuple, TypeVar

from services.core.retry_after import retry_after_seconds
from services.probing.dns.resolver import Resolution, Resolver
from services.probing.guard.literals import literal_of
from services.probing.http.exchange import Exchanger, Reply
from services.probing.limits.backoff import BackOff
from services.probing.limits.gate import Deferred, Gate, Priority
from services.probing.look.memory import LookLimits, Step
from services.probing.look.operations import (
    Ask,
    AskSibling,
    Enter,
    Explain,
    ExtendTime,
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


class DriverParts(NamedTuple):
    """What the drivers of a looker's looks have in common."""

    resolver: Resolver
    exchanger: Exchanger
    gate: Gate
    backoff: BackOff
    shared: SharedParts
    limits: LookLimits
    clock: Callable[[], datetime]


class Driver:
    """The waiting half of one look: it holds its time, its place at an address, and what it took down.

    `started_at` is the instant of its first request, `has_begun` that it made one. What politeness takes is none of the
    far side's time. Without `honours_backoff` the host's wish to be left alone does not hold: for the canary, which is
    the operator's own.
    """

    __slots__ = (
        *("has_begun", "phases", "resolution_age", "rules", "started_at"),
        *("_begun", "_charged", "_honours_backoff", "_parts", "_place"),
        *("_priority", "_steps", "_waited"),
    )

    def __init__(
        self,
        parts: DriverParts,
        priority: Priority,
        steps: list[Step] | None = None,
        *,
        honours_backoff: bool = True,
    ) -> None:
        self._parts = parts
        self._priority = priority
        self._honours_backoff = honours_backoff
        self._steps = steps
        self._begun = parts.gate.now()
        self._waited = 0.0
        self._place: str | None = None
        self._charged = False
        self.has_begun = False
        self.started_at = parts.clock()
        self.phases: dict[str, float] = {}
        self.rules: list[str] = []
        self.resolution_age: float | None = None

    async def run(self, protocol: Protocol[T]) -> T:
        """Run a protocol to its end and give its result; raises `Deferred` where it does not catch that itself."""
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
        finally:
            protocol.close()
            # A part that looks share is run while no place is held, and has given its own back by now.
            self._release()

    def _now(self, _: Now) -> float:
        return self._parts.gate.now()

    def _token(self, _: Token) -> str:
        return secrets.token_hex(8)

    def _time_left(self, _: TimeLeft | None = None) -> float:
        """Tell how many seconds of the look's time are left."""
        return self._begun + self._parts.limits.total_seconds - self._parts.gate.now()

    def _extend_time(self, _: ExtendTime) -> None:
        self._begun += max(self._parts.limits.exchange_seconds - self._time_left(), 0.0)

    def _note(self, note: Note) -> None:
        if self._steps is not None:
            self._steps[-1].redirect = note.redirect

    def _explain(self, explain: Explain) -> None:
        if self._steps is not None:
            self.rules.append(explain.rule)

    async def _share(self, share: Share) -> tuple[Any, bool]:
        return await self._parts.shared.run(share.key, lambda: self.run(share.part()))

    # -- names -------------------------------------------------------------------------------------

    def _resolve(self, resolve: Resolve) -> Resolution | Awaitable[Resolution]:
        host, fresh = resolve.host, resolve.fresh
        recalled = self._parts.resolver.recall(host, fresh=fresh)
        if recalled is None:
            return self._resolve_anew(host, fresh)
        self._keep_age(recalled)
        return recalled

    async def _resolve_anew(self, host: str, fresh: bool) -> Resolution:
        before = self._parts.gate.now()
        resolution = await self._parts.resolver.resolve(host, fresh=fresh)
        took = self._parts.gate.now() - before
        self.phases["resolve"] = self.phases.get("resolve", 0.0) + took
        self._keep_age(resolution)
        return resolution

    def _keep_age(self, resolution: Resolution) -> None:
        """Keep the age of the oldest resolution that the look rests on."""
        age = int(self._parts.resolver.age_of(resolution) * 10 + 0.5) / 10
        if self.resolution_age is None or age > self.resolution_age:
            self.resolution_age = age

    async def _ask_sibling(self, sibling: AskSibling) -> tuple[Any, tuple[str, ...] | None]:
        return await asyncio.gather(self.run(sibling.ask()), self._name_servers(sibling.host))

    async def _name_servers(self, host: str) -> tuple[str, ...] | None:
        """Name the name servers of a host's domain; None where none of ours answered."""
        if literal_of(host) is not None:
            return ()
        try:
            async with asyncio.timeout(self._parts.limits.exchange_seconds):
                return await self._parts.resolver.name_servers(registrable_domain(host))
        except TimeoutError:
            return None

    # -- places ------------------------------------------------------------------------------------

    def _enter(self, enter: Enter) -> Awaitable[None] | None:
        """Take a place at an address, or wait for one; raises `Deferred`."""
        address, host = enter.address, enter.host
        if (seconds := self._forbidden(address, host)) > 0:
            raise Deferred(seconds)
        if not self._parts.gate.enter(address):
            return self._wait_for_place(address, host)
        self._place, self._charged = address, True
        return None

    async def _wait_for_place(self, address: str, host: str) -> None:
        gate = self._parts.gate
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
            self._release()
            raise Deferred(seconds)
        if not self.has_begun:
            self.started_at = self._parts.clock()

    def _leave(self, leave: Leave) -> None:
        if leave.reply is not None and self._honours_backoff:
            self._honour_backoff(leave.address, leave.host, leave.reply)
        self._release()

    def _release(self) -> None:
        place, self._place = self._place, None
        if place is not None:
            self._parts.gate.release(place)

    def _forbidden(self, address: str, host: str) -> float:
        """Tell for how many seconds a host is to be left alone: by its own wish, or this look has waited enough."""
        parts = self._parts
        if self._honours_backoff:
            wish = parts.backoff.wait(address, host, parts.gate.now())
            if wish > 0:
                return wish
        most = parts.gate.core.limits.max_wait_seconds
        return most if self._waited > most else 0.0

    def _honour_backoff(self, address: str, host: str, reply: Reply) -> None:
        backoff, now = self._parts.backoff, self._parts.gate.now()
        if reply.status in _PUSHED_BACK:
            wish = retry_after_seconds(reply.retry_after, self._parts.clock())
            backoff.record_pushback(address, host, now, wish)
        elif reply.status is not None:
            backoff.record_answer(address, host, now)

    # -- requests ----------------------------------------------------------------------------------

    async def _ask(self, ask: Ask) -> Reply:
        if self._charged:
            self._charged = False
        else:
            self._parts.gate.core.charge(ask.address, self._parts.gate.now())
        self.has_begun = True
        left = min(self._time_left(), self._parts.limits.exchange_seconds)
        if left <= 0:
            reply = Reply(method=ask.method, fault="response_timeout")
        else:
            reply = await self._parts.exchanger.ask(
                ask.method, ask.url, ask.address, left, neutral=ask.neutral
            )
        if ask.purpose == "url":
            self.phases.update(reply.phases)
        if self._steps is not None:
            self._steps.append(Step(ask.purpose, ask.address, reply, neutral=ask.neutral))
        return reply


_DO: dict[type, Callable[[Driver, Any], Any]] = {
    Ask: Driver._ask,
    AskSibling: Driver._ask_sibling,
    Enter: Driver._enter,
    Explain: Driver._explain,
    ExtendTime: Driver._extend_time,
    Leave: Driver._leave,
    Note: Driver._note,
    Now: Driver._now,
    Resolve: Driver._resolve,
    Share: Driver._share,
    TimeLeft: Driver._time_left,
    Token: Driver._token,
}
"""How each operation is done: each gives its result, or a coroutine where it has to wait."""
