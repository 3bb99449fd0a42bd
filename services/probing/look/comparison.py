"""Compare what a URL gives with what its host gives for paths that can't exist; a part of the look's protocol.

*What a sibling proves.* Most hosts say 404 of what they don't have; some serve a page that says so, send everybody
to the front page, or forbid it. A host that walls itself off does the same with everything. The two look alike in one
answer; they differ in time: a soft 404 was there while something was served, and a wall was not. So an answer like
the sibling's is a removal only if the URL was seen served, and siblings were answered in this very way while
something of the handler was served: at the look that took the baseline, or at any look that asked the URL before and
after its sibling (`HostControl.tell_apart`). All else is undetermined.

*Which sibling.* One that the same code answers: each variable part of the URL is varied in turn (`handlers`). All of
them have to be answered otherwise; the most alike counts.

*For how long.* A day if it is plain, minutes where it may be of the moment; and whatever is about to be said of a URL
that was seen served, rests on siblings that were asked just now.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import msgspec
from msgspec import Struct

from schemas.urls import CanonicalUrl
from services.core.fingerprints import (
    Control,
    compare,
    is_of_one_status,
    is_one_answer,
    is_still,
    reason_of_status,
)
from services.core.reasons import BLOCKS
from services.core.verdict import Redirect
from services.probing.http.exchange import Method, Reply, target_of
from services.probing.limits.gate import Deferred
from services.probing.look.controls import (
    ControlProbe,
    Controls,
    HostControl,
    front_of,
    is_parked,
)
from services.probing.look.handlers import handler_of, keeps_id, sibling_of
from services.probing.look.memory import Memory
from services.probing.look.operations import (
    NOW,
    Ask,
    AskSibling,
    Enter,
    Leave,
    Protocol,
    Purpose,
    Share,
    Token,
)
from services.probing.look.redirects import STATUSES, hop_of, target_digest

# What says nothing about the path that was asked for; any other block a host may give for all it doesn't have.
_TRANSIENT = frozenset(
    {"blocked_challenge", "blocked_rate_limited", "blocked_unavailable", "server_error"}
)
_ONWARD = frozenset({"same_host", "same_domain"})
# Too slow, and too early: of the request, and not of what it asked for (RFC 9110, RFC 8470).
_OF_THE_MOMENT = frozenset({408, 425})
_LONGER = (5, 9)
_RANK: dict[Control, int] = {"same": 0, "alike": 1, "doubted": 2, "unasked": 3, "differs": 4}


class Reached(Struct, frozen=True):
    """What an address gave for the URL: the reply, how it was sent elsewhere, if so, and where to (a digest).

    `neutral`: to the neutral agent. Siblings are asked as the same one.
    `head`: what HEAD gave in the same look, where GET decides, and no sibling had the like of HEAD.
    """

    url: CanonicalUrl
    address: str
    reply: Reply
    redirect: Redirect | None = None
    sent_to: str | None = None
    neutral: bool = False
    head: Reply | None = None


class Comparison(NamedTuple):
    """How an answer compares with those for all siblings of its URL; as `services.core.verdict.Answer` has it.

    `missing`: every sibling said 404 or 410; `refused`: none was served or sent elsewhere; `answered`: each gave an
    answer; `alone`: a front page has none. `kind` names their answers, for the baseline. `parked`: the name is.
    """

    control: Control = "unasked"
    told_apart: bool = False
    fresh: bool = False
    missing: bool = False
    refused: bool = False
    answered: bool = False
    alone: bool = False
    kind: str = ""
    parked: bool = False


class Siblings:
    """Ask for siblings and front pages on behalf of one visit."""

    __slots__ = ("_memory",)

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def compare(
        self, reached: Reached, was_served: bool, baseline_kind: str | None
    ) -> Protocol[Comparison]:
        """Compare an answer with its siblings'; `baseline_kind` is how they were answered at the first such look.

        Whatever would speak against a URL that was seen served is asked of the siblings once more, unless they were
        asked just now. `Deferred` where politeness forbids: without siblings nothing can be said of the answer.
        """
        comparison = yield from self._compare(reached, was_served, baseline_kind)
        if was_served and not comparison.fresh and comparison.control in ("same", "alike"):
            comparison = yield from self.refresh(reached, was_served, baseline_kind)
        return comparison

    def refresh(
        self, reached: Reached, was_served: bool, baseline_kind: str | None
    ) -> Protocol[Comparison]:
        """Compare with siblings that are asked now: after the URL, so that no wall can have gone up in between."""
        since = yield NOW
        return (yield from self._compare(reached, was_served, baseline_kind, since))

    def _compare(
        self,
        reached: Reached,
        was_served: bool,
        baseline_kind: str | None,
        since: float | None = None,
    ) -> Protocol[Comparison]:
        handler, siblings = handler_of(reached.url), self._memory.siblings
        controls = []
        begun = now = yield NOW
        for number in range(len(handler.parts) or 1):
            key = (handler, number, reached.reply.method, reached.neutral)
            control, asked_now = siblings.get(key, now, since), False
            if control is None:
                ask = partial(ask_sibling, reached, number)
                control, asked_now = yield from _anew(siblings, key, ask, since)
                now = yield NOW
            if handler.parts and not was_served and _head_tells_nothing(reached, control):
                return Comparison(answered=control.result.fingerprint is not None)
            like = _likeness(reached, control, was_served)
            if like == "alike" and (yield from self._is_other_page(reached, number, control)):
                like = "differs"
            if like == "differs" and asked_now:
                yield from self._tell_apart(reached, control)
            elif like in ("same", "alike"):
                control.doubt()
            controls.append((like, control))
        if not handler.parts:
            return Comparison(alone=True, parked=controls[0][1].result.parked)
        return _joined(controls, begun, baseline_kind)

    def _tell_apart(self, reached: Reached, control: HostControl) -> Protocol[None]:
        """Ask for the URL once more: only what it gives before and after its sibling is told apart from it."""
        if not control.result.like_content or control.told_apart:
            return
        control.doubt()
        if reached.redirect is not None:
            return
        reply = reached.reply
        try:
            again = yield from ask_beside(
                "url", reply.method, reached.url, reached.address, neutral=reached.neutral
            )
        except Deferred:
            return
        fingerprint = again.fingerprint(None)
        like = compare(fingerprint, control.result.fingerprint)
        apart = like == "differs" or (like == "alike" and _is_page_apart(again, control))
        if apart and not again.challenge and is_still(fingerprint, reply.fingerprint(None)):
            control.tell_apart()

    def _is_other_page(self, reached: Reached, number: int, control: HostControl) -> Protocol[bool]:
        """Tell two texts of about one length apart, where the sibling's repeats nothing of what was asked for.

        It is asked for once more, under a longer path: what is answered by the very same page is steady.
        """
        if _is_of_its_length(reached.reply, control):
            return False
        if control.steady is None:
            try:
                control.steady = yield from self._is_steady(reached, number, control)
            except Deferred:
                return False
        return _is_page_apart(reached.reply, control)

    def _is_steady(self, reached: Reached, number: int, control: HostControl) -> Protocol[bool]:
        """Tell whether longer paths are answered by the very same page, to the byte."""
        first = control.result.fingerprint
        if first is None or first.content_length is None:
            return False
        for more in _LONGER:
            again = yield from ask_sibling(reached, number, more)
            if not is_one_answer(first, again.fingerprint):
                return False
        return True

    def missing_before(self, reached: Reached, now: float) -> str | None:
        """Name how every sibling of before was plainly refused; None where one was not, or has to be asked."""
        handler, siblings = handler_of(reached.url), self._memory.siblings
        kinds = []
        for number in range(len(handler.parts)):
            key = (handler, number, reached.reply.method, reached.neutral)
            control = siblings.get(key, now)
            if control is None or not control.plainly_missing or control.at >= now:
                return None
            kinds.append(control.kind)
        return _kind_of_all(kinds) or None

    def front(self, reached: Reached, since: float | None = None) -> Protocol[ControlProbe | None]:
        """Give what the front page said to GET lately, and not before `since`; None where politeness forbids to ask."""
        url = reached.url
        key = (url.scheme, url.host, url.port)
        ask = partial(_probe, "front", front_of(url), reached.address, "GET")
        try:
            control, _ = yield from remembered(self._memory.fronts, key, ask, since)
        except Deferred:
            return None
        return control.result

    def dark_front(self, reached: Reached) -> Protocol[bool | None]:
        """Tell whether the front page gives nothing either; None where politeness forbids to ask."""
        if target_of(reached.url) == "/":
            return True
        front = yield from self.front(reached)
        return None if front is None else front.gives_nothing


def remembered(
    controls: Controls,
    key: object,
    ask: Callable[[], Protocol[ControlProbe]],
    since: float | None = None,
) -> Protocol[tuple[HostControl, bool]]:
    """Give a control, asking if the last one is too old, and whether this look asked.

    Concurrent looks share the probe; one whose asker was given up is asked again by a look that waits for it.
    """
    control = controls.get(key, (yield NOW), since)
    if control is not None:
        return control, False
    return (yield from _anew(controls, key, ask, since))


def _anew(
    controls: Controls,
    key: object,
    ask: Callable[[], Protocol[ControlProbe]],
    since: float | None,
) -> Protocol[tuple[HostControl, bool]]:
    """Ask for a control, unless another look is at it."""
    part = partial(_settle, controls, key, ask)
    while True:
        control, asked_now = yield Share((id(controls), key), part)
        if asked_now or since is None or control.at >= since:
            return control, asked_now


def _settle(
    controls: Controls, key: object, ask: Callable[[], Protocol[ControlProbe]]
) -> Protocol[HostControl]:
    at = yield NOW
    result = yield from ask()
    return controls.settle(key, at, result)


def ask_sibling(reached: Reached, number: int, more: int = 0) -> Protocol[ControlProbe]:
    """Ask for a sibling by the method that the URL was asked by; beside the first, who the name servers are."""
    url = sibling_of(reached.url, number, (yield Token()), more)
    method, address, neutral = reached.reply.method, reached.address, reached.neutral
    ask = partial(_probe, "sibling", url, address, method, neutral=neutral)
    if number or more:
        return (yield from ask())
    result: ControlProbe
    result, names = yield AskSibling(ask, reached.url.host)
    return msgspec.structs.replace(result, parked=is_parked(names or ()), unnamed=names is None)


def _probe(
    purpose: Purpose, url: CanonicalUrl, address: str, method: Method, *, neutral: bool = False
) -> Protocol[ControlProbe]:
    """Ask for what nobody reported, and make a control of the answer."""
    reply = yield from ask_beside(purpose, method, url, address, neutral=neutral)
    if reply.status not in STATUSES or reply.challenge:
        return _answered(reply)
    hop = hop_of(url, reply.location)
    sent_to = None if hop.url is None else target_digest(url, hop.url)
    fault = "blocked_login" if hop.kind == "login" else None
    opaque = hop.url is not None and hop.kind in _ONWARD and not keeps_id(url, hop.url)
    return ControlProbe(reply.fingerprint(hop.kind), sent_to=sent_to, fault=fault, opaque=opaque)


def ask_beside(
    purpose: Purpose, method: Method, url: CanonicalUrl, address: str, *, neutral: bool = False
) -> Protocol[Reply]:
    """Ask a host once more, in its turn; a push-back counts where it says for how long."""
    yield Enter(address, url.host)
    reply: Reply = yield Ask(purpose, method, url, address, neutral)
    yield Leave(address, url.host, None if reply.retry_after is None else reply)
    return reply


def _head_tells_nothing(reached: Reached, control: HostControl) -> bool:
    """Tell whether GET has to decide, which has siblings of its own: HEAD was not told that this one is missing.

    Where it was seen served, what HEAD gives may still be compared with a baseline that HEAD gave.
    """
    return reached.reply.method == "HEAD" and not control.result.says_missing


def _likeness(reached: Reached, control: HostControl, was_served: bool) -> Control:
    """Compare an answer with one sibling's; what gave no answer for the first time compares with nothing yet.

    Of what nobody saw served the last answer still counts: a sibling that gets lost makes no sighting of a soft 404.
    """
    result, answer = control.result, control.answer
    if result.fingerprint is None:
        like = None if was_served or answer is None else _compared(reached, answer)
        if like in ("same", "alike"):
            return like
        return "doubted" if control.novel else "unasked"
    if reached.sent_to is None and not is_of_one_status(
        result.fingerprint.status, reached.reply.status
    ):
        return "doubted" if control.novel and was_served else "differs"
    return _compared(reached, result)


def _compared(reached: Reached, sibling: ControlProbe) -> Control:
    if reached.sent_to is not None:
        return "same" if sibling.sent_to == reached.sent_to else "differs"
    # How it was led here says nothing of what is here: its sibling was asked here at once.
    return compare(reached.reply.fingerprint(None), sibling.fingerprint)


def _is_page_apart(reply: Reply, control: HostControl) -> bool:
    """Tell whether a text is another one than a sibling's that is steady; both have to say a length."""
    differs = reply.content_length is not None and not _is_of_its_length(reply, control)
    return differs and bool(control.steady)


