"""From the evidence of one look to its verdict: a table, and the order in which its rows are tried.

Laws:
1. *Gone is the claim that needs evidence.* Only what the rows of layer `content` and `domain` name is
   removal-class; everything that could be a block, a fault of the network or of our own is `undetermined`.
2. Online if any address served it; gone only if every address that it has was asked and says so.
3. A blind vantage sees nothing gone: `removed`, and every fault of the network, become `vantage_blind`.
4. A host that answers a path that can't exist in the same way is never online.

Sources: design section 5; domain.md P1 to P10; RFC 9110 for the status codes.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from schemas.events import Fingerprint, Layer, Verdict

Dns = Literal[
    "addresses", "nxdomain", "nodata", "servfail", "timeout", "refused", "broken", "disagree"
]
Redirect = Literal[
    "slash", "https", "same_host", "same_domain", "root", "not_found", "other_domain"
]
Control = Literal["unasked", "differs", "alike", "same"]


class Judgement(Struct, frozen=True):
    """A verdict, the layer that it speaks of, and its reason code."""

    verdict: Verdict
    layer: Layer | None
    reason: str


class Answer(Struct, frozen=True, kw_only=True):
    """What one address said in the end, or the fault that kept it from saying anything.

    `control` is how its answer compares with that for a random sibling path of the same host;
    `was_served`: the same vantage has seen this URL served before, so what it meets now is no wall of old.
    """

    address: str
    fault: str | None = None
    status: int | None = None
    method: Literal["HEAD", "GET"] = "HEAD"
    redirect: Redirect | None = None
    challenge: bool = False
    control: Control = "unasked"
    was_served: bool = False
    fingerprint: Fingerprint | None = None


class Evidence(Struct, frozen=True, kw_only=True):
    """All that one look brought home; pure data.

    `refused` counts addresses that the guard refused, `left_out` those beyond the cap.
    """

    dns: Dns = "addresses"
    answers: tuple[Answer, ...] = ()
    refused: int = 0
    left_out: int = 0
    parked: bool = False
    blind: bool = False
    not_measurable: str | None = None


_ONLINE: dict[str, Layer | None] = {
    "served": "content",  # 200, 203, 206, and no sibling is answered in the same way
}
_REMOVED: dict[str, Layer | None] = {
    "not_found": "content",  # 404, to a GET too
    "gone": "content",  # 410, to a GET too
    "soft_404_path": "content",  # sent to a path of the same domain that says 404 or not found
    "soft_404_root": "content",  # sent to the front page, as a random sibling is, or after it was served
    "soft_404_control": "content",  # served, and so is a random sibling, with the same length or ETag
    "nxdomain": "domain",  # for A and AAAA, and by a second name server where there is one
}
_UNDETERMINED: dict[str, Layer | None] = {
    # Blocks (P2, P3): somebody is kept out, and it may be us alone.
    "blocked_unauthorized": "content",  # 401
    "blocked_forbidden": "content",  # 403
    "blocked_proxy_auth": "network",  # 407
    "blocked_rate_limited": "host",  # 429
    "blocked_legal": "content",  # 451
    "blocked_unavailable": "host",  # 503
    "blocked_challenge": "host",  # any status beside the header of a known challenge
    "blocked_reset": "network",  # connection or TLS handshake reset
    "blocked_tarpit": "host",  # header bytes that dribble until the timeout
    # Suspicions (P4): not online, and not evidence enough for gone.
    "suspected_soft_404": "content",  # a sibling is served too, and no header tells the two apart
    "redirect_to_root": "content",  # may be a wall: siblings differ, and it was never seen served
    "redirect_other_domain": "content",  # another registrable domain, never followed (G3)
    "redirect_loop": "content",
    "redirect_too_many": "content",
    "redirect_refused": "content",  # to what the guard refuses, to credentials, to no web address
    "redirect_broken": "content",  # no Location, none that parses, or a name without addresses
    "parked": "domain",  # served under the name servers or an alias of a parking service
    # Answers that say neither.
    "no_content": "content",  # 201, 202, 204, 205
    "client_error": "content",  # any other 4xx, 405 included (P5)
    "server_error": "host",  # any other 5xx
    "odd_status": "host",  # 1xx that is final, 300, 304, 6xx and more
    "bad_response": "host",  # not HTTP
    "header_flood": "host",
    "interim_flood": "host",
    # Faults on the way (P1).
    "disconnected": "network",  # closed without an answer
    "response_timeout": "host",  # connected, and not one byte
    "connect_refused": "host",
    "connect_timeout": "network",
    "connect_failed": "network",
    "unreachable": "network",
    "tls_failed": "host",
    "tls_timeout": "host",
    "dns_nodata": "domain",
    "dns_servfail": "domain",
    "dns_timeout": "network",
    "dns_refused": "domain",
    "dns_broken": "domain",  # malformed, or a CNAME chain without end
    "dns_disagree": "domain",  # one says that the name does not exist, another that it does
    # Ours.
    "address_refused": "network",  # the guard refused every address
    "gone_on_some": "content",  # gone on all that were asked, while others were left out
    "not_measurable": None,  # onion, no web scheme, credentials: never probed (G17)
    "vantage_blind": "network",  # the canary is down, or half of all hosts fail at once
}


def _rows(verdict: Verdict, rows: dict[str, Layer | None]) -> dict[str, Judgement]:
    return {reason: Judgement(verdict, layer, reason) for reason, layer in rows.items()}


REASONS: dict[str, Judgement] = {
    **_rows("online", _ONLINE),
    **_rows("removed", _REMOVED),
    **_rows("undetermined", _UNDETERMINED),
}
"""Every reason code there is, with its verdict and layer."""

NETWORK_FAULTS = frozenset(
    {
        *("dns_servfail", "dns_timeout", "dns_refused", "connect_refused", "connect_timeout"),
        *("connect_failed", "unreachable", "blocked_reset", "disconnected", "tls_timeout"),
        "response_timeout",
    }
)
"""Reasons that a fault of our own network could also give: what the self-check counts."""

_STATUS = {
    **dict.fromkeys((200, 203, 206), "served"),
    **dict.fromkeys((201, 202, 204, 205), "no_content"),
    401: "blocked_unauthorized",
    403: "blocked_forbidden",
    404: "not_found",
    407: "blocked_proxy_auth",
    410: "gone",
    429: "blocked_rate_limited",
    451: "blocked_legal",
    503: "blocked_unavailable",
}
_REDIRECTED = {
    "other_domain": "redirect_other_domain",
    "not_found": "soft_404_path",
    "root": "redirect_to_root",
}


def judge(evidence: Evidence) -> Judgement:
    """Give the verdict on a look's evidence."""
    found = _unblinded(evidence)
    if evidence.blind and (found.verdict == "removed" or found.reason in NETWORK_FAULTS):
        return REASONS["vantage_blind"]
    return found


