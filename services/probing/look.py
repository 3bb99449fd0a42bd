"""One look at one case: resolve, guard, HEAD, verdict, and the event that records it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from schemas.events import Agent, LookMade, Served
from schemas.urls import CanonicalUrl
from services.attribution.providermap import ProviderMap
from services.core.verdict import NETWORK_FAULTS, Answer, Evidence, Judgement, judge, judge_answer
from services.probing.canary import Canary
from services.probing.controls import Controls
from services.probing.exchange import Exchanger
from services.probing.guard import Guard
from services.probing.identity import identified_agent
from services.probing.politeness import Deferred, Gate, PolitenessLimits
from services.probing.redirects import registrable_domain
from services.probing.resolver import Resolver
from services.probing.selfcheck import SelfCheck
from services.probing.visit import Kit, LookLimits, Visit

__all__ = ["Deferred", "LookLimits", "Looker", "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """What to look at; `confirming` asks past every cache."""

    case_id: str
    url: CanonicalUrl
    confirming: bool = False


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
    ) -> None:
        self._guard = guard
        self._resolver = resolver
        self._vantage = vantage
        self._clock = clock
        self._providers = providers or ProviderMap()
        self._agent = agent or identified_agent(None, None)
        self._agent_kind = agent_kind
        self._limits = limits or LookLimits()
        self._gate = Gate(politeness or PolitenessLimits())
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

    def open(self) -> None:
        """Open the connections' pool; a look does it too."""
        self._ready()

    async def close(self) -> None:
        """Close every connection and cancel what is under way on its own."""
        await self.canary.close()
        await self._resolver.close()
        kit, self._kit = self._kit, None
        if kit is not None:
            await kit.exchanger.close()

    async def look(self, target: Target, tick: datetime) -> LookMade:
        """Make one look; whatever the far side does ends in a verdict with a reason code.

        Raises `Deferred` where politeness would hold it up too long: record it as missed (`politeness`).
        """
        kit = self._ready()
        self.canary.poke()
        case = int(target.case_id[:16], 16)
        visit = Visit(kit, target.url, case=case, fresh=target.confirming)
        evidence = await visit.evidence()
        found = judge(evidence)
        if found.verdict == "removed" and await self._stale(target.url, visit):
            visit = Visit(kit, target.url, case=case, fresh=True)
            evidence = await visit.evidence()
            found = judge(evidence)
        if found.verdict == "online":
            kit.remember_served(case)
        elif found.verdict == "removed":
            await self.canary.fresh()
        found = self._checked(target.url, evidence, found)
        return self._event(tick, visit, evidence, found)

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
            )
            self._kit = Kit(
                guard=self._guard,
                resolver=self._resolver,
                gate=self._gate,
                clock=self._clock,
                limits=limits,
                exchanger=exchanger,
                controls=Controls(limits.control_interval_seconds),
            )
        return self._kit

    async def _stale(self, url: CanonicalUrl, visit: Visit) -> bool:
        """Tell whether the name leads elsewhere by now: a remembered address may have been left."""
        before = visit.resolution
        if before is None or not before.at:
            return False
        now = await self._resolver.resolve(url.host, fresh=True)
        return (now.status, set(now.addresses)) != (before.status, set(before.addresses))

    def _checked(self, url: CanonicalUrl, evidence: Evidence, found: Judgement) -> Judgement:
        """Void what a blind vantage believes to see."""
        now = self._gate.now()
        if evidence.not_measurable is None:
            failed = found.reason in NETWORK_FAULTS
            self._selfcheck.note(registrable_domain(url.host), now, failed=failed)
        if not (self.canary.down or self._selfcheck.blind(now)):
            return found
        return judge(msgspec.structs.replace(evidence, blind=True))

    async def _see(self, url: CanonicalUrl) -> datetime | None:
        """Look at the canary: the instant from which it was seen, or None."""
        visit = Visit(self._ready(), url, fresh=True, control=False)
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
