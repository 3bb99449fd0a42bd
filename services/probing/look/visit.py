"""One visit to one URL as a pure protocol: resolve, ask each address, compare, follow redirects, give the evidence.

Every method that is a generator yields operations (`operations`) and is sent their results. For one address the
sequence is: HEAD; GET where HEAD proves nothing; a sibling; the front page where the sibling is answered alike; the
answer with all that it was compared with. `services.core.verdict` judges it.
"""

import structlog

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
from services.probing.guard.guard import Guard
from services.probing.guard.literals import literal_of
from services.probing.http.exchange import Method, Reply
from services.probing.look import redirects
from services.probing.look.comparison import Comparison
from services.probing.look.controls import is_parked
from services.probing.look.memory import LookLimits, Memory, Target
from services.probing.look.operations import (
    Ask,
    Enter,
    ExtendTime,
    HonourBackoff,
    Leave,
    Note,
    Protocol,
    Resolve,
    TimeLeft,
)
from services.probing.look.redirects import Hop

log = structlog.get_logger(__name__)

# What a server may say to HEAD alone (P5), and what is only believed of a GET.
_ASK_AGAIN = frozenset({400, 403, 404, 405, 406, 410, 500, 501})
_SENT_AWAY = frozenset({"other_domain", "not_found", "login"})
_COMPARED = frozenset({"same_host", "same_domain"})
_RANK = {"online": 0, "undetermined": 1, "removed": 2}


