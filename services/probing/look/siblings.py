"""Compare what a URL gives with what its host gives for a path that nobody reported."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

from schemas.urls import CanonicalUrl
from services.core.reasons import BLOCKS, DARK_FAULTS
from services.core.verdict import Control, Redirect, compare, is_still, reason_of_status
from services.probing.guard.literals import literal_of
from services.probing.http.exchange import Method, Reply, target_of
from services.probing.limits.gate import Deferred
from services.probing.look import redirects
from services.probing.look.controls import ControlProbe, HostControl, front_of, is_parked, sibling
from services.probing.look.kit import Kit

Ask = Callable[[str, Method, CanonicalUrl, str], Awaitable[Reply]]
_FOLLOWED = frozenset({"same_host", "same_domain", "slash", "https"})
# What says nothing about the path that was asked for; any other block a host may give for all it doesn't have.
_TRANSIENT = frozenset(
    {"blocked_challenge", "blocked_rate_limited", "blocked_unavailable", "server_error"}
)


class Siblings:
    """Ask for siblings and front pages on behalf of one visit.

    `ask(what, method, url, address)` asks in its turn. `parked`: some host that was compared with is parked.
    """

    def __init__(self, kit: Kit, ask: Ask) -> None:
        self._kit = kit
        self._ask = ask
        self._asked = 0
        self.parked = False

    async def control(
        self,
        url: CanonicalUrl,
        address: str,
        reply: Reply,
        redirect: Redirect | None = None,
        *,
        sent_to: int | None = None,
        was_served: bool = False,
    ) -> Control:
        """Compare an answer with that for a random sibling; the front page has no siblings.

        Raises `Deferred` where politeness forbids to ask for one: without it nothing can be said of the answer.
        """
        asked = self._asked
        found = await self._of_host(url, address, reply.method)
        probe = found.result
        self.parked = self.parked or probe.parked
        if target_of(url) == "/":
            return "unasked"
        if found.novel and was_served and redirect is None:
            return "doubted"
        if probe.fingerprint is None:
            return "unasked"
        like = _likeness(reply, redirect, sent_to, probe)
        if like == "differs" and self._asked > asked:
            await self._tell_apart(url, address, reply, found, redirect)
        if like != "same":
            return like
        found.doubt()
        if redirect == "root":
            return like
        return await self._weighed(url, address, reply, found, redirect, was_served)

    async def _tell_apart(
        self,
        url: CanonicalUrl,
        address: str,
        reply: Reply,
        found: HostControl,
        redirect: Redirect | None,
    ) -> None:
        """Ask for the URL once more: only what it gives before and after its sibling is told apart from it."""
        if not found.result.like_content or found.told_apart:
            return
        found.doubt()
        if redirect is not None:
            return
        try:
            again = await self._ask("url", reply.method, url, address)
        except Deferred:
            return
        print_ = again.fingerprint(None)
        apart = compare(print_, found.result.fingerprint) == "differs"
        if apart and not again.challenge and is_still(print_, reply.fingerprint(None)):
            found.tell_apart()

    async def _weighed(
        self,
        url: CanonicalUrl,
        address: str,
        reply: Reply,
        found: HostControl,
        redirect: Redirect | None,
        was_served: bool,
    ) -> Control:
        """Tell a host that lies about one URL from one that says the same of everything: a wall."""
        if found.told_apart:
            return "same"
        if redirect is not None:
            return "everything"
        if not was_served:
            return "same"
        # A front page of before the sibling may have been seen before the wall.
        front = await self.front(url, address, reply.method, since=found.at)
        if front is None or front.fingerprint is None:
            return "everything"
        apart = compare(front.fingerprint, found.result.fingerprint) == "differs"
        return "same" if apart else "everything"

    async def dark_front(self, url: CanonicalUrl, address: str, method: Method) -> bool | None:
        """Tell whether the front page gives nothing either; None where politeness forbids to ask."""
        if target_of(url) == "/":
            return True
        front = await self.front(url, address, method)
        return None if front is None else front.fault in DARK_FAULTS

    async def front(
        self, url: CanonicalUrl, address: str, method: Method, since: float | None = None
    ) -> ControlProbe | None:
        """Give what the front page said lately, and not before `since`; None where politeness forbids to ask."""
        kit = self._kit
        found = kit.fronts.known(url, method, kit.gate.now(), since)
        if found is None:
            ask = partial(self._probe, "front", front_of(url), address, method)
            try:
                found = await kit.fronts.of(url, method, kit.gate.now(), ask, since)
            except Deferred:
                return None
        return found.result

    async def _of_host(self, url: CanonicalUrl, address: str, method: Method) -> HostControl:
        kit = self._kit
        found = kit.controls.known(url, method, kit.gate.now())
        if found is None:
            ask = partial(self._ask_sibling, url, address, method)
            found = await kit.controls.of(url, method, kit.gate.now(), ask)
        return found

    async def _ask_sibling(self, url: CanonicalUrl, address: str, method: Method) -> ControlProbe:
        self._asked += 1
        other = sibling(url, secrets.token_hex(8))
        probe, names = await asyncio.gather(
            self._probe("sibling", other, address, method), self._name_servers(url.host)
        )
        parked, unnamed = is_parked(names or ()), names is None
        return msgspec.structs.replace(probe, parked=parked, unnamed=unnamed)

    async def _probe(
        self, what: str, url: CanonicalUrl, address: str, method: Method
    ) -> ControlProbe:
        reply = await self._ask(what, method, url, address)
        if reply.status not in redirects.STATUSES or reply.challenge:
            return _answered(reply)
        hop = redirects.hop(url, reply.location)
        sent_to = None if hop.url is None else redirects.digest_of(hop.url)
        fault = "blocked_login" if hop.kind == "login" else None
        return ControlProbe(reply.fingerprint(hop.kind), sent_to=sent_to, fault=fault)

    async def _name_servers(self, host: str) -> tuple[str, ...] | None:
        """Name the name servers of a host's domain; None where none of ours answered."""
        if literal_of(host) is not None:
            return ()
        try:
            async with asyncio.timeout(self._kit.limits.exchange_seconds):
                return await self._kit.resolver.name_servers(redirects.registrable_domain(host))
        except TimeoutError:
            return None


def _likeness(
    reply: Reply, redirect: Redirect | None, sent_to: int | None, probe: ControlProbe
) -> Control:
    assert probe.fingerprint is not None
    if redirect in _FOLLOWED:
        return "same" if probe.sent_to == sent_to else "differs"
    if probe.fingerprint.status != reply.status:
        return "differs"
    return compare(reply.fingerprint(redirect), probe.fingerprint)


def _answered(reply: Reply) -> ControlProbe:
    """Make a control of an answer, unless it is of the moment; a block is one that may not last."""
    reason = reply.fault or (
        "blocked_challenge" if reply.challenge else reason_of_status(reply.status)
    )
    if reply.fault is not None or reason in _TRANSIENT:
        return ControlProbe(fault=reason)
    return ControlProbe(reply.fingerprint(None), fault=reason if reason in BLOCKS else None)
