"""From the evidence of one look to its verdict: a table, and the order in which its rows are tried.

Laws:
1. *Gone is the claim that needs evidence.* Only what services.core.reasons lists as removed is
   removal-class; everything that could be a block, a fault of the network or of our own is `undetermined`.
2. Online if any address served it; gone only if every address that it has was asked and says so.
3. A blind vantage sees nothing gone: `removed`, and every fault of the network, become `vantage_blind`.
4. A host that answers a path that can't exist in the same way is never online.
5. What differs from the baseline may lose `online`, and never wins `removed`: another kind of content, another
   file and a text of a very different length are `suspected_replaced`. ETag, Last-Modified and the server's
   class differ between the nodes of one honest site, so they weigh nothing.
6. A whole host that is dark is removal-class only after hours, and the fold asks a second vantage.

Sources: design section 5; domain.md P1 to P10; RFC 9110 for the status codes.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from schemas.events import Fingerprint
from services.core.reasons import DARK_FAULTS, NETWORK_FAULTS, REASONS, Judgement

__all__ = [
    "DARK_FAULTS",
    "NETWORK_FAULTS",
    "REASONS",
    "Answer",
    "Change",
    "Control",
    "Dns",
    "Evidence",
    "Judgement",
    "Redirect",
    "changed",
    "compare",
    "is_baseline",
    "is_dark",
    "is_still",
    "judge",
    "judge_answer",
    "kind_of_content",
    "reason_of_status",
]

Dns = Literal[
    "addresses",
    "nxdomain",
    "nodata",
    "servfail",
    "timeout",
    "refused",
    "broken",
    "disagree",
    "filtered",
    "unproven",
]
Redirect = Literal[
    "slash", "https", "same_host", "same_domain", "root", "not_found", "login", "other_domain"
]
Control = Literal["unasked", "differs", "alike", "same", "everything", "doubted"]
Change = Literal["unknown", "none", "minor", "text", "file", "kind"]


class Answer(Struct, frozen=True, kw_only=True):
    """What one address said in the end, or the fault that kept it from saying anything.

    `control` is how its answer compares with that for a random sibling path of the same host; `everything`: the
    front page is answered so as well, and nothing was ever told apart from it; `doubted`: the sibling has just met a
    fault or a block of a new kind, and this is not plainly what was served before. `was_served`: this URL is known to
    have been served before, so what it meets now is no wall of old. `change` is how it differs from its baseline.
    `shared`: other URLs of the host, or a sibling, are sent to the same place.
    """

    address: str
    fault: str | None = None
    status: int | None = None
    method: Literal["HEAD", "GET"] = "HEAD"
    redirect: Redirect | None = None
    challenge: bool = False
    control: Control = "unasked"
    was_served: bool = False
    change: Change = "unknown"
    shared: bool = False
    fingerprint: Fingerprint | None = None


class Evidence(Struct, frozen=True, kw_only=True):
    """All that one look brought home; pure data.

    `refused` counts addresses that the guard refused, `left_out` those beyond the cap or the look's time, and
    a family of which the name servers said nothing. `dark`: the whole host has
    been dark for so long that it counts.
    """

    dns: Dns = "addresses"
    answers: tuple[Answer, ...] = ()
    refused: int = 0
    left_out: int = 0
    parked: bool = False
    dark: bool = False
    blind: bool = False
    not_measurable: str | None = None


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
    "login": "blocked_login",
    "root": "redirect_to_root",
}
_REPLACED = frozenset({"text", "file", "kind"})
_TEXTS = frozenset({"text", "other"})
_TEXT_FACTOR = 2  # pages change with every visit; a placeholder or a wall is of another size


def judge(evidence: Evidence) -> Judgement:
    """Give the verdict on a look's evidence."""
    found = _unblinded(evidence)
    if evidence.blind and (found.verdict == "removed" or found.reason in NETWORK_FAULTS):
        return REASONS["vantage_blind"]
    return found


