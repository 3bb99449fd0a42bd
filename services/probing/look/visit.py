"""One visit to one URL: resolve, guard, ask each address, follow what may be followed; the evidence of a look."""

import structlog

from schemas.events import Fingerprint
from schemas.urls import CanonicalUrl
from services.core.verdict import (
    Answer,
    Control,
    Evidence,
    Redirect,
    changed,
    is_baseline,
    judge_answer,
    reason_of_status,
)
from services.probing.dns.resolver import Resolution
from services.probing.guard.literals import literal_of
from services.probing.http.exchange import Method, Reply
from services.probing.limits.backoff import retry_after_seconds
from services.probing.limits.gate import REST, Deferred, Priority
from services.probing.look import redirects
from services.probing.look.controls import is_parked
from services.probing.look.kit import Kit, LookLimits, Step
from services.probing.look.redirects import Hop
from services.probing.look.siblings import Siblings

__all__ = ["Kit", "LookLimits", "Visit", "literal_of"]

log = structlog.get_logger(__name__)

# What a server may say to HEAD alone (P5), and what is only believed of a GET.
_ASK_AGAIN = frozenset({400, 403, 404, 405, 406, 410, 500, 501})
_PUSHED_BACK = frozenset({429, 503})
_SENT_AWAY = frozenset({"other_domain", "not_found", "login"})
_COMPARED = frozenset({"same_host", "same_domain"})