def _unblinded(evidence: Evidence) -> Judgement:
    if evidence.not_measurable is not None:
        return REASONS["not_measurable"]
    if evidence.dns != "addresses":
        return REASONS["nxdomain" if evidence.dns == "nxdomain" else f"dns_{evidence.dns}"]
    if not evidence.answers:
        return REASONS["address_refused"]
    found = _of_all(evidence.answers)
    if found.verdict == "removed" and evidence.left_out:
        return REASONS["gone_on_some"]
    if found.verdict == "online" and evidence.parked:
        return REASONS["parked"]
    return found


def _of_all(answers: Sequence[Answer]) -> Judgement:
    """Put the answers of all addresses together: online before undetermined before removed."""
    first: Judgement | None = None
    for answer in answers:
        found = judge_answer(answer)
        if found.verdict == "online":
            return found
        if first is None or (first.verdict == "removed" and found.verdict == "undetermined"):
            first = found
    assert first is not None
    return first


def judge_answer(answer: Answer) -> Judgement:
    """Give the verdict on what one address said."""
    return REASONS[_reason(answer)]


def _reason(answer: Answer) -> str:
    if answer.fault is not None:
        return answer.fault if answer.fault in REASONS else "bad_response"
    if answer.challenge:
        return "blocked_challenge"
    if answer.redirect in _REDIRECTED:
        return _redirected(answer)
    reason = reason_of_status(answer.status)
    return _controlled(answer) if reason == "served" else reason


def _redirected(answer: Answer) -> str:
    assert answer.redirect is not None
    if answer.redirect == "root" and (answer.control == "same" or answer.was_served):
        return "soft_404_root"
    return _REDIRECTED[answer.redirect]


def _controlled(answer: Answer) -> str:
    if answer.control == "same":
        return "soft_404_control"
    return "suspected_soft_404" if answer.control == "alike" else "served"


def reason_of_status(status: int | None) -> str:
    """Name what a final status code says by itself."""
    if status is None:
        return "bad_response"
    known = _STATUS.get(status)
    if known is not None:
        return known
    if 400 <= status < 500:
        return "client_error"
    return "server_error" if 500 <= status < 600 else "odd_status"


def compare(found: Fingerprint | None, control: Fingerprint | None) -> Control:
    """Compare an answer with that for a random sibling path of the same host.

    `same` needs a header that tells contents apart (length or ETag) to agree; without one it is `alike`.
    """
    if found is None or control is None:
        return "unasked"
    if (found.status, found.redirect) != (control.status, control.redirect):
        return "differs"
    if found.redirect is not None:
        return "same"
    if _identity(found) != _identity(control):
        return "differs"
    telling = found.content_length is not None or found.etag_digest is not None
    return "same" if telling else "alike"


def _identity(print_: Fingerprint) -> tuple[object, ...]:
    return (print_.content_type, print_.content_length, print_.etag_digest)
