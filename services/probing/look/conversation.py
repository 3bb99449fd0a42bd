"""The talk with one address about one URL: HEAD, GET where HEAD says little, the neutral agent where it is gone."""

from collections.abc import Callable

from msgspec import structs

from schemas.events import Fingerprint
from schemas.urls import CanonicalUrl
from services.core.fingerprints import is_still
from services.core.verdict import Answer, Redirect, judge_answer
from services.probing.http.exchange import Method, Reply
from services.probing.limits.gate import Deferred
from services.probing.look.comparison import Comparison, Reached, ask_beside
from services.probing.look.handlers import handler_of
from services.probing.look.measurement import Measurement, answer_of, is_empty, is_served
from services.probing.look.memory import HeadWorth
from services.probing.look.operations import (
    NOW,
    Ask,
    Enter,
    Explain,
    Leave,
    Protocol,
)
from services.probing.look.redirects import STATUSES, Trail

Redirected = Callable[[Reached, Trail], Protocol[Answer]]

# Where no request was sent, another method is no help.
_UNSENT = frozenset(
    {
        *("address_refused", "connect_failed", "connect_refused", "connect_timeout"),
        *("egress_failed", "tls_failed", "tls_timeout", "unreachable"),
    }
)
_GONE = frozenset({404, 410})
_PUSHED_BACK = frozenset({429, 503})


