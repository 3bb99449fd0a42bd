"""Drive the protocol of a look: do what it yields, in time and in turn, and send back what came of it."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime
from typing import Any, TypeVar

from services.probing.dns.resolver import Resolution, Resolver
from services.probing.guard.literals import literal_of
from services.probing.http.exchange import Exchanger, Reply
from services.probing.limits.backoff import BackOff, retry_after_seconds
from services.probing.limits.gate import Deferred, Gate, Priority
from services.probing.look import operations as op
from services.probing.look.memory import LookLimits, Step
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
        worth: Priority,
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
        self._worth = worth
        self._honours_backoff = honours_backoff
        self._steps = steps
        self._begun = gate.now()
        self._waited = 0.0
        self._place: str | None = None
        self._charged = False
        self._asked = False
        self.started_at = clock()
        self.phases: dict[str, float] = {}
        self.rules: list[str] = []

    async def run(self, protocol: op.Protocol[T]) -> T:
        """Run a protocol to its end and give its result; raises `Deferred` where it does not catch that itself."""
        try:
            return await self._drive(protocol)
        finally:
            protocol.close()
            self._leave()

    async def _drive(self, protocol: op.Protocol[T]) -> T:
        try:
            operation = next(protocol)
            while True:
                try:
                    result = await self._perform(operation)
                except Deferred as deferred:
                    operation = protocol.throw(deferred)
                else:
                    operation = protocol.send(result)
        except StopIteration as stop:
            value: T = stop.value
            return value

    async def _perform(self, operation: op.Operation) -> Any:
        wait = _WAITS.get(type(operation))
        if wait is not None:
            return await wait(self, operation)
        return _AT_ONCE[type(operation)](self, operation)

    def _now(self, _: op.Now) -> float:
        return self._gate.now()

    def _token(self, _: op.Token) -> str:
        return secrets.token_hex(8)

    def _time_left(self, _: op.TimeLeft | None = None) -> float:
        """Tell how many seconds of the look's time are left."""
        return self._begun + self._limits.total_seconds - self._gate.now()

    def _extend_time(self, _: op.ExtendTime) -> None:
        self._begun += max(self._limits.exchange_seconds - self._time_left(), 0.0)

    def _note(self, note: op.Note) -> None:
        if self._steps is not None:
            self._steps[-1].redirect = note.redirect

    def _explain(self, explain: op.Explain) -> None:
        if self._steps is not None:
            self.rules.append(explain.rule)

    async def _share(self, share: op.Share) -> tuple[Any, bool]:
        return await self._shared.run(share.key, lambda: self._drive(share.part()))

    # -- names -------------------------------------------------------------------------------------

    async def _resolve(self, resolve: op.Resolve) -> Resolution:
        host, fresh = resolve
        known = self._resolver.recall(host, fresh=fresh)
        if known is not None:
            return known
        before = self._gate.now()
        resolution = await self._resolver.resolve(host, fresh=fresh)
        took = self._gate.now() - before
        self.phases["resolve"] = self.phases.get("resolve", 0.0) + took
        return resolution

    async def _ask_sibling(self, sibling: op.AskSibling) -> tuple[Any, tuple[str, ...] | None]:
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

    async def _enter(self, enter: op.Enter) -> None:
        """Wait for a place at an address; raises `Deferred`."""
        gate, (address, host) = self._gate, enter
        if (seconds := self._forbidden(address, host)) > 0:
            raise Deferred(seconds)
        before = gate.now()
        try:
            waited = not gate.enter(address) and await gate.acquire(address, self._worth)
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
        if not self._asked:
            self.started_at = self._clock()

    def _leave(self, _: op.Leave | None = None) -> None:
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

    def _honour_backoff(self, honour: op.HonourBackoff) -> None:
        address, host, reply = honour
        if not self._honours_backoff:
            return
        if reply.status in _PUSHED_BACK:
            wish = retry_after_seconds(reply.retry_after, self._clock)
            self._backoff.record_pushback(address, host, self._gate.now(), wish)
        elif reply.status is not None:
            self._backoff.record_answer(address, host, self._gate.now())

    # -- requests ----------------------------------------------------------------------------------

    async def _ask(self, ask: op.Ask) -> Reply:
        if self._charged:
            self._charged = False
        else:
            self._gate.core.charge(ask.address, self._gate.now())
        self._asked = True
        reply = await self._reply(ask)
        if ask.purpose == "url":
            self.phases.update(reply.phases)
        if self._steps is not None:
            self._steps.append(Step(ask.purpose, ask.address, reply))
        return reply

    async def _reply(self, ask: op.Ask) -> Reply:
        left = self._time_left()
        if left <= 0:
            return Reply(method=ask.method, fault="response_timeout")
        seconds = min(left, self._limits.exchange_seconds)
        return await self._exchanger.ask(
            ask.method, ask.url, ask.address, seconds, neutral=ask.neutral
        )


_WAITS: dict[type, Callable[[Driver, Any], Awaitable[Any]]] = {
    op.Ask: Driver._ask,
    op.AskSibling: Driver._ask_sibling,
    op.Enter: Driver._enter,
    op.Resolve: Driver._resolve,
    op.Share: Driver._share,
}
_AT_ONCE: dict[type, Callable[[Driver, Any], Any]] = {
    op.Explain: Driver._explain,
    op.ExtendTime: Driver._extend_time,
    op.HonourBackoff: Driver._honour_backoff,
    op.Leave: Driver._leave,
    op.Note: Driver._note,
    op.Now: Driver._now,
    op.TimeLeft: Driver._time_left,
    op.Token: Driver._token,
}
