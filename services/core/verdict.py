"""From the evidence of one look to its verdict: a table, and the order in which its rows are tried.

Laws:
1. *Gone is the claim that needs evidence.* Only what services.core.reasons lists as removed is
   removal-class; everything that could be a block, a fault of the network or of our own is `undetermined`.
2. Online if any address served it; gone only if every address that it has was asked and says so.
3. A blind vantage sees nothing gone: `removed`, and every fault of the network, become `vantage_blind`.
4. What is answered as a path that can't exist is online only if it is the baseline itself, validator and all. It is
   gone only if it was seen served before, and the host answered missing paths so while something was served.
5. What differs from the baseline may lose `online`, and never wins `removed`: another kind of content, another
   file, a missing length and a text of a very different length are `suspected_replaced`. ETag, Last-Modified and the
   server's class differ between the nodes of one honest site, so they weigh nothing.
6. A whole host that is dark is removal-class only after hours, and the fold asks a second vantage.
7. A redirect says what its target says. Its spelling proves nothing; without a baseline, a target that does not name
   the object any more is not known to be the object.
8. Fingerprints are compared within one method: a host may say other things to HEAD than to GET.

Sources: design section 5; domain.md P1 to P10; RFC 9110 for the status codes.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct

from schemas.events import Fingerprint
from services.core.fingerprints import (
    MEDIA,
    REPLACED,
    Change,
    Control,
    kind_of_content,
    reason_of_status,
)
from services.core.reasons import DARK_FAULTS, NETWORK_FAULTS, REASONS, Judgement

__all__ = [
    "Answer",
    "Dns",
    "Evidence",
    "Judgement",
    "Redirect",
    "is_dark",
    "is_dark_answer",
    "judge",
    "judge_answer",
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
Redirect = Literal["slash", "https", "same_host", "same_domain", "root", "login", "other_domain"]


class Answer(Struct, frozen=True, kw_only=True):
    """What one address said in the end, or the fault that kept it from saying anything.

    `control` is how its answer compares with those for siblings that the same handler answers, the most alike first;
    `doubted`: a sibling has just met a fault of a new kind, and this is not plainly what was served before.
    `told_apart`: the host answered missing paths as it does now while something was served. `fresh`: the siblings were
    asked just now. `was_served`: somebody saw this URL served before. `change` is how it differs from its baseline,
    `plain` that it is of the baseline's class and length, and `is_content` that it is the baseline, validator and all.
    `shared`: a sibling is sent to the same place.
    `named`: the target of its redirect still names the object. `empty`: it is served with nothing in it.
    `missing_forbidden`: 403 is how this host answers what it doesn't have.
    """

    address: str
    fault: str | None = None
    status: int | None = None
    method: Literal["HEAD", "GET"] = "HEAD"
    redirect: Redirect | None = None
    challenge: bool = False
    control: Control = "unasked"
    told_apart: bool = False
    fresh: bool = False
    was_served: bool = False
    change: Change = "unknown"
    plain: bool = False
    is_content: bool = False
    shared: bool = False
    named: bool = False
    empty: bool = False
    missing_forbidden: bool = False
    neutral_agent: bool = False
    fingerprint: Fingerprint | None = None


class Evidence(Struct, frozen=True, kw_only=True):
    """All that one look brought home; pure data.

    `refused` counts addresses that the guard refused, `left_out` those beyond the cap or the look's time, and
    a family of which the name servers said nothing; `left_out_dark` those of them that gave nothing when they were
    asked last. `dark`: the whole host has been dark for so long that it counts.
    """

    dns: Dns = "addresses"
    answers: tuple[Answer, ...] = ()
    refused: int = 0
    left_out: int = 0
    left_out_dark: int = 0
    parked: bool = False
    dark: bool = False
    blind: bool = False
    not_measurable: str | None = None


def judge(evidence: Evidence) -> Judgement:
    """Give the verdict on a look's evidence."""
    judgement = _unblinded(evidence)
    if evidence.blind and (judgement.verdict == "removed" or judgement.reason in NETWORK_FAULTS):
        return REASONS["vantage_blind"]
    return judgement


def _unblinded(evidence: Evidence) -> Judgement:
    reason = _unasked(evidence)
    if reason is not None:
        return REASONS[reason]
    judgement = _of_all(evidence.answers)
    if evidence.dark and is_dark(evidence):
        return REASONS["host_dark"]
    if judgement.verdict == "removed" and evidence.left_out:
        return REASONS["gone_on_some"]
    return REASONS["parked"] if judgement.verdict == "online" and evidence.parked else judgement


