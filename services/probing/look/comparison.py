"""Compare what a URL gives with what its host gives for a path that nobody reported; a part of the look's protocol."""

from collections.abc import Callable
from functools import partial

import msgspec

from schemas.urls import CanonicalUrl
from services.core.reasons import BLOCKS, DARK_FAULTS
from services.core.verdict import Control, Redirect, compare, is_still, reason_of_status
from services.probing.http.exchange import Method, Reply, target_of
from services.probing.limits.gate import Deferred
from services.probing.look import redirects
from services.probing.look.controls import (
    ControlProbe,
    Controls,
    HostControl,
    front_of,
    is_parked,
    sibling,
)
from services.probing.look.memory import Memory
from services.probing.look.operations import (
    Ask,
    AskSibling,
    Enter,
    HonourBackoff,
    Leave,
    Now,
    Protocol,
    Purpose,
    Share,
    Token,
)

_FOLLOWED = frozenset({"same_host", "same_domain", "slash", "https"})
# What says nothing about the path that was asked for; any other block a host may give for all it doesn't have.
_TRANSIENT = frozenset(
    {"blocked_challenge", "blocked_rate_limited", "blocked_unavailable", "server_error"}
)


class Comparison:
    """Ask for siblings and front pages on behalf of one visit; `parked`: some host that was compared with is parked."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.parked = False

    def control(
        self,
        url: CanonicalUrl,
        address: str,
        reply: Reply,
        redirect: Redirect | None = None,
        *,
        sent_to: int | None = None,
        was_served: bool = False,
    ) -> Protocol[Control]:
        """Compare an answer with that for a random sibling; the front page has no siblings.

        `Deferred` where politeness forbids to ask for one: without it nothing can be said of the answer.
        """
        control, asked_now = yield from self._host_control(url, address, reply.method)
        probe = control.result
        self.parked = self.parked or probe.parked
        if target_of(url) == "/":
            return "unasked"
        if control.novel and was_served and redirect is None:
            return "doubted"
        if probe.fingerprint is None:
            return "unasked"
        like = _likeness(reply, redirect, sent_to, probe)
        if like == "differs" and asked_now:
            yield from self._tell_apart(url, address, reply, control, redirect)
        if like != "same":
            return like
        control.doubt()
        if redirect == "root":
            return like
        return (yield from self._weigh(url, address, reply, control, redirect, was_served))

    def _tell_apart(
        self,
        url: CanonicalUrl,
        address: str,
        reply: Reply,
        control: HostControl,
        redirect: Redirect | None,
    ) -> Protocol[None]:
        """Ask for the URL once more: only what it gives before and after its sibling is told apart from it."""
        if not control.result.like_content or control.told_apart:
            return
        control.doubt()
        if redirect is not None:
            return
        try:
            again = yield from ask_beside("url", reply.method, url, address)
        except Deferred:
            return
        fingerprint = again.fingerprint(None)
        apart = compare(fingerprint, control.result.fingerprint) == "differs"
        if apart and not again.challenge and is_still(fingerprint, reply.fingerprint(None)):
            control.tell_apart()

    def _weigh(
        self,
        url: CanonicalUrl,
        address: str,
        reply: Reply,
        control: HostControl,
        redirect: Redirect | None,
        was_served: bool,
    ) -> Protocol[Control]:
        """Tell a host that lies about one URL from one that says the same of everything: a wall."""
        if control.told_apart:
            return "same"
        if redirect is not None:
            return "everything"
        if not was_served:
            return "same"
        # A front page of before the sibling may have been seen before the wall.
        front = yield from self.front(url, address, reply.method, since=control.at)
        if front is None or front.fingerprint is None:
            return "everything"
        apart = compare(front.fingerprint, control.result.fingerprint) == "differs"
        return "same" if apart else "everything"

    def dark_front(self, url: CanonicalUrl, address: str, method: Method) -> Protocol[bool | None]:
        """Tell whether the front page gives nothing either; None where politeness forbids to ask."""
        if target_of(url) == "/":
            return True
        front = yield from self.front(url, address, method)
        return None if front is None else front.fault in DARK_FAULTS

    def front(
        self, url: CanonicalUrl, address: str, method: Method, since: float | None = None
    ) -> Protocol[ControlProbe | None]:
        """Give what the front page said lately, and not before `since`; None where politeness forbids to ask."""
        ask = partial(probe, "front", front_of(url), address, method)
        try:
            control, _ = yield from remembered(self._memory.fronts, url, method, ask, since)
        except Deferred:
            return None
        return control.result

    def _host_control(
        self, url: CanonicalUrl, address: str, method: Method
    ) -> Protocol[tuple[HostControl, bool]]:
        ask = partial(_ask_sibling, url, address, method)
        return (yield from remembered(self._memory.controls, url, method, ask))


def remembered(
    controls: Controls,
    url: CanonicalUrl,
    method: Method,
    ask: Callable[[], Protocol[ControlProbe]],
    since: float | None = None,
) -> Protocol[tuple[HostControl, bool]]:
    """Give the control of a URL's host, asking if the last one is too old, and whether this look asked.

    Concurrent looks at one host share the probe; one whose asker was given up is asked again by who waits for it.
    """
    now = yield Now()
    known = controls.known(url, method, now, since)
    if known is not None:
        return known, False
    part = partial(_settle, controls, url, method, ask)
    while True:
        control, asked_now = yield Share((id(controls), controls.key(url, method)), part)
        if asked_now or since is None or control.at >= since:
            return control, asked_now


def _settle(
    controls: Controls,
    url: CanonicalUrl,
    method: Method,
    ask: Callable[[], Protocol[ControlProbe]],
) -> Protocol[HostControl]:
    at = yield Now()
    found = yield from ask()
    return controls.settle(url, method, at, found)


def _ask_sibling(url: CanonicalUrl, address: str, method: Method) -> Protocol[ControlProbe]:
    other = sibling(url, (yield Token()))
    result: ControlProbe
    result, names = yield AskSibling(partial(probe, "sibling", other, address, method), url.host)
    return msgspec.structs.replace(result, parked=is_parked(names or ()), unnamed=names is None)


def probe(
    purpose: Purpose, url: CanonicalUrl, address: str, method: Method
) -> Protocol[ControlProbe]:
    """Ask for what nobody reported, and make a control of the answer."""
    reply = yield from ask_beside(purpose, method, url, address)
    if reply.status not in redirects.STATUSES or reply.challenge:
        return _answered(reply)
    hop = redirects.hop(url, reply.location)
    sent_to = None if hop.url is None else redirects.digest_of(hop.url)
    fault = "blocked_login" if hop.kind == "login" else None
    return ControlProbe(reply.fingerprint(hop.kind), sent_to=sent_to, fault=fault)


def ask_beside(
    purpose: Purpose, method: Method, url: CanonicalUrl, address: str
) -> Protocol[Reply]:
    """Ask a host once more, in its turn; a push-back counts where it says for how long."""
    yield Enter(address, url.host)
    reply: Reply = yield Ask(purpose, method, url, address)
    if reply.retry_after is not None:
        yield HonourBackoff(address, url.host, reply)
    yield Leave(address)
    return reply


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
