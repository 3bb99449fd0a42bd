"""One visit to one URL: resolve, guard, ask each address, follow what may be followed; the evidence of a look."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from ipaddress import ip_address

import structlog

from schemas.urls import CanonicalUrl
from services.core.verdict import (
    Answer,
    Control,
    Evidence,
    Redirect,
    compare,
    judge_answer,
    reason_of_status,
)
from services.probing import redirects
from services.probing.controls import ControlProbe, Controls, is_parked, sibling
from services.probing.exchange import Exchanger, Method, Reply, target_of
from services.probing.families import BOTH, Families
from services.probing.guard import Guard
from services.probing.politeness import Deferred, Gate
from services.probing.redirects import Hop
from services.probing.resolver import Resolution, Resolver

log = structlog.get_logger(__name__)

# What a server may say to HEAD alone (P5), and what is only believed of a GET.
_ASK_AGAIN = frozenset({400, 403, 404, 405, 406, 410, 500, 501})
_PUSHED_BACK = frozenset({429, 503})
_LEARNED_HOSTS = 50_000
_REMEMBERED_CASES = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LookLimits:
    """How long a look may take, and how far it goes.

    `families` are those that the vantage has a route for; addresses of another one are not asked where the name has
    some of these, so that a place without IPv6 can tell that something is gone.
    """

    total_seconds: float = 20.0
    exchange_seconds: float = 10.0
    connect_seconds: float = 5.0
    addresses_per_family: int = 8
    redirects: int = 3
    connections_per_host: int = 2
    keepalive_seconds: float = 30.0
    control_interval_seconds: float = 86_400.0
    families: Families = BOTH


@dataclass(slots=True, kw_only=True)
class Kit:
    """What all visits of one prober share: its parts, and what they learned."""

    guard: Guard
    resolver: Resolver
    gate: Gate
    clock: Callable[[], datetime]
    limits: LookLimits
    exchanger: Exchanger
    controls: Controls
    get_hosts: set[str] = field(default_factory=set)
    served_cases: set[int] = field(default_factory=set)

    def learn_get(self, host: str) -> None:
        """Ask a host by GET from now on: it answers HEAD otherwise."""
        if len(self.get_hosts) >= _LEARNED_HOSTS:
            self.get_hosts.clear()
        self.get_hosts.add(host)

    def remember_served(self, case: int) -> None:
        """Remember that a case was seen served."""
        if len(self.served_cases) >= _REMEMBERED_CASES:
            self.served_cases.clear()
        self.served_cases.add(case)


class Visit:
    """Ask for one URL once. `asked` maps each address to whether it served the URL."""

    def __init__(
        self,
        kit: Kit,
        url: CanonicalUrl,
        *,
        case: int = 0,
        fresh: bool = False,
        control: bool = True,
    ) -> None:
        self._kit = kit
        self._url = url
        self._case = case
        self._fresh = fresh
        self._control_wanted = control
        self._begun = kit.gate.now()
        self._met: dict[str, Answer] = {}
        self._parked = False
        self.started_at = kit.clock()
        self.asked: dict[str, bool] = {}
        self.phases: dict[str, float] = {}
        self.resolution: Resolution | None = None

    async def evidence(self) -> Evidence:
        """Bring home what there is to know; raises `Deferred` for politeness and nothing else."""
        if self._url.not_measurable is not None:
            return Evidence(not_measurable=self._url.not_measurable)
        return await self._ask_name(self._url, (self._url.href,), None)

    # -- names and addresses -----------------------------------------------------------------------

    async def _ask_name(
        self, url: CanonicalUrl, seen: tuple[str, ...], via: Redirect | None
    ) -> Evidence:
        found = await self._resolve(url.host)
        if via is None:
            self.resolution = found
        if found.status != "addresses":
            return Evidence(dns=found.status)
        allowed, refused, left_out = self._allowed(found, url.port)
        answers: list[Answer] = []
        for address in allowed:
            answer = await self._ask_address(url, address, seen, via)
            answers.append(answer)
            online = judge_answer(answer).verdict == "online"
            self.asked[address] = online or self.asked.get(address, False)
            if online:
                break
        return Evidence(
            answers=tuple(answers),
            refused=refused,
            left_out=left_out,
            parked=self._parked or is_parked(found.chain),
        )

    async def _resolve(self, host: str) -> Resolution:
        literal = literal_of(host)
        if literal is not None:
            return Resolution(status="addresses", addresses=(literal,))
        found = self._kit.resolver.known(host, fresh=self._fresh)
        if found is None:
            before = self._kit.gate.now()
            found = await self._kit.resolver.resolve(host, fresh=self._fresh)
            took = self._kit.gate.now() - before
            self.phases["resolve"] = self.phases.get("resolve", 0.0) + took
        return found

    def _allowed(self, found: Resolution, port: int) -> tuple[list[str], int, int]:
        """Pick the addresses to ask: what the guard refuses is not asked, and so can't keep a URL online."""
        guard, most = self._kit.guard, self._kit.limits.addresses_per_family
        allowed = [a for a in found.addresses if guard.reason((a, port)) is None]
        refused = len(found.addresses) - len(allowed)
        if refused:
            log.warning("look.address_refused", refused=refused, allowed=len(allowed))
        routed = [a for a in allowed if (6 if ":" in a else 4) in self._kit.limits.families]
        routed = routed or allowed
        if len(routed) <= most:
            return routed, refused, found.left_out
        v4 = [a for a in routed if ":" not in a][:most]
        v6 = [a for a in routed if ":" in a][:most]
        return v4 + v6, refused, found.left_out + len(routed) - len(v4) - len(v6)

    async def _ask_address(
        self, url: CanonicalUrl, address: str, seen: tuple[str, ...], via: Redirect | None
    ) -> Answer:
        reply = await self._converse(url, address)
        if reply.status in redirects.STATUSES and not reply.challenge:
            return await self._redirected(url, address, reply, seen)
        control: Control = "unasked"
        if self._control_wanted and _served(reply):
            control = await self._control(url, address, reply, None)
        return _answer(address, reply, via, control=control)

    # -- requests ----------------------------------------------------------------------------------

    async def _converse(self, url: CanonicalUrl, address: str) -> Reply:
        """Ask one address: HEAD, then GET where HEAD proves nothing."""
        kit = self._kit
        if not kit.gate.enter(address) and await kit.gate.acquire(address):
            self.started_at = self.started_at if self.asked else kit.clock()
        try:
            self.asked.setdefault(address, False)
            if url.host in kit.get_hosts:
                reply = await self._request("GET", url, address)
            else:
                reply = await self._request("HEAD", url, address)
                if reply.status in _ASK_AGAIN and not reply.challenge:
                    reply = await self._again(url, address, reply)
        finally:
            kit.gate.release(address)
        self._mind(address, reply)
        return reply

    async def _again(self, url: CanonicalUrl, address: str, head: Reply) -> Reply:
        self._kit.gate.core.charge(address, self._kit.gate.now())
        reply = await self._request("GET", url, address)
        if reply.status is not None and (reply.status < 400 or head.status in (405, 501)):
            self._kit.learn_get(url.host)
        return reply

    async def _request(self, method: Method, url: CanonicalUrl, address: str) -> Reply:
        kit = self._kit
        left = self._begun + kit.limits.total_seconds - kit.gate.now()
        if left <= 0:
            return Reply(method=method, fault="response_timeout")
        seconds = min(left, kit.limits.exchange_seconds)
        reply = await kit.exchanger.ask(method, url, address, seconds)
        self.phases.update(reply.phases)
        return reply

    def _mind(self, address: str, reply: Reply) -> None:
        """Keep the far side's wishes: 429 and 503 put its address off."""
        gate = self._kit.gate
        if reply.status in _PUSHED_BACK:
            wish = _seconds(reply.retry_after, self._kit.clock)
            gate.core.pushed_back(address, gate.now(), wish)
        elif reply.status is not None:
            gate.core.answered(address, 0.0)

    # -- redirects ---------------------------------------------------------------------------------

    async def _redirected(
        self, url: CanonicalUrl, address: str, reply: Reply, seen: tuple[str, ...]
    ) -> Answer:
        hop = redirects.hop(url, reply.location)
        if hop.url is None:
            return _answer(address, reply, None, fault=hop.fault)
        if hop.kind in ("other_domain", "not_found"):
            return _answer(address, reply, hop.kind)
        if hop.kind == "root":
            return await self._to_root(url, address, reply)
        if hop.url.href in seen:
            return _answer(address, reply, hop.kind, fault="redirect_loop")
        if len(seen) > self._kit.limits.redirects:
            return _answer(address, reply, hop.kind, fault="redirect_too_many")
        return await self._follow(url, address, reply, hop, (*seen, hop.url.href))

    async def _to_root(self, url: CanonicalUrl, address: str, reply: Reply) -> Answer:
        control: Control = "unasked"
        if self._control_wanted:
            control = await self._control(url, address, reply, "root")
        was_served = self._case in self._kit.served_cases
        return _answer(address, reply, "root", control=control, was_served=was_served)

    async def _follow(
        self, url: CanonicalUrl, address: str, reply: Reply, hop: Hop, seen: tuple[str, ...]
    ) -> Answer:
        """Follow within the registrable domain; on the same host the address stays pinned (P10)."""
        assert hop.url is not None
        if hop.url.host == url.host:
            if self._kit.guard.reason((address, hop.url.port)) is not None:
                return _answer(address, reply, hop.kind, fault="redirect_refused")
            return await self._ask_address(hop.url, address, seen, hop.kind)
        known = self._met.get(hop.url.href)
        if known is None:
            found = await self._ask_name(hop.url, seen, hop.kind)
            known = self._met[hop.url.href] = _joined(address, reply, hop, found)
        return known

    # -- control -----------------------------------------------------------------------------------

    async def _control(
        self, url: CanonicalUrl, address: str, reply: Reply, redirect: Redirect | None
    ) -> Control:
        """Compare an answer with that for a random sibling; the front page has no siblings."""
        kit = self._kit
        found = kit.controls.known(url, self._begun)
        if found is None:
            ask = partial(self._ask_control, url, address, reply.method)
            try:
                found = await kit.controls.of(url, kit.gate.now(), ask)
            except Deferred:
                return "unasked"
        self._parked = self._parked or found.parked
        if found.fingerprint is None or target_of(url) == "/":
            return "unasked"
        if found.fingerprint.status != reply.status:
            return "differs"
        return compare(reply.fingerprint(redirect), found.fingerprint)

    async def _ask_control(self, url: CanonicalUrl, address: str, method: Method) -> ControlProbe:
        other = sibling(url, secrets.token_hex(8))
        await self._kit.gate.acquire(address)
        try:
            reply, names = await asyncio.gather(
                self._request(method, other, address), self._name_servers(url.host)
            )
        finally:
            self._kit.gate.release(address)
        kind = (
            redirects.hop(other, reply.location).kind
            if reply.status in redirects.STATUSES
            else None
        )
        return ControlProbe(reply.fingerprint(kind), is_parked(names))

    async def _name_servers(self, host: str) -> tuple[str, ...]:
        if literal_of(host) is not None:
            return ()
        return await self._kit.resolver.name_servers(redirects.registrable_domain(host))