def _unblinded(evidence: Evidence) -> Judgement:
    reason = _unasked(evidence)
    if reason is not None:
        return REASONS[reason]
    found = _of_all(evidence.answers)
    if evidence.dark and is_dark(evidence):
        return REASONS["host_dark"]
    if found.verdict == "removed" and evidence.left_out:
        return REASONS["gone_on_some"]
    return REASONS["parked"] if found.verdict == "online" and evidence.parked else found


def _unasked(evidence: Evidence) -> str | None:
    """Name why no address could be asked, if so."""
    if evidence.not_measurable is not None:
        return "not_measurable"
    if evidence.dns != "addresses":
        return "nxdomain" if evidence.dns == "nxdomain" else f"dns_{evidence.dns}"
    return None if evidence.answers else "address_refused"


def is_dark(evidence: Evidence) -> bool:
    """Tell whether no address gave anything but what a dark host gives, and none was left out."""
    return (
        evidence.dns == "addresses"
        and bool(evidence.answers)
        and not evidence.left_out
        and all(_reason(answer) in DARK_FAULTS for answer in evidence.answers)
    )


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
    if answer.shared:
        return "soft_404_redirect" if answer.control == "same" else "redirect_shared"
    reason = reason_of_status(answer.status)
    return _controlled(answer) if reason == "served" else reason


def _redirected(answer: Answer) -> str:
    assert answer.redirect is not None
    if answer.redirect == "root" and (_like_sibling(answer) or answer.was_served):
        return "soft_404_root"
    return _REDIRECTED[answer.redirect]


def _like_sibling(answer: Answer) -> bool:
    return answer.control in ("same", "everything")


def _controlled(answer: Answer) -> str:
    if answer.control == "everything" and answer.was_served:
        return "suspected_wall"
    if _like_sibling(answer):
        return "soft_404_control"
    if answer.control == "alike":
        return "suspected_soft_404"
    if answer.change in _REPLACED:
        return "suspected_replaced"
    return "suspected_unproven" if answer.control == "doubted" else "served"


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


def changed(found: Fingerprint | None, baseline: Fingerprint | None) -> Change:
    """Say how what is served now differs from what the first looks saw, by the heaviest kind of difference."""
    if found is None or baseline is None:
        return "unknown"
    before, now = kind_of_content(baseline.content_type), kind_of_content(found.content_type)
    if before is not None and now is not None and before != now:
        return "kind"
    was, is_ = baseline.content_length, found.content_length
    if was is None or is_ is None or was == is_:
        return "none" if _validators(found) == _validators(baseline) else "minor"
    if before is None or before in _TEXTS:
        far = max(was, is_) > _TEXT_FACTOR * min(was, is_)
        return "text" if far else "minor"
    return "file"


def is_baseline(found: Fingerprint | None, baseline: Fingerprint | None) -> bool:
    """Tell whether this is plainly what the first looks saw: the same class of content, the same known length."""
    if found is None or baseline is None:
        return False
    kind, length = kind_of_content(found.content_type), found.content_length
    same = (kind_of_content(baseline.content_type), baseline.content_length) == (kind, length)
    return same and kind is not None and length is not None


def is_still(found: Fingerprint | None, before: Fingerprint | None) -> bool:
    """Tell whether a URL gives at a second request what it gave at the first; pages change a little each time."""
    if found is None or before is None or found.status != before.status:
        return False
    return changed(found, before) not in _REPLACED


def _validators(print_: Fingerprint) -> tuple[object, ...]:
    return (print_.etag_digest, print_.last_modified)


def kind_of_content(content_type: str | None) -> str | None:
    """Give the class of a content type: its top-level type, where that says something; else `other`."""
    if content_type is None:
        return None
    top = content_type.partition("/")[0]
    if content_type in _MARKUP:
        return "text"
    return top if top in ("image", "video", "audio", "text") else "other"


_MARKUP = frozenset({"application/xhtml+xml", "application/json", "application/xml"})