def _unasked(evidence: Evidence) -> str | None:
    """Name why no address could be asked, if so."""
    if evidence.not_measurable is not None:
        return "not_measurable"
    if evidence.dns != "addresses":
        return "nxdomain" if evidence.dns == "nxdomain" else f"dns_{evidence.dns}"
    return None if evidence.answers else "address_refused"


def is_dark(evidence: Evidence) -> bool:
    """Tell whether no address gave anything but what a dark host gives, nor when it was asked last."""
    return (
        evidence.dns == "addresses"
        and bool(evidence.answers)
        and evidence.left_out <= evidence.left_out_dark
        and all(is_dark_answer(answer) for answer in evidence.answers)
    )


def is_dark_answer(answer: Answer) -> bool:
    """Tell whether an address gave nothing but what a dark host gives."""
    # A 503 is not among them: a balancer without a server for the name says it, and so does a limit meant for us.
    return _reason(answer) in DARK_FAULTS


def _of_all(answers: Sequence[Answer]) -> Judgement:
    """Put the answers of all addresses together: online before undetermined before removed."""
    first: Judgement | None = None
    for answer in answers:
        judgement = judge_answer(answer)
        if judgement.verdict == "online":
            return judgement
        if first is None or (first.verdict == "removed" and judgement.verdict == "undetermined"):
            first = judgement
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
    if answer.redirect in _UNFOLLOWED:
        return _UNFOLLOWED[answer.redirect](answer)
    if answer.empty:
        return _nothing(answer)
    reason = reason_of_status(answer.status)
    if reason == "blocked_forbidden" and answer.missing_forbidden:
        return "forbidden_as_missing"
    return _served(answer) if reason == "served" else reason


def _sent_away(_: Answer) -> str:
    return "redirect_other_domain"


def _sent_to_login(answer: Answer) -> str:
    """Judge what is sent to a path that is spelled like a login: media that lie there are the object all the same."""
    print_ = answer.fingerprint
    kind = None if print_ is None else kind_of_content(print_.content_type)
    beyond = answer.named and kind in MEDIA and reason_of_status(answer.status) == "served"
    return _served(answer) if beyond else "blocked_login"


def _sent_to_root(answer: Answer) -> str:
    """Judge what is sent to the front page: gone, if it was served before and this is no wall around the host."""
    if answer.shared:
        return "soft_404_root" if _proven_missing(answer) else "redirect_shared"
    # A sibling of before may have been asked before a wall went up.
    return "soft_404_root" if answer.was_served and answer.fresh else "redirect_to_root"


def _proven_missing(answer: Answer) -> bool:
    """Tell whether what is answered as siblings are is gone: it was served, and siblings were answered so then."""
    return answer.was_served and answer.told_apart and answer.fresh


_UNFOLLOWED: dict[str | None, Callable[[Answer], str]] = {
    "other_domain": _sent_away,
    "root": _sent_to_root,
    "login": _sent_to_login,
}


def _nothing(answer: Answer) -> str:
    """Judge an answer of no bytes: gone, if there were some before, and no sibling is answered so."""
    emptied = answer.was_served and answer.control == "differs" and answer.fresh
    return "emptied" if emptied else "no_content"


def _served(answer: Answer) -> str:
    if answer.redirect is not None and answer.shared:
        return "soft_404_redirect" if _proven_missing(answer) else "redirect_shared"
    if answer.control in ("same", "alike"):
        return _as_sibling(answer)
    if answer.change in REPLACED:
        return _replaced(answer)
    if answer.control == "doubted":
        return "suspected_unproven"
    is_object = answer.named or answer.plain
    return "served" if answer.redirect is None or is_object else "redirect_unproven"


def _replaced(answer: Answer) -> str:
    """Judge another thing in the place of the baseline."""
    missing = answer.control == "differs" and answer.fresh
    # An optimiser leaves a file where it is; what is sent to another place may be a placeholder for many.
    in_place = answer.redirect is None or answer.named
    reencoded = answer.change == "reencoded" and missing and in_place
    return "suspected_reencoded" if reencoded else "suspected_replaced"


def _as_sibling(answer: Answer) -> str:
    """Judge what is answered as a path that can't exist (P4)."""
    if answer.is_content:
        return "served"
    if not answer.was_served:
        return "never_seen_served"
    if answer.control == "alike":
        return "suspected_soft_404"
    return "soft_404_control" if _proven_missing(answer) else "suspected_wall"