def _answer(
    address: str,
    reply: Reply,
    redirect: Redirect | None,
    *,
    fault: str | None = None,
    control: Control = "unasked",
    was_served: bool = False,
) -> Answer:
    return Answer(
        address=address,
        fault=fault or reply.fault,
        status=reply.status,
        method=reply.method,
        redirect=redirect,
        challenge=reply.challenge,
        control=control,
        was_served=was_served,
        fingerprint=reply.fingerprint(redirect),
    )


def _served(reply: Reply) -> bool:
    return (
        reply.fault is None and not reply.challenge and reason_of_status(reply.status) == "served"
    )


def _joined(address: str, reply: Reply, hop: Hop, found: Evidence) -> Answer:
    """Take what another host of the domain said as the answer of the address that sent us there."""
    if found.dns != "addresses":
        return _answer(address, reply, hop.kind, fault="redirect_broken")
    if not found.answers:
        return _answer(address, reply, hop.kind, fault="redirect_refused")
    ranked = sorted(found.answers, key=lambda a: _RANK[judge_answer(a).verdict])
    if found.left_out and judge_answer(ranked[0]).verdict == "removed":
        return _answer(address, reply, hop.kind, fault="gone_on_some")
    return ranked[0]


_RANK = {"online": 0, "undetermined": 1, "removed": 2}


def literal_of(host: str) -> str | None:
    """Give the address that a URL's host spells out, if it is one."""
    if not (host[0] == "[" or host[-1].isdigit()):
        return None
    try:
        return str(ip_address(host.strip("[]")))
    except ValueError:
        return None


def _seconds(retry_after: str | None, clock: Callable[[], datetime]) -> float | None:
    """Read `Retry-After`: seconds or an HTTP date."""
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 10:
        return float(retry_after)
    try:
        return (parsedate_to_datetime(retry_after) - clock()).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
