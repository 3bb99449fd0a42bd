"""What one reply of an address is worth: measured by siblings, by the baseline, and by what else the host serves."""

from msgspec import structs

from schemas.events import Fingerprint
from services.core.fingerprints import (
    REPLACED,
    Change,
    changed,
    is_baseline,
    is_content,
    reason_of_status,
)
from services.core.reasons import BLOCKS
from services.core.verdict import Answer
from services.probing.http.exchange import Method, Reply
from services.probing.limits.gate import Deferred
from services.probing.look.comparison import Comparison, Reached, Siblings, ask_beside
from services.probing.look.file_types import is_promised
from services.probing.look.memory import LookLimits, Memory, Target
from services.probing.look.operations import NOW, Explain, Protocol
from services.probing.look.own_places import are_sent_apart
from services.probing.look.redirects import Trail


class Measurement:
    """Make answers of replies. `was_served`: somebody saw the URL served; `parked`: its name is, a sibling says.

    Without `compared` there are no siblings: for the canary, which is the operator's own page.
    """

    __slots__ = (
        *("compared", "confirming", "deciding", "parked", "was_served"),
        *("_baseline", "_case", "_limits", "_memory", "_siblings"),
    )

    def __init__(
        self, target: Target, memory: Memory, limits: LookLimits, *, compared: bool
    ) -> None:
        self._case = target.case_number
        self._baseline = target.baseline
        self._memory = memory
        self._limits = limits
        self._siblings = Siblings(memory)
        self.compared = compared
        self.confirming = target.confirming
        self.deciding = target.deciding
        self.was_served = target.known_online or self._case in memory.served_cases
        self.parked = False

    @property
    def _siblings_then(self) -> str | None:
        """How siblings were answered when the baseline was taken."""
        return None if self._baseline is None else self._baseline.sibling

    @property
    def baseline_method(self) -> Method | None:
        """The method by which the baseline was taken."""
        return None if self._baseline is None else self._baseline.method

    @property
    def is_known_gone(self) -> bool:
        """Tell whether no agent got it since somebody saw it served."""
        return self.was_served and self._case in self._memory.gone_cases

    def remember_gone(self) -> None:
        """Remember that the neutral agent was told so as well."""
        self._memory.remember_gone(self._case)

    @property
    def _was_unseen(self) -> bool:
        """Tell whether the last look did not see it: a wall may have gone up, and a deadline may be over meanwhile."""
        return self._case in self._memory.unseen_cases

    def is_plain(self, answer: Answer) -> bool:
        """Tell whether an answer is plainly the baseline: its class of content, and its length."""
        return is_baseline(answer.fingerprint, self._baseline)

    def compare(self, reached: Reached) -> Protocol[Comparison]:
        """Compare a reply with its siblings; what speaks against the URL rests on siblings that were asked just now."""
        comparison = yield from self._siblings.compare(
            reached, self.was_served, self._siblings_then
        )
        self.parked = self.parked or comparison.parked
        return comparison

    def refresh(self, reached: Reached) -> Protocol[Comparison]:
        """Compare a reply with siblings that are asked again, unless they were just now."""
        yield Explain("siblings_asked_again")
        return (yield from self._siblings.refresh(reached, self.was_served, self._siblings_then))

    def answer_at_once(self, reached: Reached, now: float, trail: Trail) -> Answer | None:
        """Make the answer of what is plainly the baseline still, where siblings of before were plainly refused.

        None: it has to be compared. Nearly every look ends here: what `compare` and `answer` come to, at a third.
        """
        reply, baseline = reached.reply, self._baseline
        if not (self.was_served and baseline is not None and reply.content_length):
            return None
        if reached.redirect is not None or self.deciding or self._was_unseen:
            return None
        kind = self._siblings.missing_before(reached, now)
        if kind is None:
            return None
        print_ = reply.fingerprint(None, sibling=kind)
        change = changed(print_, baseline)
        if change not in ("none", "minor") or not is_baseline(print_, baseline):
            return None
        return Answer(
            address=reached.address,
            status=reply.status,
            method=reply.method,
            control="differs",
            told_apart=True,
            was_served=True,
            change=change,
            named=trail.named,
            fingerprint=print_,
        )

    def answer(self, reached: Reached, comparison: Comparison, trail: Trail) -> Protocol[Answer]:
        """Make the answer of what is served."""
        fingerprint = reached.reply.fingerprint(reached.redirect)
        change = self._change(reached, fingerprint)
        has_answered = comparison.answered
        if self._needs_fresh(reached, comparison, change):
            comparison = yield from self.refresh(reached)
        control = comparison.control
        if control == "doubted" and is_baseline(fingerprint, self._baseline):
            control = "unasked"
        if control == "unasked" and not (has_answered or comparison.alone or self.was_served):
            # Nobody saw it, and no sibling ever told: a page may be what everything is answered with.
            control = "unasked" if is_promised(reached.url, fingerprint) else "doubted"
        reply = reached.reply
        return Answer(
            address=reached.address,
            status=reply.status,
            method=reply.method,
            redirect=reached.redirect,
            challenge=reply.challenge,
            control=control,
            told_apart=comparison.told_apart,
            fresh=comparison.fresh,
            was_served=self.was_served,
            change=change,
            plain=reached.redirect is not None and is_baseline(fingerprint, self._baseline),
            is_content=control in ("same", "alike") and is_content(fingerprint, self._baseline),
            named=trail.named,
            empty=is_empty(reply),
            fingerprint=_with_siblings(fingerprint, comparison),
        )

    def _change(self, reached: Reached, fingerprint: Fingerprint | None) -> Change:
        """Say how an answer differs from the baseline: what another case has too is no encoding of either."""
        change = changed(fingerprint, self._baseline)
        if change != "reencoded" or fingerprint is None:
            return change
        file = f"{fingerprint.method} {fingerprint.content_type} {fingerprint.content_length}"
        shared = self._memory.replacements.note(reached.url.host, file, self._case)
        return "file" if shared else change

    def against_baseline(self, answer: Answer, head: Reply) -> Answer:
        """Say of an answer how another reply to the same URL differs from the baseline."""
        return structs.replace(answer, change=changed(head.fingerprint(None), self._baseline))

    def _needs_fresh(self, reached: Reached, comparison: Comparison, change: Change) -> bool:
        """Tell whether siblings of before are no proof: it is not what it was, or a breach may rest on it."""
        if comparison.fresh or comparison.alone:
            return False
        if change in REPLACED or is_empty(reached.reply) or self.deciding or self._was_unseen:
            return True
        fingerprint = reached.reply.fingerprint(None)
        # Siblings of before vouch for what is plainly what was seen before; else a wall may have gone up since.
        return change not in ("none", "minor") or not is_baseline(fingerprint, self._baseline)

    def forbidden(self, reached: Reached) -> Protocol[Answer]:
        """Tell a store that forbids what it does not have from a block."""
        answer = answer_of(reached)
        if not (self.compared and self.was_served) or self._siblings_then != "403":
            return answer
        comparison = yield from self.refresh(reached)
        if comparison.kind != "403" or not (yield from self._serves_else(reached)):
            return answer
        yield Explain("store_forbids_missing")
        return structs.replace(answer, missing_forbidden=True)

    def _serves_else(self, reached: Reached) -> Protocol[bool]:
        """Tell whether the host lets us have anything now: its front page, or another case that it served lately.

        What it let us have before says nothing: a wall around the host may have gone up since.
        """
        now = yield NOW
        front = yield from self._siblings.front(reached, now)
        if front is not None and front.fingerprint is not None and front.fault is None:
            return reason_of_status(front.fingerprint.status) not in BLOCKS
        host, lately = reached.url.host, self._limits.front_interval_seconds
        other = self._memory.another_served(self._case, host, now, lately)
        if other is None:
            return False
        try:
            reply = yield from ask_beside("sibling", "GET", other, reached.address)
        except Deferred:
            return False
        return is_served(reply) and not is_empty(reply)

    def shares_target(self, sent: Reached) -> bool:
        """Note where the URL is sent; tell whether other cases are sent there too."""
        assert sent.sent_to is not None
        return self._memory.shared_targets.note(sent.url.host, sent.sent_to, self._case)

    def are_sent_apart(self, sent: Reached) -> Protocol[bool]:
        """Tell whether each path of the URL's handler is sent to a place of its own."""
        return (yield from are_sent_apart(self._memory, sent))

    def dark_front(self, reached: Reached) -> Protocol[bool | None]:
        """Tell whether the front page gives nothing either; None where politeness forbids to ask."""
        return (yield from self._siblings.dark_front(reached))


