"""Play looks against a scripted host: no socket, no clock, no loop; thousands a second.

A host is a function of a request. Time is virtual: `Script.now` is in seconds, each request takes a twentieth of one.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NamedTuple

import msgspec

from schemas.events import Fingerprint
from schemas.urls import CanonicalUrl, canonical
from services.core.verdict import Evidence, Judgement, is_dark, judge, judge_answer
from services.probing.dns.resolver import Resolution
from services.probing.guard.guard import Guard
from services.probing.http.exchange import Method, Reply, target_of
from services.probing.limits.gate import REST, Deferred, Priority
from services.probing.look import operations as op
from services.probing.look.memory import LookLimits, Memory, Target
from services.probing.look.visit import Provider, Visit, no_provider
from tests.as_configured import look_limits

ADDRESS = "127.0.0.1"
CASE = "0123456789abcdef" * 2
REQUEST_SECONDS = 0.05
SIMULATED = Guard("simulated", None)


class Request(NamedTuple):
    """One request as a host sees it, and at which instant, in seconds."""

    method: Method
    url: CanonicalUrl
    address: str
    neutral: bool
    purpose: str
    at: float

    @property
    def target(self) -> str:
        """Path and query."""
        return target_of(self.url)


Host = Callable[[Request], Reply]


class Played(NamedTuple):
    """A look that was played: its verdict, what it rests on, and all that was asked."""

    judgement: Judgement
    evidence: Evidence
    requests: tuple[Request, ...]
    rules: tuple[str, ...]
    verdicts: dict[str, str]

    @property
    def verdict(self) -> str:
        """What the look says."""
        return self.judgement.verdict

    @property
    def reason(self) -> str:
        """Why."""
        return self.judgement.reason

    @property
    def said(self) -> tuple[str, str]:
        """Verdict and reason."""
        return self.verdict, self.reason

    @property
    def fingerprint(self) -> Fingerprint | None:
        """What the deciding address gave."""
        answers = {judge_answer(answer).verdict: answer for answer in self.evidence.answers}
        answer = answers.get("online") or answers.get("undetermined") or answers.get("removed")
        return None if answer is None else answer.fingerprint

    def methods(self, url: str) -> list[Method]:
        """Give the methods by which a URL was asked for."""
        return [request.method for request in self.requests if request.url.href == url]


class Script:
    """A prober's memory, and a host that it looks at.

    `names` says what a name resolves to: addresses, a resolver's status, or all that it says; every other one has one
    address.
    """

    def __init__(
        self,
        host: Host,
        *,
        names: Mapping[str, tuple[str, ...] | str | Resolution] | None = None,
        name_servers: tuple[str, ...] | None = (),
        provider_of: Provider = no_provider,
        limits: LookLimits | None = None,
        guard: Guard = SIMULATED,
        seed: int = 0,
    ) -> None:
        self.host = host
        self.names = dict(names or {})
        self.name_servers = name_servers
        self.now = self._begun = 0.0
        self.limits = limits or look_limits()
        self.memory = Memory.within(self.limits)
        self.requests: list[Request] = []
        self.rules: list[str] = []
        self.resolved: list[str] = []
        self._provider_of = provider_of
        self._guard = guard
        self._random = Random(seed)

    def look(
        self,
        url: str | CanonicalUrl,
        *,
        after: float = 0.0,
        case: str = CASE,
        known_online: bool = False,
        baseline: Fingerprint | None = None,
        confirming: bool = False,
        host_dark: bool = False,
        priority: Priority = REST,
    ) -> Played:
        """Make one look, so many seconds later."""
        self.now += after
        self._begun = self.now
        self.requests, self.rules = [], []
        url = canonical(url) if isinstance(url, str) else url
        target = Target(
            case,
            url,
            confirming=confirming,
            known_online=known_online,
            baseline=baseline,
            host_dark=host_dark,
            priority=priority,
        )
        return self._learn(target, self._visit(target))

    # -- what the looker does around a visit -------------------------------------------------------

    def _visit(self, target: Target) -> Played:
        visit = Visit(
            target,
            self.memory,
            self.limits,
            self._guard,
            fresh=target.confirming,
            provider_of=self._provider_of,
        )
        evidence: Evidence = self.drive(visit.evidence())
        judgement = judge(evidence)
        if judgement.verdict == "undetermined" and self._dark(target, visit, evidence):
            evidence = msgspec.structs.replace(evidence, dark=True)
            judgement = judge(evidence)
        return Played(judgement, evidence, tuple(self.requests), tuple(self.rules), visit.verdicts)

    def _dark(self, target: Target, visit: Visit, evidence: Evidence) -> bool:
        darkness, host = self.memory.darkness, target.url.host
        answered = any(answer.status is not None for answer in evidence.answers)
        if not is_dark(evidence):
            (darkness.alive if answered else darkness.unclear)(host)
            return False
        of_one_page = ("response_timeout", "disconnected")
        if answered or any(answer.fault in of_one_page for answer in evidence.answers):
            front = self.drive(visit.dark_front())
            if not front:
                (darkness.unclear if front is None else darkness.alive)(host)
                return False
        return darkness.dark(host, self.now) or target.host_dark

    def _learn(self, target: Target, played: Played) -> Played:
        host = target.url.host
        if played.verdict == "online":
            self.memory.remember_served(target.case_number, target.url, self.now)
        else:
            self.memory.remember_unseen(target.case_number)
        if played.verdict == "online" or (
            played.verdict == "removed" and played.evidence.answers and not played.evidence.dark
        ):
            self.memory.darkness.alive(host)
        return played

    # -- the driver --------------------------------------------------------------------------------

    def drive(self, protocol: op.Protocol[Any]) -> Any:
        """Run a protocol to its end."""
        try:
            operation = next(protocol)
            while True:
                try:
                    result = self._do(operation)
                except Deferred as deferred:
                    operation = protocol.throw(deferred)
                else:
                    operation = protocol.send(result)
        except StopIteration as stop:
            return stop.value

    def _do(self, operation: Any) -> Any:
        match operation:
            case op.Now():
                return self.now
            case op.Ask():
                return self._ask(operation)
            case op.Explain(rule):
                return self.rules.append(rule)
            case op.Resolve(host, _):
                return self._resolve(host)
            case op.Share(_, part):
                return self.drive(part()), True
            case op.AskSibling(ask, _):
                return self.drive(ask()), self.name_servers
            case op.Token():
                return f"{self._random.getrandbits(64):016x}"
            case op.TimeLeft():
                return self.limits.total_seconds - (self.now - self._begun)
        return None

    def _ask(self, ask: op.Ask) -> Reply:
        self.now += REQUEST_SECONDS
        request = Request(ask.method, ask.url, ask.address, ask.neutral, ask.purpose, self.now)
        self.requests.append(request)
        return self.host(request)

    def _resolve(self, host: str) -> Resolution:
        self.resolved.append(host)
        known = self.names.get(host, (ADDRESS,))
        if isinstance(known, Resolution):
            return known
        if isinstance(known, str):
            return msgspec.convert({"status": known}, Resolution)
        return Resolution(status="addresses", addresses=known)


# -- answers ---------------------------------------------------------------------------------------


def reply(request: Request, status: int, **headers: Any) -> Reply:
    """Answer with a status; a file's GET is the one byte that was asked for."""
    partial = status == 200 and request.method == "GET" and headers.get("content_length")
    return Reply(method=request.method, status=206 if partial else status, **headers)


def fault(request: Request, reason: str) -> Reply:
    """Give no answer, for a reason."""
    return Reply(method=request.method, fault=reason)


def picture(request: Request, length: int = 48_211, **headers: Any) -> Reply:
    """Serve a picture."""
    return reply(request, 200, **{"content_type": "image/jpeg", "content_length": length} | headers)


def page(request: Request, length: int | None = 5_120, **headers: Any) -> Reply:
    """Serve a page; without a length as one that a program writes."""
    return reply(request, 200, content_type="text/html", content_length=length, **headers)


def missing(request: Request) -> Reply:
    """Say that there is nothing."""
    return reply(request, 404, content_type="text/html", content_length=153)


def sent(request: Request, location: str) -> Reply:
    """Send elsewhere."""
    return reply(request, 302, location=location, content_length=0)