def _is_of_its_length(reply: Reply, control: HostControl) -> bool:
    """Tell whether only ETags may differ, which a server changes for one file: Apache does so within a second."""
    sibling = control.result.fingerprint
    return sibling is None or reply.content_length == sibling.content_length


def _joined(
    controls: list[tuple[Control, HostControl]], fresh_from: float, baseline_kind: str | None
) -> Comparison:
    """Put the siblings together: the most alike counts, and has to be proven."""
    worst: Control = "differs"
    told_apart = fresh = missing = refused = answered = True
    parked, kinds = False, []
    for like, control in controls:
        result = control.result
        if _RANK[like] < _RANK[worst]:
            worst = like
        if told_apart and like in ("same", "alike"):
            told_apart = control.told_apart
        fresh = fresh and control.at >= fresh_from
        missing = missing and result.says_missing
        refused = refused and not result.like_content
        answered = answered and result.fingerprint is not None
        parked = parked or result.parked
        kinds.append(control.kind)
    kind = _kind_of_all(kinds)
    told_apart = told_apart or (kind != "" and kind == baseline_kind)
    # By place: a look makes one of them, and names would cost as much as all the rest.
    return Comparison(worst, told_apart, fresh, missing, refused, answered, False, kind, parked)


def _kind_of_all(kinds: list[str]) -> str:
    return kinds[0] if kinds and kinds.count(kinds[0]) == len(kinds) else "+".join(kinds)


def _answered(reply: Reply) -> ControlProbe:
    """Make a control of an answer, unless it is of the moment; a block is one that may not last."""
    reason = reply.fault or (
        "blocked_challenge" if reply.challenge else reason_of_status(reply.status)
    )
    if reply.fault is not None or reason in _TRANSIENT or reply.status in _OF_THE_MOMENT:
        return ControlProbe(fault=reason)
    return ControlProbe(reply.fingerprint(None), fault=reason if reason in BLOCKS else None)
