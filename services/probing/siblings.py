"""Compare what a URL gives with what its host gives for a path that nobody reported."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from functools import partial

from schemas.urls import CanonicalUrl
from services.core.reasons import BLOCKS, DARK_FAULTS
from services.core.verdict import Control, Redirect, compare, reason_of_status
from services.probing import redirects
from services.probing.controls import ControlProbe, HostControl, front_of, is_parked, sibling
from services.probing.exchange import Method, Reply, target_of
from services.probing.gate import Deferred
from services.probing.kit import Kit
from services.probing.literals import literal_of

Enter = Callable[[str, str], Awaitable[bool]]
Request = Callable[[str, Method, CanonicalUrl, str], Awaitable[Reply]]
_FOLLOWED = frozenset({"same_host", "same_domain", "slash", "https"})
# What says nothing about the path that was asked for; any other block a host may give for all it doesn't have.
_TRANSIENT = frozenset(
    {"blocked_challenge", "blocked_rate_limited", "blocked_unavailable", "server_error"}
)


class Siblings:
    """Ask for siblings and front pages on behalf of one visit.

    `request(what, method, url, address)` asks, `enter(address, host)` waits for its turn.
    `parked`: some host that was compared with is parked.
    """

    def __init__(self, kit: Kit, request: Request, enter: Enter) -> None:
        self._kit = kit
        self._request = request
        self._enter = enter
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
        """Compare an answer with that for a random sibling; the front page has no siblings."""
        found = await self._of_host(url, address, reply.method)
        if found is None:
            return "unasked"
        probe = found.result
        self.parked = self.parked or probe.parked
        if probe.fingerprint is None or target_of(url) == "/":
            return "unasked"
        if redirect in _FOLLOWED:
            like: Control = "same" if probe.sent_to == sent_to else "differs"
        elif probe.fingerprint.status != reply.status:
            like = "differs"
        else:
            like = compare(reply.fingerprint(redirect), probe.fingerprint)
        if redirect is None and like == "differs":
            found.told_apart = True
        if like != "same" or redirect == "root":
            return like
        return await self._weighed(url, address, reply, found, redirect, was_served)

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
        if found.told_apart and not found.walled:
            return "same"
        if redirect is not None:
            return "everything"
        if not was_served:
            return "same"
        front = await self.front(url, address, reply.method)
        if front is None or front.fingerprint is None:
            return "everything"
        if compare(front.fingerprint, found.result.fingerprint) == "differs":
            return "same"
        found.walled = True
        return "everything"

    async def dark_front(self, url: CanonicalUrl, address: str, method: Method) -> bool:
        """Tell whether the front page gives nothing either."""
        if target_of(url) == "/":
            return True
        front = await self.front(url, address, method)
        return front is not None and front.fault in DARK_FAULTS

    async def front(self, url: CanonicalUrl, address: str, method: Method) -> ControlProbe | None:
        """Give what the front page said lately; None where politeness forbids to ask."""
        kit = self._kit
        found = kit.fronts.known(url, kit.gate.now())
        if found is None:
            ask = partial(self._ask, "front", front_of(url), address, method)
            try:
                found = await kit.fronts.of(url, kit.gate.now(), ask)
            except Deferred:
                return None
        return found.result

    async def _of_host(self, url: CanonicalUrl, address: str, method: Method) -> HostControl | None:
        kit = self._kit
        found = kit.controls.known(url, kit.gate.now())
        if found is not None:
            return found
        try:
            return await kit.controls.of(
                url, kit.gate.now(), partial(self._ask_sibling, url, address, method)
            )
        except Deferred:
            return None

    async def _ask_sibling(self, url: CanonicalUrl, address: str, method: Method) -> ControlProbe:
        other = sibling(url, secrets.token_hex(8))
        probe, names = await asyncio.gather(
            self._ask("sibling", other, address, method), self._name_servers(url.host)
        )
        return ControlProbe(probe.fingerprint, is_parked(names), probe.sent_to, probe.fault)

    async def _ask(
        self, what: str, url: CanonicalUrl, address: str, method: Method
    ) -> ControlProbe:
        await self._enter(address, url.host)
        try:
            reply = await self._request(what, method, url, address)
        finally:
            self._kit.gate.release(address)
        if reply.status not in redirects.STATUSES or reply.challenge:
            return _answered(reply)
        hop = redirects.hop(url, reply.location)
        sent_to = None if hop.url is None else redirects.digest_of(hop.url)
        fault = "blocked_login" if hop.kind == "login" else None
        return ControlProbe(reply.fingerprint(hop.kind), sent_to=sent_to, fault=fault)

    async def _name_servers(self, host: str) -> tuple[str, ...]:
        if literal_of(host) is not None:
            return ()
        try:
            async with asyncio.timeout(self._kit.limits.exchange_seconds):
                return await self._kit.resolver.name_servers(redirects.registrable_domain(host))
        except TimeoutError:
            return ()


def _answered(reply: Reply) -> ControlProbe:
    """Make a control of an answer, unless it is of the moment; a block is one that may not last."""
    reason = reply.fault or (
        "blocked_challenge" if reply.challenge else reason_of_status(reply.status)
    )
    if reply.fault is not None or reason in _TRANSIENT:
        return ControlProbe(fault=reason)
    return ControlProbe(reply.fingerprint(None), fault=reason if reason in BLOCKS else None)