class Visit:
    """Ask for one URL once.

    `asked` maps each address to whether it served the URL. `fresh` asks past every cache of names. Without `compared`
    there is no sibling: for the canary, which is the operator's own page.
    """

    def __init__(
        self,
        target: Target,
        memory: Memory,
        limits: LookLimits,
        guard: Guard,
        *,
        fresh: bool,
        compared: bool = True,
    ) -> None:
        self._url = target.url
        self._case = target.case_number
        self._baseline = target.baseline
        self._was_served = target.known_online or self._case in memory.served_cases
        self._memory = memory
        self._limits = limits
        self._guard = guard
        self._fresh = fresh
        self._compared = compared
        self._redirected_to: dict[str, Answer] = {}
        self._comparison = Comparison(memory)
        self.asked: dict[str, bool] = {}
        self.resolution: Resolution | None = None

    def evidence(self) -> Protocol[Evidence]:
        """Bring home what there is to know; `Deferred` from an operation ends it."""
        if self._url.not_measurable is not None:
            return Evidence(not_measurable=self._url.not_measurable)
        return (yield from self._ask_name(self._url, (self._url.href,), None))

    def dark_front(self, method: Method = "HEAD") -> Protocol[bool | None]:
        """Tell whether the front page of the host gives nothing either, where it was asked last; None: not asked.

        It has an exchange's time of its own: pages that hang may have taken all of the look's.
        """
        address = next(reversed(self.asked), None)
        if address is None:
            return None
        yield ExtendTime()
        return (yield from self._comparison.dark_front(self._url, address, method))

    # -- names and addresses -----------------------------------------------------------------------

    def _ask_name(
        self, url: CanonicalUrl, seen: tuple[str, ...], via: Redirect | None
    ) -> Protocol[Evidence]:
        resolution = yield from self._resolve(url.host)
        if via is None:
            self.resolution = resolution
        if resolution.status != "addresses":
            return Evidence(dns=resolution.status)
        allowed, refused, left_out = self._allowed(resolution, url.port)
        answers, unasked = yield from self._ask_addresses(url, allowed, seen, via)
        return Evidence(
            answers=answers,
            refused=refused,
            left_out=left_out + unasked,
            parked=self._comparison.parked or is_parked(resolution.chain),
        )

    def _resolve(self, host: str) -> Protocol[Resolution]:
        literal = literal_of(host)
        if literal is not None:
            return Resolution(status="addresses", addresses=(literal,))
        resolution: Resolution = yield Resolve(host, self._fresh)
        return resolution

    def _allowed(self, resolution: Resolution, port: int) -> tuple[list[str], int, int]:
        """Pick the addresses to ask: what the guard refuses is not asked, and so can't keep a URL online."""
        most, families = self._limits.addresses_per_family, self._limits.families
        allowed = [a for a in resolution.addresses if self._guard.reason((a, port)) is None]
        refused = len(resolution.addresses) - len(allowed)
        if refused:
            log.warning("look.address_refused", refused=refused, allowed=len(allowed))
        routed = [a for a in allowed if (6 if ":" in a else 4) in families]
        routed = routed or allowed
        left_out = resolution.left_out + (resolution.unheard in families)
        if len(routed) <= most:
            return routed, refused, left_out
        v4 = [a for a in routed if ":" not in a][:most]
        v6 = [a for a in routed if ":" in a][:most]
        return v4 + v6, refused, left_out + len(routed) - len(v4) - len(v6)

    def _ask_addresses(
        self,
        url: CanonicalUrl,
        addresses: list[str],
        seen: tuple[str, ...],
        via: Redirect | None,
    ) -> Protocol[tuple[tuple[Answer, ...], int]]:
        """Ask one address after the other until one serves; gives how many there was no time for, too."""
        answers: list[Answer] = []
        for place, address in enumerate(addresses):
            if answers and (yield TimeLeft()) <= 0:
                return tuple(answers), len(addresses) - place
            answer = yield from self._ask_address(url, address, seen, via)
            answers.append(answer)
            online = judge_answer(answer).verdict == "online"
            self.asked[address] = online or self.asked.get(address, False)
            if online:
                break
        return tuple(answers), 0

    def _ask_address(
        self, url: CanonicalUrl, address: str, seen: tuple[str, ...], via: Redirect | None
    ) -> Protocol[Answer]:
        reply = yield from self._converse(url, address)
        if reply.status in redirects.STATUSES and not reply.challenge:
            return (yield from self._redirected(url, address, reply, seen))
        if not is_served(reply):
            return answer_of(address, reply, via)
        control: Control = "unasked"
        if self._compared:
            control = yield from self._comparison.control(
                url, address, reply, was_served=self._was_served
            )
        return self._measured(address, reply, via, control)

    def _measured(
        self, address: str, reply: Reply, via: Redirect | None, control: Control
    ) -> Answer:
        """Make the answer of what is served: measured by its sibling and by its baseline."""
        fingerprint = reply.fingerprint(via)
        if control == "doubted" and is_baseline(fingerprint, self._baseline):
            control = "unasked"
        return Answer(
            address=address,
            status=reply.status,
            method=reply.method,
            redirect=via,
            control=control,
            was_served=self._was_served,
            change=changed(fingerprint, self._baseline),
            fingerprint=fingerprint,
        )

    def _converse(self, url: CanonicalUrl, address: str) -> Protocol[Reply]:
        """Ask one address: HEAD, then GET where HEAD proves nothing."""
        yield Enter(address, url.host)
        self.asked.setdefault(address, False)
        reply: Reply
        if url.host in self._memory.get_hosts:
            reply = yield Ask("url", "GET", url, address)
        else:
            reply = yield Ask("url", "HEAD", url, address)
            if reply.status in _ASK_AGAIN and not reply.challenge:
                reply = yield from self._ask_by_get(url, address, reply)
        # Before the next in line is let in.
        yield HonourBackoff(address, url.host, reply)
        yield Leave(address)
        return reply

    def _ask_by_get(self, url: CanonicalUrl, address: str, head: Reply) -> Protocol[Reply]:
        reply: Reply = yield Ask("url", "GET", url, address)
        if reply.status is not None and (reply.status < 400 or head.status in (405, 501)):
            self._memory.learn_get(url.host)
        return reply

    # -- redirects ---------------------------------------------------------------------------------

    def _redirected(
        self, url: CanonicalUrl, address: str, reply: Reply, seen: tuple[str, ...]
    ) -> Protocol[Answer]:
        hop = redirects.hop(url, reply.location)
        yield Note(hop.kind)
        if hop.url is None:
            return answer_of(address, reply, None, fault=hop.fault)
        if hop.kind in _SENT_AWAY:
            return answer_of(address, reply, hop.kind)
        if hop.kind == "root":
            return (yield from self._sent_to_root(url, address, reply))
        fault = "redirect_loop" if hop.url.href in seen else None
        if len(seen) > self._limits.redirects:
            fault = "redirect_too_many"
        if fault is not None:
            return answer_of(address, reply, hop.kind, fault=fault)
        if self._compared and hop.kind in _COMPARED and len(seen) == 1:
            shared = yield from self._shared_target(url, address, reply, hop)
            if shared is not None:
                return shared
        return (yield from self._follow(url, address, reply, hop, (*seen, hop.url.href)))

    def _sent_to_root(self, url: CanonicalUrl, address: str, reply: Reply) -> Protocol[Answer]:
        control: Control = "unasked"
        if self._compared:
            control = yield from self._comparison.control(url, address, reply, "root")
        return answer_of(address, reply, "root", control=control, was_served=self._was_served)

    def _shared_target(
        self, url: CanonicalUrl, address: str, reply: Reply, hop: Hop
    ) -> Protocol[Answer | None]:
        """Give the answer where many are sent to one place: nothing that lies there is the URL's own."""
        assert hop.url is not None
        target = redirects.digest_of(hop.url)
        many = self._memory.shared_targets.note(url.host, target, self._case)
        control = yield from self._comparison.control(url, address, reply, hop.kind, sent_to=target)
        if not many and control not in ("same", "everything"):
            return None
        return answer_of(
            address,
            reply,
            hop.kind,
            control=control,
            was_served=self._was_served,
            shared=True,
        )

    def _follow(
        self, url: CanonicalUrl, address: str, reply: Reply, hop: Hop, seen: tuple[str, ...]
    ) -> Protocol[Answer]:
        """Follow within the registrable domain; on the same host the address stays pinned (P10)."""
        assert hop.url is not None
        if hop.url.host == url.host:
            if self._guard.reason((address, hop.url.port)) is not None:
                return answer_of(address, reply, hop.kind, fault="redirect_refused")
            return (yield from self._ask_address(hop.url, address, seen, hop.kind))
        known = self._redirected_to.get(hop.url.href)
        if known is None:
            evidence = yield from self._ask_name(hop.url, seen, hop.kind)
            known = self._redirected_to[hop.url.href] = _joined(address, reply, hop, evidence)
        return known


def answer_of(
    address: str,
    reply: Reply,
    redirect: Redirect | None,
    *,
    fault: str | None = None,
    control: Control = "unasked",
    was_served: bool = False,
    shared: bool = False,
) -> Answer:
    """Make the answer of an address of what it replied last."""
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


def is_served(reply: Reply) -> bool:
    """Tell whether a reply serves something."""
    return (
        reply.fault is None and not reply.challenge and reason_of_status(reply.status) == "served"
    )


def _joined(address: str, reply: Reply, hop: Hop, evidence: Evidence) -> Answer:
    """Take what another host of the domain said as the answer of the address that sent us there."""
    if evidence.dns != "addresses":
        return answer_of(address, reply, hop.kind, fault="redirect_broken")
    if not evidence.answers:
        return answer_of(address, reply, hop.kind, fault="redirect_refused")
    ranked = sorted(evidence.answers, key=lambda a: _RANK[judge_answer(a).verdict])
    if evidence.left_out and judge_answer(ranked[0]).verdict == "removed":
        return answer_of(address, reply, hop.kind, fault="gone_on_some")
    return ranked[0]
