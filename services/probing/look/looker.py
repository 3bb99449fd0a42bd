"""One look at one case: resolve, guard, HEAD, verdict, and the event that records it."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

import msgspec

from schemas.events import Agent, LookMade
from schemas.urls import CanonicalUrl
from services.attribution.attribution_fact import Attributor
from services.attribution.providermap import ProviderMap
from services.core.reasons import NETWORK_FAULTS
from services.core.verdict import Evidence, Judgement, is_dark, judge
from services.probing.dns.resolver import Resolution, Resolver
from services.probing.guard.guard import Guard
from services.probing.http.egress import Egress
from services.probing.http.exchange import Exchanger
from services.probing.limits.backoff import BackOff
from services.probing.limits.daily_cap import DailyCap
from services.probing.limits.gate import Gate
from services.probing.limits.rates import Deferred, PolitenessLimits
from services.probing.look.canary import Canary
from services.probing.look.driver import Driver, DriverParts, SharedParts
from services.probing.look.handlers import handler_of
from services.probing.look.identity import NEUTRAL_AGENT, identified_agent
from services.probing.look.look_event import LookWriter, Visited
from services.probing.look.memory import LookLimits, Memory, Step, Target
from services.probing.look.redirects import registrable_domain
from services.probing.look.selfcheck import SelfCheck
from services.probing.look.visit import Visit
from services.probing.priority import OVERDUE

__all__ = ["Deferred", "Explained", "LookLimits", "Looker", "Target"]

_NO_CASE = "0" * 32
_OF_ONE_PAGE = frozenset({"response_timeout", "disconnected"})


class Explained(NamedTuple):
    """A look and all that it rests on, for people; `resolution` is None where no name was asked.

    `rules` names those of `services.core.rules` that were used. `head_age` tells for how many seconds HEAD is known to
    say little of URLs of this shape; None: it is worth asking.
    """

    look: LookMade
    evidence: Evidence
    resolution: Resolution | None
    steps: list[Step]
    rules: list[str]
    head_age: float | None = None


class Looker:
    """Make looks from one vantage. Open it in the loop that uses it, with `async with` or `open`/`close`.

    `agent` is the User-Agent, `agent_kind` says which policy it follows (G8). Without a canary no look is voided for
    the canary's sake, and `canary_at` stays empty.
    """

    def __init__(
        self,
        *,
        guard: Guard,
        resolver: Resolver,
        vantage: str,
        clock: Callable[[], datetime],
        providers: Attributor | None = None,
        canary: CanonicalUrl | None = None,
        canary_interval_seconds: float,
        agent: str | None = None,
        agent_kind: Agent,
        limits: LookLimits,
        politeness: PolitenessLimits,
        selfcheck: SelfCheck | None = None,
        egress: Egress | None = None,
    ) -> None:
        self._guard = guard
        self._resolver = resolver
        self._vantage = vantage
        self._writer = LookWriter(vantage, providers or ProviderMap(), agent_kind)
        self._clock = clock
        self._agent = agent or identified_agent(None, None)
        self._limits = limits
        self._egress = egress
        self._gate = Gate(politeness)
        self._cap = DailyCap(politeness.looks_per_day)
        self._selfcheck = selfcheck or SelfCheck()
        self._backoff = BackOff(self._gate.core.limits)
        self._memory = Memory.within(self._limits)
        self._shared = SharedParts()
        self._parts: DriverParts | None = None
        self.canary = Canary(canary, canary_interval_seconds, self._see)

    def __repr__(self) -> str:
        return f"<Looker {self._vantage}, {self._guard!r}, {self.canary!r}>"

    async def __aenter__(self) -> "Looker":
        self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def held(self) -> int:
        """How many looks politeness makes wait."""
        return self._gate.waiting

    def open(self) -> None:
        """Open the connections' pool; a look does it too."""
        self._ready()

    async def close(self) -> None:
        """Close every connection and cancel what is under way on its own."""
        await self.canary.close()
        await self._resolver.close()
        self._gate.close()
        parts, self._parts = self._parts, None
        if parts is not None:
            await parts.exchanger.close()

    async def look(self, target: Target, tick: datetime) -> LookMade:
        """Make one look; whatever the far side does ends in a verdict with a reason code.

        Raises `Deferred` where politeness would hold it up too long, or where the URL has had its share of the day:
        record it as missed (`politeness`).
        """
        look, _, _ = await self._look(target, tick, None)
        return look

    async def explain(self, target: Target, tick: datetime) -> Explained:
        """Make one look and take down all that it did and saw; as `look`."""
        steps: list[Step] = []
        look, evidence, visited = await self._look(target, tick, steps)
        resolution, rules = visited.visit.resolution, visited.driver.rules
        explained = Explained(look, evidence, resolution, steps, rules)
        if target.url.not_measurable is not None:
            return explained
        age = self._memory.head.age(handler_of(target.url), self._gate.now())
        return explained._replace(head_age=age)

    async def _look(
        self, target: Target, tick: datetime, steps: list[Step] | None
    ) -> tuple[LookMade, Evidence, Visited]:
        self._ready()
        self.canary.poke()
        if wait := self._cap.wait(target.case_number, self._clock()):
            raise Deferred(wait)
        visited = await self._visit(target, target.confirming, steps)
        finished_at = self._clock()
        self._cap.count(target.case_number, finished_at)
        if visited.judgement.verdict != "online" and await self._stale(target.url, visited):
            visited = await self._visit(target, True, steps)
            finished_at = self._clock()
        self._learn(target, visited)
        if visited.judgement.verdict == "removed":
            await self.canary.fresh()
            finished_at = self._clock()
        evidence = self._sighted(target, visited.evidence, visited.judgement)
        look = self._writer.write(tick, visited, evidence, finished_at, self.canary.seen_at)
        return look, evidence, visited

    def _learn(self, target: Target, visited: Visited) -> None:
        """Remember what a look says of its case and its host."""
        verdict, evidence = visited.judgement.verdict, visited.evidence
        if verdict == "online":
            self._memory.remember_served(target.case_number, target.url, self._gate.now())
            self._memory.darkness.alive(target.url.host)
            return
        if verdict == "removed" and evidence.answers and not evidence.dark:
            self._memory.darkness.alive(target.url.host)
        self._memory.remember_unseen(target.case_number)

    async def _visit(self, target: Target, fresh: bool, steps: list[Step] | None) -> Visited:
        visit = Visit(
            target,
            self._memory,
            self._limits,
            self._guard,
            fresh=fresh or target.deciding,
            provider_of=self._provider_of,
        )
        driver = Driver(self._ready(), target.priority, steps)
        try:
            evidence = await driver.run(visit.evidence())
        except BaseException:
            if driver.has_begun:
                self._cap.count(target.case_number, self._clock())
            raise
        judgement = judge(evidence)
        if judgement.verdict == "undetermined" and await self._dark(
            target, visit, driver, evidence
        ):
            evidence = msgspec.structs.replace(evidence, dark=True)
            judgement = judge(evidence)
        return Visited(visit, driver, evidence, judgement)

    async def _dark(self, target: Target, visit: Visit, driver: Driver, evidence: Evidence) -> bool:
        """Tell whether the whole host has been dark for so long that it counts."""
        darkness, host = self._memory.darkness, target.url.host
        answered = any(answer.status is not None for answer in evidence.answers)
        if not is_dark(evidence):
            (darkness.alive if answered else darkness.unclear)(host)
            return False
        # One page that is broken, hangs, or is closed upon, says nothing of its host.
        hangs = any(answer.fault in _OF_ONE_PAGE for answer in evidence.answers)
        if answered or hangs:
            front = await driver.run(visit.dark_front())
            if not front:
                (darkness.unclear if front is None else darkness.alive)(host)
                return False
        # What a blind vantage does not see is not dark: else an outage of ours would count as the host's.
        if self._blind():
            return False
        long = darkness.dark(host, self._gate.now())
        return long or target.host_dark

    # -- parts -------------------------------------------------------------------------------------

    def _provider_of(self, address: str) -> str | None:
        """Name the provider of an address as of now."""
        return self._writer.provider_at(address, self._clock())

    def _ready(self) -> DriverParts:
        if self._parts is None:
            limits = self._limits
            exchanger = Exchanger(
                self._guard,
                agent=self._agent,
                neutral_agent=NEUTRAL_AGENT,
                connect_seconds=limits.connect_seconds,
                connections_per_host=limits.connections_per_host,
                keepalive_seconds=limits.keepalive_seconds,
                egress=self._egress,
            )
            self._parts = DriverParts(
                self._resolver,
                exchanger,
                self._gate,
                self._backoff,
                self._shared,
                limits,
                self._clock,
            )
        return self._parts

    async def _stale(self, url: CanonicalUrl, visited: Visited) -> bool:
        """Tell whether the name leads elsewhere by now: a remembered address may have been left.

        Or whether a family of addresses that got no answer gets one now.
        """
        before = visited.visit.resolution
        if before is None or not before.at:
            return False
        missing = 0
        if visited.judgement.reason == "gone_on_some":
            missing = before.unanswered_family
        if visited.judgement.verdict != "removed" and not missing:
            return False
        now = await self._resolver.resolve(url.host, fresh=True)
        if missing and now.unanswered_family != missing:
            return True
        return (now.status, set(now.addresses)) != (before.status, set(before.addresses))

    def _sighted(self, target: Target, evidence: Evidence, judgement: Judgement) -> Evidence:
        """Say of the evidence whether the vantage was blind, and let what it met count for the next ones."""
        now = self._gate.now()
        if evidence.not_measurable is None:
            failed = judgement.reason in NETWORK_FAULTS or judgement.reason == "host_dark"
            domain = registrable_domain(target.url.host)
            self._selfcheck.note(domain, now, failed=failed, dark=target.host_dark)
        return msgspec.structs.replace(evidence, blind=True) if self._blind() else evidence

    def _blind(self) -> bool:
        return self.canary.down or self._selfcheck.blind(self._gate.now())

    async def _see(self, url: CanonicalUrl) -> datetime | None:
        """Look at the canary: the instant from which it was seen, or None."""
        target = Target(_NO_CASE, url)
        visit = Visit(target, self._memory, self._limits, self._guard, fresh=True, compared=False)
        driver = Driver(self._ready(), OVERDUE, honours_backoff=False)
        try:
            evidence = await driver.run(visit.evidence())
        except Deferred:
            return self.canary.seen_at
        return driver.started_at if judge(evidence).verdict == "online" else None
