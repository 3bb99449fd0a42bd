"""The event that records a look: what was seen, and who answers for each address, as of the look."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from schemas.events import Agent, LookMade, Served
from services.attribution.attribution_fact import Attributor
from services.core.verdict import Answer, Evidence, Judgement, judge, judge_answer
from services.probing.dns.resolution import Resolution
from services.probing.look.driver import Driver
from services.probing.look.visit import Visit


class Visited(Struct, frozen=True):
    """A visit that is over, who drove it, and what it comes to."""

    visit: Visit
    driver: Driver
    evidence: Evidence
    judgement: Judgement


class LookWriter:
    """Write the looks of one vantage down; `agent_kind` says under which policy it asks (G8)."""

    def __init__(self, vantage: str, providers: Attributor, agent_kind: Agent) -> None:
        self._vantage = vantage
        self._providers = providers
        self._agent_kind = agent_kind

    def provider_at(self, address: str, at: datetime) -> str | None:
        """Name the provider of an address as of an instant."""
        attribution = self._providers.provider_at(address, at)
        return None if attribution is None else attribution.provider

    def write(
        self,
        tick: datetime,
        visited: Visited,
        evidence: Evidence,
        finished_at: datetime,
        canary_at: datetime | None,
    ) -> LookMade:
        """Write the event of a look; `evidence` may say more than the visit's own, that the vantage was blind."""
        # Judging again what was judged already would be a good part of a look.
        same = evidence is visited.evidence
        judgement = visited.judgement if same else judge(evidence)
        answer, driver = deciding_answer(evidence), visited.driver
        return LookMade(
            vantage=self._vantage,
            tick=tick,
            started_at=driver.started_at,
            finished_at=finished_at,
            verdict=judgement.verdict,
            reason=judgement.reason,
            layer=judgement.layer,
            method=_method(answer),
            agent=self._agent(answer),
            served=self._served(visited),
            fingerprint=None if answer is None else answer.fingerprint,
            canary_at=canary_at,
            phases=driver.phases,
            resolution_age_seconds=driver.resolution_age,
            providers_left_out=self._left_out(visited),
        )

    def _agent(self, answer: Answer | None) -> Agent:
        neutral = answer is not None and answer.neutral_agent
        return "neutral" if neutral else self._agent_kind

    def _served(self, visited: Visited) -> tuple[Served, ...]:
        """Say of each address that was asked who answers for it, and what it said."""
        at = visited.driver.started_at
        verdicts = visited.visit.verdicts.items()
        return tuple([self._one_served(address, at, verdict) for address, verdict in verdicts])

    def _one_served(self, address: str, at: datetime, verdict: str) -> Served:
        attribution = self._providers.provider_at(address, at)
        online, gone = verdict == "online", verdict == "removed"
        if attribution is None:
            return Served(address=address, online=online, gone=gone)
        # A row of the map is found again in the map; a file of AS numbers is replaced by the next.
        by_map = attribution.method == "map"
        return Served(
            address=address,
            provider=attribution.provider,
            role=attribution.role,
            method=attribution.method,
            online=online,
            gone=gone,
            as_number=None if by_map else attribution.as_number,
            prefix=None if by_map else attribution.prefix,
        )

    def _left_out(self, visited: Visited) -> tuple[str, ...] | None:
        """Name the providers of which an address was not asked, and none that was asked serves; None: not known."""
        resolution, verdicts = visited.visit.resolution, visited.visit.verdicts
        if resolution is None or resolution.status != "addresses" or _is_partial(resolution):
            return None
        if len(verdicts) == len(resolution.addresses):
            return ()
        at = visited.driver.started_at
        unasked = {self.provider_at(a, at) for a in resolution.addresses if a not in verdicts}
        if None in unasked:
            # Whose it is may be said later, by a source that a prober does not ask.
            return None
        served = {self.provider_at(a, at) for a, verdict in verdicts.items() if verdict == "online"}
        return tuple(sorted(str(name) for name in unasked - served))


def _is_partial(resolution: Resolution) -> bool:
    return bool(resolution.left_out or resolution.unanswered_family)


def deciding_answer(evidence: Evidence) -> Answer | None:
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


def _method(answer: Answer | None) -> Literal["HEAD", "GET", "DNS"]:
    return "DNS" if answer is None else answer.method