def answer_of(reached: Reached, fault: str | None = None) -> Answer:
    """Make the answer of an address of what it replied, compared with nothing."""
    reply = reached.reply
    return Answer(
        address=reached.address,
        fault=fault or reply.fault,
        status=reply.status,
        method=reply.method,
        redirect=reached.redirect,
        challenge=reply.challenge,
        fingerprint=reply.fingerprint(reached.redirect),
    )


def is_served(reply: Reply) -> bool:
    """Tell whether a reply serves something."""
    return (
        reply.fault is None and not reply.challenge and reason_of_status(reply.status) == "served"
    )


def is_empty(reply: Reply) -> bool:
    """Tell whether GET served nothing: a length of 0, or no first byte to give (`Content-Range: bytes */0`)."""
    ranged = reply.is_past_end and reply.fault is None
    return reply.method == "GET" and reply.content_length == 0 and (ranged or is_served(reply))


def _with_siblings(fingerprint: Fingerprint | None, comparison: Comparison) -> Fingerprint | None:
    """Keep beside what is served how siblings were answered, where the two are told apart."""
    if fingerprint is None or comparison.control != "differs" or not comparison.kind:
        return fingerprint
    if not (comparison.told_apart or comparison.refused):
        return fingerprint
    return structs.replace(fingerprint, sibling=comparison.kind)