class Conversation:
    """Ask an address for a URL until its answer can be judged; `redirected` judges one that sends us elsewhere."""

    __slots__ = ("_head", "_measurement", "_redirected")

    def __init__(self, measurement: Measurement, head: HeadWorth, redirected: Redirected) -> None:
        self._measurement = measurement
        self._head = head
        self._redirected = redirected

    def hold(
        self, url: CanonicalUrl, address: str, trail: Trail, via: Redirect | None
    ) -> Protocol[Answer]:
        """Ask, and make the answer; `via` is the redirect that led here."""
        reply = yield from self._ask(url, address)
        return (yield from self._answer(Reached(url, address, reply, via), trail))

    def _ask(self, url: CanonicalUrl, address: str) -> Protocol[Reply]:
        """Ask one address: HEAD, then GET where HEAD says little."""
        yield Enter(address, url.host)
        method = self._first_method(url) or (yield from self._method_by_age(url))
        reply: Reply = yield Ask("url", method, url, address)
        if method == "HEAD" and _says_little(reply):
            reply = yield from self._ask_by_get(url, address, reply)
        elif method == "HEAD" and reply.status in _PUSHED_BACK and not reply.challenge:
            yield Explain("head_pushed_back")
        yield Leave(address, url.host, reply)
        return reply

    def _first_method(self, url: CanonicalUrl) -> Method | None:
        """Choose the method to begin with; None: it depends on what HEAD was worth lately.

        GET where the URL is gone, and GET has to say so again. What the URL was seen as by one method is compared with
        what it gives to that.
        """
        method = self._measurement.baseline_method
        if self._head_was_left_out or method == "GET":
            return "GET"
        return "HEAD" if method == "HEAD" or handler_of(url) not in self._head else None

    def _method_by_age(self, url: CanonicalUrl) -> Protocol[Method]:
        if self._head.age(handler_of(url), (yield NOW)) is None:
            return "HEAD"
        yield Explain("head_known_to_say_little")
        return "GET"

    @property
    def _head_was_left_out(self) -> bool:
        return self._measurement.confirming or self._measurement.is_known_gone

    def _ask_by_get(self, url: CanonicalUrl, address: str, head: Reply) -> Protocol[Reply]:
        yield Explain("head_says_little")
        reply: Reply = yield Ask("url", "GET", url, address)
        if reply.status is not None and (reply.status < 400 or head.status in (405, 501)):
            self._head.says_little(handler_of(url), (yield NOW))
        return reply

    def _answer(self, reached: Reached, trail: Trail) -> Protocol[Answer]:
        """Make an answer of what an address replied."""
        reply = reached.reply
        if reply.challenge or reply.fault is not None:
            return answer_of(reached)
        if reply.status in STATUSES:
            return (yield from self._redirected(reached, trail))
        if reply.status in _GONE:
            return (yield from self._gone(reached, trail))
        if is_served(reply) or is_empty(reply):
            return (yield from self._served(reached, trail))
        if reply.status == 403:
            return (yield from self._measurement.forbidden(reached))
        return answer_of(reached)

    # -- gone --------------------------------------------------------------------------------------

    def _gone(self, reached: Reached, trail: Trail) -> Protocol[Answer]:
        """Ask as the neutral agent what is gone for ours: the first time, which dates it, and before it confirms."""
        measurement = self._measurement
        if not measurement.compared or (measurement.is_known_gone and not measurement.confirming):
            return answer_of(reached)
        neutral = yield from self._as_neutral(reached)
        if neutral is None:
            # It may be gone for our agent alone.
            return answer_of(reached, None if measurement.is_known_gone else "agent_unasked")
        if neutral.status in _GONE:
            measurement.remember_gone()
            yield Explain("agent_agrees")
            return answer_of(reached)
        if measurement.was_served and not _gives(neutral):
            # It was seen under our agent: that another one is blocked takes nothing from its answer.
            return answer_of(reached)
        return (yield from self._to_neutral(reached, neutral, trail))

    def _as_neutral(self, reached: Reached) -> Protocol[Reply | None]:
        try:
            return (yield from ask_beside("url", "GET", reached.url, reached.address, neutral=True))
        except Deferred:
            return None

    def _to_neutral(self, reached: Reached, reply: Reply, trail: Trail) -> Protocol[Answer]:
        """Make the answer of what the neutral agent got."""
        yield Explain("agent_matters")
        reached = structs.replace(reached, reply=reply, neutral=True)
        if _gives(reached.reply):
            answer = yield from self._answer(reached, trail)
        else:
            answer = answer_of(reached)
        return structs.replace(answer, neutral_agent=True)

    # -- served ------------------------------------------------------------------------------------

    def _served(self, reached: Reached, trail: Trail) -> Protocol[Answer]:
        if not self._measurement.compared:
            return answer_of(reached)
        at_once = self._measurement.answer_at_once(reached, (yield NOW), trail)
        if at_once is not None:
            return at_once
        comparison = yield from self._measurement.compare(reached)
        if reached.reply.method == "HEAD" and not (comparison.alone or comparison.missing):
            reply = yield from self._get_instead(reached, comparison)
            head = reached.reply if comparison.control == "differs" else None
            return (
                yield from self._answer(structs.replace(reached, reply=reply, head=head), trail)
            )
        answer = yield from self._measurement.answer(reached, comparison, trail)
        if answer.change == "unknown" and self._measurement.baseline_method == "HEAD":
            answer = yield from self._beside_head(reached, answer)
        if self._measurement.deciding and reached.reply.method == "HEAD":
            return (yield from self._decided(reached, answer, trail))
        return (yield from self._confirmed(reached, answer, trail))

    def _confirmed(self, reached: Reached, answer: Answer, trail: Trail) -> Protocol[Answer]:
        """Ask as the neutral agent what is gone though it is served: two nodes may take turns, or ours is kept out."""
        if reached.neutral or judge_answer(answer).verdict != "removed":
            return answer
        neutral = yield from self._as_neutral(reached)
        if neutral is None:
            return structs.replace(answer, fault="agent_unasked")
        if not _gives(neutral) or is_still(_print(neutral), _print(reached.reply)):
            return answer
        return (yield from self._to_neutral(reached, neutral, trail))

    def _beside_head(self, reached: Reached, answer: Answer) -> Protocol[Answer]:
        """Compare what HEAD gives with a baseline that HEAD gave: GET alone can't see another file in its place."""
        if judge_answer(answer).verdict != "online":
            return answer
        head = reached.head
        if head is None and (reached.neutral or self._head_was_left_out):
            head = yield from self._ask_head(reached)
        return answer if head is None else self._measurement.against_baseline(answer, head)

    def _ask_head(self, reached: Reached) -> Protocol[Reply | None]:
        """Ask by HEAD; None where it says nothing of this URL."""
        url, address = reached.url, reached.address
        head = yield from ask_beside("url", "HEAD", url, address, neutral=reached.neutral)
        if _says_little(head) or not is_served(head):
            return None
        comparison = yield from self._measurement.compare(structs.replace(reached, reply=head))
        return head if comparison.control == "differs" else None

    def _decided(self, reached: Reached, answer: Answer, trail: Trail) -> Protocol[Answer]:
        """Have GET serve it too where a sighting may be a breach: a cache may have kept what HEAD says."""
        if judge_answer(answer).verdict != "online":
            return answer
        yield Explain("deadline_asks_get")
        reply = yield from ask_beside("url", "GET", reached.url, reached.address)
        if is_served(reply) and not is_empty(reply):
            return answer
        return (yield from self._answer(structs.replace(reached, reply=reply), trail))

    def _get_instead(self, reached: Reached, comparison: Comparison) -> Protocol[Reply]:
        """Ask by GET where HEAD does not tell a sibling apart."""
        yield Explain("head_says_little")
        if comparison.answered:
            self._head.says_little(handler_of(reached.url), (yield NOW))
        return (yield from ask_beside("url", "GET", reached.url, reached.address))


def _print(reply: Reply) -> Fingerprint | None:
    return reply.fingerprint(None)


def _gives(reply: Reply) -> bool:
    """Tell whether a reply serves something, or says where that is."""
    return is_served(reply) or reply.status in STATUSES


def _says_little(head: Reply) -> bool:
    """Tell whether GET has to decide: anything but a plain answer with a length, or a wish to be left alone."""
    if head.challenge:
        return False
    if head.fault is not None:
        return head.fault not in _UNSENT
    if head.status in _PUSHED_BACK and head.retry_after is not None:
        return False
    return not (is_served(head) and head.content_length)
