"""One look at one case: resolve, guard, HEAD, verdict, and the event that records it."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from schemas.events import Agent, LookMade, Served
from schemas.urls import CanonicalUrl
from services.attribution.providermap import ProviderMap
from services.core.verdict import (
    NETWORK_FAULTS,
    Answer,
    Evidence,
    Judgement,
    is_dark,
    judge,
    judge_answer,
)
from services.probing.dns.resolver import Resolution, Resolver
from services.probing.guard.guard import Guard
from services.probing.http.egress import Egress
from services.probing.http.exchange import Exchanger
from services.probing.limits.backoff import BackOff
from services.probing.limits.daily_cap import DailyCap
from services.probing.limits.gate import DEADLINE, Gate
from services.probing.limits.rates import Deferred, PolitenessLimits
from services.probing.look.canary import Canary
from services.probing.look.controls import Controls
from services.probing.look.darkness import Darkness
from services.probing.look.identity import identified_agent
from services.probing.look.kit import Kit, LookLimits, Step, Target
from services.probing.look.redirects import registrable_domain
from services.probing.look.selfcheck import SelfCheck
from services.probing.look.visit import Visit

__all__ = ["Deferred", "Explained", "LookLimits", "Looker", "Target"]


class Explained(NamedTuple):
    """A look and all that it rests on, for people; `resolution` is None where no name was asked."""

    look: LookMade
    evidence: Evidence
    resolution: Resolution | None
    steps: list[Step]


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
        providers: ProviderMap | None = None,
        canary: CanonicalUrl | None = None,
        canary_interval_seconds: float = 60.0,
        agent: str | None = None,
        agent_kind: Agent = "identified",
        limits: LookLimits | None = None,
        politeness: PolitenessLimits | None = None,
        selfcheck: SelfCheck | None = None,
        egress: Egress | None = None,
    ) -> None:
        self._guard = guard
        self._resolver = resolver
        self._vantage = vantage
        self._clock = clock
        self._providers = providers or ProviderMap()
        self._agent = agent or identified_agent(None, None)
        self._agent_kind = agent_kind
        self._limits = limits or LookLimits()
        self._egress = egress
        politeness = politeness or PolitenessLimits()
        self._gate = Gate(politeness)
        self._cap = DailyCap(politeness.looks_per_day)
        self._selfcheck = selfcheck or SelfCheck()
        self._kit: Kit | None = None
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
        kit, self._kit = self._kit, None
        if kit is not None:
            await kit.exchanger.close()

    async def look(self, target: Target, tick: datetime) -> LookMade:
        """Make one look; whatever the far side does ends in a verdict with a reason code.

        Raises `Deferred` where politeness would hold it up too long, or where the URL has had its share of the day:
        record it as missed (`politeness`).
        """
        return (await self._look(target, tick, None)).look

    async def explain(self, target: Target, tick: datetime) -> Explained:
        """Make one look and take down all that it did and saw; as `look`."""
        return await self._look(target, tick, [])

    async def _look(self, target: Target, tick: datetime, steps: list[Step] | None) -> Explained:
        kit = self._ready()
        self.canary.poke()
        case = int(target.case_id[:16], 16)
        if wait := self._cap.take(case, self._clock()):
            raise Deferred(wait)
        visit, evidence, found = await self._visit(target, case, target.confirming, steps)
        if found.verdict != "online" and await self._stale(target.url, visit, found):
            visit, evidence, found = await self._visit(target, case, True, steps)
        if found.verdict == "online":
            kit.remember_served(case)
            kit.darkness.alive(target.url.host)
        elif found.verdict == "removed":
            if evidence.answers and not evidence.dark:
                kit.darkness.alive(target.url.host)
            await self.canary.fresh()
        evidence = self._sighted(target.url, evidence, found)
        look = self._event(tick, visit, evidence, judge(evidence))
        return Explained(look, evidence, visit.resolution, steps or [])

    async def _visit(
        self, target: Target, case: int, fresh: bool, steps: list[Step] | None
    ) -> tuple[Visit, Evidence, Judgement]:
        kit = self._ready()
        visit = Visit(
            kit,
            target.url,
            case=case,
            fresh=fresh,
            was_served=target.known_online or case in kit.served_cases,
            baseline=target.baseline,
            worth=target.worth,
            steps=steps,
        )
        evidence = await visit.evidence()
        found = judge(evidence)
        if found.verdict == "undetermined" and await self._dark(target, visit, evidence):
            evidence = msgspec.structs.replace(evidence, dark=True)
            found = judge(evidence)
        return visit, evidence, found

    async def _dark(self, target: Target, visit: Visit, evidence: Evidence) -> bool:
        """Tell whether the whole host has been dark for so long that it counts."""
        kit, host = self._ready(), target.url.host
        answered = any(answer.status is not None for answer in evidence.answers)
        if not is_dark(evidence):
            (kit.darkness.alive if answered else kit.darkness.unclear)(host)
            return False
        # One page that is broken, or hangs, says nothing of its host.
        hangs = any(answer.fault == "response_timeout" for answer in evidence.answers)
        if answered or hangs:
            front = await visit.dark_front()
            if not front:
                (kit.darkness.unclear if front is None else kit.darkness.alive)(host)
                return False
        # What a blind vantage does not see is not dark: else an outage of ours would count as the host's.
        if self._blind():
            return False
        long = kit.darkness.dark(host, kit.gate.now())
        return long or target.host_dark

    # -- parts -------------------------------------------------------------------------------------

    def _ready(self) -> Kit:
        if self._kit is None:
            limits = self._limits
            exchanger = Exchanger(
                self._guard,
                agent=self._agent,
                connect_seconds=limits.connect_seconds,
                connections_per_host=limits.connections_per_host,
                keepalive_seconds=limits.keepalive_seconds,
                egress=self._egress,
            )
            self._kit = Kit(
                guard=self._guard,
                resolver=self._resolver,
                gate=self._gate,
                backoff=BackOff(self._gate.core.limits),
                clock=self._clock,
                limits=limits,
                exchanger=exchanger,
                controls=Controls(
                    limits.control_interval_seconds,
                    retry_seconds=limits.control_retry_seconds,
                ),
                fronts=Controls(
                    limits.front_interval_seconds,
                    retry_seconds=limits.control_retry_seconds,
                ),
                darkness=Darkness(limits.darkness),
            )
        return self._kit

    async def _stale(self, url: CanonicalUrl, visit: Visit, found: Judgement) -> bool:
        """Tell whether the name leads elsewhere by now: a remembered address may have been left.

        Or whether a family of addresses that got no answer gets one now.
        """
        before = visit.resolution
        if before is None or not before.at:
            return False
        unheard = before.unanswered_family if found.reason == "gone_on_some" else 0
        if found.verdict != "removed" and not unheard:
            return False
        now = await self._resolver.resolve(url.host, fresh=True)
        if unheard and now.unanswered_family != unheard:
            return True
        return (now.status, set(now.addresses)) != (before.status, set(before.addresses))

    def _sighted(self, url: CanonicalUrl, evidence: Evidence, found: Judgement) -> Evidence:
        """Say of the evidence whether the vantage was blind, and let what it met count for the next ones."""
        now = self._gate.now()
        if evidence.not_measurable is None:
            failed = found.reason in NETWORK_FAULTS or found.reason == "host_dark"
            self._selfcheck.note(registrable_domain(url.host), now, failed=failed)
        return msgspec.structs.replace(evidence, blind=True) if self._blind() else evidence

    def _blind(self) -> bool:
        return self.canary.down or self._selfcheck.blind(self._gate.now())

    async def _see(self, url: CanonicalUrl) -> datetime | None:
        """Look at the canary: the instant from which it was seen, or None."""
        visit = Visit(self._ready(), url, fresh=True, control=False, heeds=False, worth=DEADLINE)
        try:
            evidence = await visit.evidence()
        except Deferred:
            return self.canary.seen_at
        return visit.started_at if judge(evidence).verdict == "online" else None

    # -- the event ---------------------------------------------------------------------------------

    def _event(
        self, tick: datetime, visit: Visit, evidence: Evidence, found: Judgement
    ) -> LookMade:
        deciding = _deciding(evidence)
        return LookMade(
            vantage=self._vantage,
            tick=tick,
            started_at=visit.started_at,
            finished_at=self._clock(),
            verdict=found.verdict,
            reason=found.reason,
            layer=found.layer,
            method=_method(deciding),
            agent=self._agent_kind,
            served=self._served(visit),
            fingerprint=None if deciding is None else deciding.fingerprint,
            canary_at=self.canary.seen_at,
            phases=visit.phases,
        )

    def _served(self, visit: Visit) -> tuple[Served, ...]:
        """Say of each address that was asked who answers for it, as of the look."""
        return tuple(
            self._one_served(address, visit.started_at, online)
            for address, online in visit.asked.items()
        )

    def _one_served(self, address: str, at: datetime, online: bool) -> Served:
        known = self._providers.provider_at(address, at)
        if known is None:
            return Served(address=address, online=online)
        return Served(address=address, provider=known.provider, role=known.role, online=online)


def _deciding(evidence: Evidence) -> Answer | None:
    """Find the answer that the verdict rests on."""
    if not evidence.answers:
        return None
    if len(evidence.answers) == 1:
        return evidence.answers[0]
    by_verdict = {judge_answer(answer).verdict: answer for answer in reversed(evidence.answers)}
    for verdict in ("online", "undetermined", "removed"):
        if verdict in by_verdict:
            return by_verdict[verdict]
    return None


def _method(deciding: Answer | None) -> Literal["HEAD", "GET", "DNS"]:
    return "DNS" if deciding is None else deciding.method