class Visit:
    """Ask for one URL once. `asked` maps each address to whether it served the URL.

    `was_served` and `baseline` are what is known of it from before; `steps` takes down every request.
    `heeds`: the host's wish to be left alone holds; not for the canary, which is the operator's own.
    """

    def __init__(
        self,
        kit: Kit,
        url: CanonicalUrl,
        *,
        case: int = 0,
        fresh: bool = False,
        control: bool = True,
        heeds: bool = True,
        was_served: bool = False,
        baseline: Fingerprint | None = None,
        worth: Priority = REST,
        steps: list[Step] | None = None,
    ) -> None:
        self._kit = kit
        self._url = url
        self._case = case
        self._fresh = fresh
        self._control_wanted = control
        self._heeds = heeds
        self._was_served = was_served
        self._baseline = baseline
        self._worth = worth
        self._steps = steps
        self._begun = kit.gate.now()
        self._waited = 0.0
        self._met: dict[str, Answer] = {}
        self._siblings = Siblings(kit, self._ask_beside)
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
        for place, address in enumerate(allowed):
            if answers and self._left() <= 0:
                left_out += len(allowed) - place
                break
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
            parked=self._siblings.parked or is_parked(found.chain),
        )

    async def _resolve(self, host: str) -> Resolution:
        literal = literal_of(host)
        if literal is not None:
            return Resolution(status="addresses", addresses=(literal,))
        found = self._kit.resolver.recall(host, fresh=self._fresh)
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
        left_out = found.left_out + (found.unanswered_family in self._kit.limits.families)
        if len(routed) <= most:
            return routed, refused, left_out
        v4 = [a for a in routed if ":" not in a][:most]
        v6 = [a for a in routed if ":" in a][:most]
        return v4 + v6, refused, left_out + len(routed) - len(v4) - len(v6)

    async def _ask_address(
        self, url: CanonicalUrl, address: str, seen: tuple[str, ...], via: Redirect | None
    ) -> Answer:
        reply = await self._converse(url, address)
        if reply.status in redirects.STATUSES and not reply.challenge:
            return await self._redirected(url, address, reply, seen)
        if not _served(reply):
            return _answer(address, reply, via)
        control: Control = "unasked"
        if self._control_wanted:
            control = await self._siblings.control(url, address, reply, was_served=self._was_served)
        return self._compared(address, reply, via, control)

    def _compared(
        self, address: str, reply: Reply, via: Redirect | None, control: Control
    ) -> Answer:
        print_ = reply.fingerprint(via)
        if control == "doubted" and is_baseline(print_, self._baseline):
            control = "unasked"
        return Answer(
            address=address,
            status=reply.status,
            method=reply.method,
            redirect=via,
            control=control,
            was_served=self._was_served,
            change=changed(print_, self._baseline),
            fingerprint=print_,
        )

    # -- requests ----------------------------------------------------------------------------------

    async def _converse(self, url: CanonicalUrl, address: str) -> Reply:
        """Ask one address: HEAD, then GET where HEAD proves nothing."""
        kit = self._kit
        if await self._enter(address, url.host):
            self.started_at = self.started_at if self.asked else kit.clock()
        try:
            self.asked.setdefault(address, False)
            if url.host in kit.get_hosts:
                reply = await self._ask_own("GET", url, address)
            else:
                reply = await self._ask_own("HEAD", url, address)
                if reply.status in _ASK_AGAIN and not reply.challenge:
                    reply = await self._again(url, address, reply)
            # Before the next in line is let in.
            self._mind(address, url.host, reply)
        finally:
            kit.gate.release(address)
        return reply

    async def _ask_beside(
        self, what: str, method: Method, url: CanonicalUrl, address: str
    ) -> Reply:
        """Ask a host once more, in its turn; a push-back counts where it says for how long."""
        await self._enter(address, url.host)
        try:
            reply = await self._request(what, method, url, address)
            if reply.retry_after is not None:
                self._mind(address, url.host, reply)
        finally:
            self._kit.gate.release(address)
        return reply

    async def _enter(self, address: str, host: str) -> bool:
        """Wait for one's turn at an address; what politeness takes is none of the far side's time."""
        gate = self._kit.gate
        if (seconds := self._forbidden(address, host)) > 0:
            raise Deferred(seconds)
        before = gate.now()
        try:
            waited = not gate.enter(address) and await gate.acquire(address, self._worth)
        finally:
            took = gate.now() - before
            self._begun += took
            self._waited += took
        # Meanwhile the host may have asked to be left alone.
        if waited and (seconds := self._forbidden(address, host)) > 0:
            gate.release(address)
            raise Deferred(seconds)
        return waited

    def _forbidden(self, address: str, host: str) -> float:
        """Tell for how many seconds a host is to be left alone: by its own wish, or this look has waited enough."""
        kit, most = self._kit, self._kit.gate.core.limits.max_wait_seconds
        asked = kit.backoff.wait(address, host, kit.gate.now()) if self._heeds else 0.0
        return most if asked <= 0 and self._waited > most else asked

    async def _again(self, url: CanonicalUrl, address: str, head: Reply) -> Reply:
        self._kit.gate.core.charge(address, self._kit.gate.now())
        reply = await self._ask_own("GET", url, address)
        if reply.status is not None and (reply.status < 400 or head.status in (405, 501)):
            self._kit.learn_get(url.host)
        return reply

    async def _ask_own(self, method: Method, url: CanonicalUrl, address: str) -> Reply:
        """Ask for what the look is about: its phases are the look's."""
        reply = await self._request("url", method, url, address)
        self.phases.update(reply.phases)
        return reply

    async def _request(self, what: str, method: Method, url: CanonicalUrl, address: str) -> Reply:
        kit = self._kit
        left = self._left()
        if left <= 0:
            return Reply(method=method, fault="response_timeout")
        seconds = min(left, kit.limits.exchange_seconds)
        reply = await kit.exchanger.ask(method, url, address, seconds)
        if self._steps is not None:
            self._steps.append(Step(what, address, reply))
        return reply

    def _left(self) -> float:
        """Tell how many seconds of the look's time are left."""
        return self._begun + self._kit.limits.total_seconds - self._kit.gate.now()

    def _mind(self, address: str, host: str, reply: Reply) -> None:
        """Keep the far side's wishes: 429 and 503 put the host off."""
        kit = self._kit
        if not self._heeds:
            return
        if reply.status in _PUSHED_BACK:
            wish = retry_after_seconds(reply.retry_after, kit.clock)
            kit.backoff.record_pushback(address, host, kit.gate.now(), wish)
        elif reply.status is not None:
            kit.backoff.record_answer(address, host, kit.gate.now())

    # -- redirects ---------------------------------------------------------------------------------

    async def _redirected(
        self, url: CanonicalUrl, address: str, reply: Reply, seen: tuple[str, ...]
    ) -> Answer:
        hop = redirects.hop(url, reply.location)
        if self._steps is not None:
            self._steps[-1].redirect = hop.kind
        if hop.url is None:
            return _answer(address, reply, None, fault=hop.fault)
        if hop.kind in _SENT_AWAY:
            return _answer(address, reply, hop.kind)
        if hop.kind == "root":
            return await self._to_root(url, address, reply)
        fault = "redirect_loop" if hop.url.href in seen else None
        if len(seen) > self._kit.limits.redirects:
            fault = "redirect_too_many"
        if fault is not None:
            return _answer(address, reply, hop.kind, fault=fault)
        if self._control_wanted and hop.kind in _COMPARED and len(seen) == 1:
            shared = await self._shared(url, address, reply, hop)
            if shared is not None:
                return shared
        return await self._follow(url, address, reply, hop, (*seen, hop.url.href))

    async def _to_root(self, url: CanonicalUrl, address: str, reply: Reply) -> Answer:
        control: Control = "unasked"
        if self._control_wanted:
            control = await self._siblings.control(url, address, reply, "root")
        return _answer(address, reply, "root", control=control, was_served=self._was_served)

    async def _shared(
        self, url: CanonicalUrl, address: str, reply: Reply, hop: Hop
    ) -> Answer | None:
        """Give the answer where many are sent to one place: nothing that lies there is the URL's own."""
        assert hop.url is not None
        target = redirects.digest_of(hop.url)
        many = self._kit.shared_targets.note(url.host, target, self._case)
        control = await self._siblings.control(url, address, reply, hop.kind, sent_to=target)
        if not many and control not in ("same", "everything"):
            return None
        return _answer(
            address,
            reply,
            hop.kind,
            control=control,
            was_served=self._was_served,
            shared=True,
        )

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

    async def dark_front(self, method: Method = "HEAD") -> bool | None:
        """Tell whether the front page of the host gives nothing either, where it was asked last; None: not asked.

        It has an exchange's time of its own: pages that hang may have taken all of the look's.
        """
        address = next(reversed(self.asked), None)
        if address is None:
            return None
        self._begun += max(self._kit.limits.exchange_seconds - self._left(), 0.0)
        return await self._siblings.dark_front(self._url, address, method)


def _answer(
    address: str,
    reply: Reply,
    redirect: Redirect | None,
    *,
    fault: str | None = None,
    control: Control = "unasked",
    was_served: bool = False,
    shared: bool = False,
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
        shared=shared,
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
